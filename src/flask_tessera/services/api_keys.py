"""API keys: long-lived secrets for machines, each belonging to a user.

How a change is made. A key is one small value (`api_key_store.py`); of its secret only a hash is stored. Workers
remember keys that they have read, so a change that takes something away is then told in the revocation log, by an entry
that bears the id of the key. A revocation first marks the key, then tells of it, and only then removes it: where it
fails in between, the same call finds the mark, and completes what is left.

The end of an owner. Whoever suspends or removes a user, or changes a password, ends the user's sessions first and then
all keys. `create` looks again whether it is allowed once the key is written: then either that look finds that it is
not, or the key is there when all of them are ended.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec.structs import replace

from ..errors import (
    InputError,
    LoginRefusedError,
    NotFoundError,
    ScopeMissingError,
    SessionEndedError,
    StorageUnavailableError,
    TokenExpiredError,
    TokenInvalidError,
)
from ..sessions.revocations import Revocation
from ..storage.key_value import hashed_key
from ..tokens import api_key
from .api_key_data import MOST_KEYS, ApiKey, NewApiKey, checked_name, checked_overlap, digest_of
from .api_key_store import REVOKED_KEPT, ApiKeyStore, remove_key
from .login_data import refuse_unusable
from .new_ids import NewIds
from .tries import count_try
from .undoing import undone_if_refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..storage.engine import Storage
    from ..storage.key_value import KeyValue
    from .ports import Clock, RandomBytes

_MINUTE: Final = 60
"""Seconds to which the last use of a key is told."""
_TOLD_FOR: Final = REVOKED_KEPT
"""Seconds for which the log tells of a change: longer than any worker remembers a key, or goes without reading."""
_REVOKED: Final = "kick"
"""The reason in the log for which a key has ended, not only changed."""
MOST_CHANGES: Final = 100
"""Keys that a user may make or rotate himself in an hour: each leaves a row, or an entry of the log, behind it."""
_HOUR: Final = 3600
_MOST_RECORDED: Final = 4096


class FoundKey(NamedTuple):
    """A key whose secret was presented, the Unix second from which that secret does not work, and what was read."""

    key: ApiKey
    until: int
    version: int


class ApiKeys:
    """The API keys of one realm. Every method may raise StorageUnavailableError; owners are user ids as text.

    Args:
        storage: where they are kept.
        realm: the population of users.
        valid_from: gives the Unix second before which nothing must have been made, at a Unix second: the storage was
            restored from a backup, and has forgotten which keys were revoked.
        clock: gives now, Unix seconds.
        random_bytes: gives random bytes.
        issued_for: names issuer and audience, for which alone the keys are good that are made here.
        listener: is told of each key that was made or changed, by the name of the event.
    """

    def __init__(
        self,
        storage: Storage,
        realm: str,
        *,
        valid_from: Callable[[int], int],
        clock: Clock,
        random_bytes: RandomBytes,
        issued_for: str = "",
        listener: Callable[[str, ApiKey], object] | None = None,
    ) -> None:
        self._storage = storage
        self._keys = ApiKeyStore(storage.values, realm, valid_from=valid_from, issued_for=issued_for)
        self._realm = realm
        self._valid_from = valid_from
        self._clock = clock
        self._random_bytes = random_bytes
        self._issued_for = issued_for
        self._listener = listener or (lambda _event, _key: None)
        self._ids = NewIds(realm, random_bytes)
        self._recorded: dict[bytes, int] = {}

    def create(
        self,
        user_id: str,
        wanted: NewApiKey,
        *,
        user_stamp: str = "",
        within: frozenset[str] | None = None,
        check: Callable[[], object] | None = None,
    ) -> tuple[ApiKey, str]:
        """Make a key; gives it with its text, which nobody can tell again.

        Args:
            user_id: its owner.
            wanted: what it is to be.
            user_stamp: the digest of the owner's stamp.
            within: scopes that it must not exceed; None for any.
            check: raises if the owner is not allowed to make it any more.

        Raises:
            InputError: something that is wanted cannot be, or the user has as many keys as may be.
            ScopeMissingError: the scope goes beyond `within`.
            LoginRefusedError: the user is suspended.
            ValueError: no key can be of such a user.
        """
        refuse_unusable(user_id)
        at, wanted, secret = self._clock(), wanted.checked(), self._random_bytes(api_key.SECRET_BYTES)
        _refuse_beyond(wanted.scope, within)
        self._make_room(user_id, at, MOST_KEYS - 1)
        key = self._new_key(user_id, wanted, secret, user_stamp, at)
        self._keys.write(key, over=0, at=at)
        with undone_if_refused(lambda: self._keys.remove(key.key_id)):
            # Once more, now that it counts: others may have been made meanwhile.
            self._make_room(user_id, at, MOST_KEYS)
            self._refuse_suspended(user_id, at)
            (check or bool)()
        self._listener("api_key_created", key)
        return key, api_key.render(key.key_id, secret)

    def count_change(self, user_id: str) -> None:
        """Count that a user makes or rotates a key himself. A revocation is not counted: it must never be refused.

        Raises:
            ThrottledError: he has done so too often.
        """
        key = hashed_key("api_key_changes", self._realm, user_id)
        count_try(self._storage.values, key, most=MOST_CHANGES, window=_HOUR, at=self._clock())

    def list(self, user_id: str) -> list[ApiKey]:
        """The keys of a user that work, the newest first."""
        return self._keys.working(user_id, at=self._clock())[::-1]

    def rename(self, user_id: str, key_id: bytes, name: str) -> ApiKey:
        """Rename a key.

        Raises:
            InputError: no key can be called that.
            NotFoundError: there is no such key, or it is somebody else's.
        """
        name = checked_name(name)
        key = self._keys.change(user_id, key_id, lambda key: replace(key, name=name), at=self._clock())
        self._listener("api_key_renamed", key)
        return key

    def rotate(
        self, user_id: str, key_id: bytes, *, overlap: int = 0, within: frozenset[str] | None = None
    ) -> tuple[ApiKey, str]:
        """Give a key a new secret; gives it with its new text.

        Args:
            user_id: its owner.
            key_id: names it.
            overlap: seconds for which secrets that it had before work on; those that had less left end sooner.
            within: scopes beyond which the key must not reach; None for any.

        Raises:
            InputError: `overlap` is negative or too long.
            NotFoundError: there is no such key, or it is somebody else's.
            ScopeMissingError: the scope of the key goes beyond `within`.
        """
        overlap, at, secret = checked_overlap(overlap), self._clock(), self._random_bytes(api_key.SECRET_BYTES)

        def rotated(key: ApiKey) -> ApiKey:
            _refuse_beyond(key.scope, within)
            return key.rotated(secret, overlap=overlap, at=at)

        key = self._keys.change(user_id, key_id, rotated, at=at)
        self._tell([key], at, reason="replaced")
        self._listener("api_key_rotated", key)
        return key, api_key.render(key_id, secret)

    def revoke(self, user_id: str, key_id: bytes) -> ApiKey:
        """End a key.

        Raises:
            NotFoundError: there is no such key, or it is somebody else's.
        """
        key = self._mark(user_id, key_id)
        self._end([key])
        return key

    def owner_ended(self, user_id: str, reason: str) -> None:  # noqa: ARG002 - whatever it is
        """End all keys of a user, as of `SessionService`."""
        self.revoke_all(user_id)

    def revoke_all(self, user_id: str) -> None:
        """End all keys of a user who is suspended or gone, or whose password was changed."""
        marked = []
        for each in self._keys.list(user_id, at=self._clock(), also_revoked=True):
            with suppress(NotFoundError):
                marked.append(self._mark(user_id, each.key_id))
        self._end(marked)

    def find(
        self, key_id: bytes, secret: bytes, *, at: int, works_here: Callable[[ApiKey], bool] = bool
    ) -> FoundKey | None:
        """The key of an id and a secret that works at Unix second `at`; None if there is none such.

        One of another realm, issuer or audience, and one that `works_here` refuses, is as good as none: nobody learns
        from its answer that there is such a key.

        Raises:
            TokenInvalidError: it is of a time of which the storage has forgotten something.
            TokenExpiredError: it has expired.
            SessionEndedError: its owner is suspended.
        """
        stored = self._keys.find(key_id, at=at)
        if stored is None or stored.key.is_revoked:
            return None
        key, until = stored.key, stored.key.works_until(secret)
        if not until or (until <= at < key.until):
            return None
        if not self._keys.is_ours(key) or not works_here(key):
            return None
        if key.created_at < self._valid_from(at):
            raise TokenInvalidError
        if key.until <= at:
            raise TokenExpiredError("the API key has expired")
        if self._storage.sessions.principal(key.realm, key.user_id).suspended_until > at:
            raise SessionEndedError("suspension")
        return FoundKey(key, until, stored.version)

    def record_use(self, found: FoundKey, *, at: int) -> None:
        """Keep that a key was used in this minute; whether that can be kept makes no difference to anybody."""
        minute, key = at - at % _MINUTE, found.key
        if key.last_used_at >= minute or self._recorded.get(key.key_id) == minute:
            return
        if len(self._recorded) >= _MOST_RECORDED:
            self._recorded.clear()
        # Before it is tried: a storage that does not write is not asked to at every request.
        self._recorded[key.key_id] = minute
        with suppress(StorageUnavailableError):
            self._keys.write(replace(key, last_used_at=minute), over=found.version, at=at)

    def _new_key(self, user_id: str, wanted: NewApiKey, secret: bytes, user_stamp: str, at: int) -> ApiKey:
        return ApiKey(
            key_id=self._ids.make(user_id, at),
            realm=self._realm,
            user_id=user_id,
            name=wanted.name,
            created_at=at,
            digest=digest_of(secret),
            scope=wanted.scope,
            expires_at=0 if wanted.expires_in is None else at + wanted.expires_in,
            addresses=wanted.addresses,
            user_stamp=user_stamp,
            issued_for=self._issued_for,
        )

    def _mark(self, user_id: str, key_id: bytes) -> ApiKey:
        """Mark a key as revoked, and one that was marked before; errors as of `revoke`."""
        return self._keys.change(
            user_id, key_id, lambda key: replace(key, is_revoked=True), at=self._clock(), also_revoked=True
        )

    def _end(self, marked: Iterable[ApiKey]) -> None:
        keys = tuple(marked)
        self._tell(keys, self._clock(), reason=_REVOKED)
        for each in keys:
            self._keys.remove(each.key_id)
            self._listener("api_key_revoked", each)

    def _tell(self, keys: Iterable[ApiKey], at: int, *, reason: str) -> None:
        entries = [Revocation(at + _TOLD_FOR, reason, sid=each.key_id) for each in keys]
        if entries:
            self._storage.revocations.append(entries, at=at)

    def _make_room(self, user_id: str, at: int, most: int) -> None:
        """Remove the oldest expired keys beyond `most`.

        Raises:
            InputError: more than `most` have not expired.
        """
        keys = self._keys.list(user_id, at=at)
        expired = [each for each in keys if each.until <= at]
        if len(keys) - len(expired) > most:
            raise InputError(f"a user has at most {MOST_KEYS} API keys", slug="api_key_limit_reached")
        for each in expired[: max(0, len(keys) - most)]:
            self._keys.remove(each.key_id)

    def _refuse_suspended(self, user_id: str, at: int) -> None:
        if self._storage.sessions.principal(self._realm, user_id).suspended_until > at:
            raise LoginRefusedError("the user is suspended")


def revoke_again(values: KeyValue, entry: Revocation) -> None:
    """Remove the key that an entry of the log tells the end of, from a storage that has gone back to before it."""
    if entry.sid and entry.reason == _REVOKED:
        remove_key(values, entry.sid)


def _refuse_beyond(scope: str, within: frozenset[str] | None) -> None:
    if within is not None and (beyond := frozenset(scope.split()) - within):
        raise ScopeMissingError(f"the session lacks {' '.join(sorted(beyond))}")
