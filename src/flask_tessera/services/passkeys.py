"""Passkeys: keys on people's devices, with which they log in, or prove once more that it is they (WebAuthn Level 3).

Who somebody is to an authenticator. It keeps a user handle, which must not tell anything of a person (§14.6.1), and a
user id may be a phone number. So the handle is random, made with the first passkey of a user and the same for all of
them; it is kept with each. A login finds its passkey by the credential id, and then compares the handle.

Registering. The challenge is kept for five minutes, one for each session, and taken before anything is checked. Logging
in: nothing is kept of a challenge, see `passkey_challenges.py`. An assertion is verified first, then its challenge is
marked as answered, then the passkey is written over the version that was read.

The end of an owner. A user who is gone has no passkeys. A suspension keeps them: nobody logs in meanwhile. So does a
change of the password: a passkey is no copy of it, and to many a user it is the only other way in.
"""

from __future__ import annotations

import logging
from hmac import compare_digest
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ..accounts.passkeys import verify_assertion, verify_attestation
from ..errors import CodeWrongError, InputError, NotFoundError, StorageUnavailableError
from ..storage.key_value import hashed_key, owned_key
from .api_key_data import checked_name
from .login_data import refuse_unusable
from .passkey_credentials import read_made, read_used
from .passkey_data import Passkey, PasskeyLogin, passkey_id_of
from .passkey_options import LIFETIME, creation_options, person_of, request_options
from .passkey_store import PasskeyStore
from .undoing import undone_if_refused

if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable, Sequence

    from ..accounts.passkeys import RelyingParty, Use
    from ..storage.key_value import KeyValue
    from .passkey_challenges import PasskeyChallenges
    from .passkey_credentials import UsedPasskey
    from .passkey_store import FoundPasskey
    from .ports import Clock, RandomBytes

MOST_PASSKEYS: Final = 20
"""Passkeys that a user may have."""
_REGISTRATION: Final = "passkey_challenge"
_CHALLENGE_BYTES: Final = 32
_HANDLE_BYTES: Final = 64
"""As many as WebAuthn §14.6.1 advises."""
_MOST_TRIES: Final = 100
"""Writers that may be faster, one after another."""
_log = logging.getLogger("flask_tessera")


class _Registration(msgspec.Struct, frozen=True):
    """What is kept between the options and the passkey that was made by them."""

    challenge: bytes
    handle: bytes


_decode_registration: Final = msgspec.json.Decoder(_Registration).decode


class Passkeys:
    """The passkeys of one realm. Every method may raise StorageUnavailableError; owners are user ids as text.

    Where it is not known for which site passkeys are, all but `list`, `has_any` and the removals raise NotFoundError.

    Args:
        values: of the storage.
        realm: the population of users.
        challenges: those to log in with.
        relying_party: tells which site is asked now.
        clock: gives now, Unix seconds.
        random_bytes: gives random bytes.
    """

    def __init__(
        self,
        values: KeyValue,
        realm: str,
        *,
        challenges: PasskeyChallenges,
        relying_party: Callable[[], RelyingParty],
        clock: Clock,
        random_bytes: RandomBytes,
    ) -> None:
        self._values = values
        self._store = PasskeyStore(values, realm)
        self._realm = realm
        self._challenges = challenges
        self._relying_party = relying_party
        self._clock = clock
        self._random_bytes = random_bytes

    def registration_options(
        self, user_id: str, user_name: str, display_name: str = "", *, session_id: str = ""
    ) -> dict[str, Any]:
        """What a browser makes a passkey with (the JSON of PublicKeyCredentialCreationOptions); good for five minutes.

        Args:
            user_id: its owner to be.
            user_name: tells accounts of one person apart, as a phone number does; the browser shows it.
            display_name: what the person is called; empty for the same.
            session_id: in which alone it may be registered; a second call for it voids the first.

        Raises:
            InputError: the user has as many passkeys as may be.
            ValueError: nothing can be of such a user.
        """
        refuse_unusable(user_id)
        site, at, known = self._relying_party().id, self._clock(), self.list(user_id)
        _refuse_more_than(MOST_PASSKEYS - 1, known)
        handle = known[0].handle if known else self._random_bytes(_HANDLE_BYTES)
        kept = _Registration(self._random_bytes(_CHALLENGE_BYTES), handle)
        name = self._registration_key(user_id, session_id)
        owner, until = (self._realm, user_id), at + LIFETIME
        self._values.put(_REGISTRATION, name, msgspec.json.encode(kept), expires_at=until, at=at, owner=owner)
        return creation_options(site, person_of(handle, user_name, display_name), kept.challenge, known)

    def register(
        self,
        user_id: str,
        name: str,
        credential: object,
        *,
        session_id: str = "",
        user_stamp: str = "",
        check: Callable[[], object] | None = None,
    ) -> Passkey:
        """Keep a passkey that was made with the options of this user and session; they are good once.

        Args:
            user_id: its owner.
            name: what he calls it.
            credential: what `PublicKeyCredential.toJSON()` gave in the browser.
            session_id: in which the options were asked for.
            user_stamp: the digest of the owner's stamp.
            check: raises if the owner is not allowed to register it any more.

        Raises:
            CodeWrongError: it was not made with them, for this site, or with a key that can be verified.
            AlreadyExistsError: there is this passkey already, perhaps somebody else's.
            InputError: it cannot be called that, or the user has as many as may be.
        """
        name, made, at = checked_name(name, "a passkey"), read_made(credential), self._clock()
        kept = self._take_registration(user_id, session_id, made.challenge, at)
        new = verify_attestation(made.attestation, kept.challenge, self._relying_party())
        passkey = Passkey(
            credential_id=made.attestation.credential_id,
            realm=self._realm,
            user_id=user_id,
            handle=kept.handle,
            public_key=new.public_key,
            name=name,
            created_at=at,
            sign_count=new.sign_count,
            transports=made.transports,
            may_be_backed_up=new.may_be_backed_up,
            is_backed_up=new.is_backed_up,
            aaguid=new.aaguid,
            user_stamp=user_stamp,
        )
        self._add(passkey, check, at)
        return passkey

    def login_options(self) -> dict[str, Any]:
        """What a browser logs anybody in with (the JSON of PublicKeyCredentialRequestOptions); nothing is kept."""
        return request_options(self._relying_party().id, self._challenges.issue())

    def options_for(self, user_id: str) -> dict[str, Any]:
        """The same for a user who is known, with his passkeys; those are used that verify nobody, too."""
        return request_options(self._relying_party().id, self._challenges.issue(user_id), self.list(user_id))

    def verify_login(self, credential: object) -> PasskeyLogin:
        """Who logs in with this passkey alone; it must have verified the user, and answer `login_options`.

        Raises:
            CodeWrongError: nobody does.
        """
        used = read_used(credential)
        self._challenges.check(used.challenge)
        owner = self._store.owner_of(used.assertion.credential_id, at=self._clock())
        if owner is None or not used.user_handle:
            raise CodeWrongError("no such passkey, or it does not name its owner")
        passkey, use = self._use(owner, used, must_verify_user=True)
        return PasskeyLogin(passkey.user_id, use.is_user_verified, passkey.user_stamp)

    def verify_for(self, user_id: str, credential: object) -> bool:
        """Check that this user has used a passkey now; whether it verified him.

        Raises:
            CodeWrongError: he has not, or for other options than `options_for` him or `login_options`.
        """
        used = read_used(credential)
        self._challenges.check(used.challenge, user_id)
        return self._use(user_id, used)[1].is_user_verified

    def list(self, user_id: str) -> builtins.list[Passkey]:
        """The passkeys of a user, the newest first."""
        return self._store.list(user_id, at=self._clock())

    def has_any(self, user_id: str) -> bool:
        """Whether a user has one."""
        return bool(self.list(user_id))

    def remove(self, user_id: str, passkey_id: bytes) -> None:
        """Remove a passkey.

        Raises:
            NotFoundError: there is none such, or it is somebody else's.
        """
        found = self._store.find(user_id, passkey_id, at=self._clock())
        if found is None:
            raise NotFoundError("no such passkey")
        self._store.remove(found.passkey)

    def owner_ended(self, user_id: str, reason: str) -> None:
        """Remove all passkeys of a user who is gone, as of `SessionService`; whatever else has ended, they stay."""
        if reason == "user_gone":
            for each in self.list(user_id):
                self._store.remove(each)

    def check(self, user_id: str, proof: object, **_client: str) -> tuple[str, ...]:
        """As a second factor (`second_factors.Check`); wrong ones are not counted, since nobody guesses a signature."""
        return amr_of(is_user_verified=self.verify_for(user_id, proof))

    def _registration_key(self, user_id: str, session_id: str) -> bytes:
        return owned_key(self._realm, user_id, hashed_key(self._realm, user_id, session_id))

    def _take_registration(self, user_id: str, session_id: str, challenge: bytes, at: int) -> _Registration:
        taken = self._values.take(_REGISTRATION, self._registration_key(user_id, session_id), at=at)
        kept = _decode_registration(taken.value) if taken is not None else None
        if kept is None or not compare_digest(kept.challenge, challenge):
            raise CodeWrongError("no such challenge is open for this session")
        return kept

    def _add(self, passkey: Passkey, check: Callable[[], object] | None, at: int) -> None:
        _refuse_more_than(MOST_PASSKEYS - 1, self.list(passkey.user_id))
        self._store.add(passkey, at=at)
        with undone_if_refused(lambda: self._store.remove(passkey)):
            # Once more, now that it counts: others may have been registered meanwhile, or the owner's sessions ended.
            _refuse_more_than(MOST_PASSKEYS, self.list(passkey.user_id))
            (check or bool)()

    def _use(self, user_id: str, used: UsedPasskey, *, must_verify_user: bool = False) -> tuple[Passkey, Use]:
        at = self._clock()
        found = self._store.find(user_id, passkey_id_of(used.assertion.credential_id), at=at)
        if found is None or used.user_handle not in (b"", found.passkey.handle):
            raise CodeWrongError("no such passkey of this user")
        passkey = found.passkey
        use = verify_assertion(used.assertion, used.challenge, self._relying_party(), passkey.public_key)
        if use.may_be_backed_up != passkey.may_be_backed_up or (must_verify_user and not use.is_user_verified):
            raise CodeWrongError("it has not verified the user, or is of another kind than it was")
        self._challenges.spend(used.challenge)
        self._record(found, use, at)
        return passkey, use

    def _record(self, found: FoundPasskey, use: Use, at: int) -> None:
        now: FoundPasskey | None = found
        for _ in range(_MOST_TRIES):
            if now is None:
                raise CodeWrongError("the passkey was removed meanwhile")
            if now.passkey.is_counted_back(use):
                _tell_counted_back(now.passkey, use)
                raise CodeWrongError("the passkey has not counted on: it may have been copied")
            if self._store.write(now.passkey.used(use, at=at), over=now.version, at=at):
                return
            now = self._store.find(found.passkey.user_id, found.passkey.passkey_id, at=at)
        raise StorageUnavailableError("others use this passkey all the time", writing=True)


def amr_of(*, is_user_verified: bool) -> tuple[str, ...]:
    """How somebody who has used a passkey has proved who he is (RFC 8176)."""
    return ("hwk", "user") if is_user_verified else ("hwk",)


def _tell_counted_back(passkey: Passkey, use: Use) -> None:
    _log.warning(
        "a passkey of user %r of realm %r was refused: it counts its uses, and told %d after %d; it may have been"
        " copied, or was used by somebody else",
        passkey.user_id,
        passkey.realm,
        use.sign_count,
        passkey.sign_count,
    )


def _refuse_more_than(most: int, known: Sequence[Passkey]) -> None:
    if len(known) > most:
        raise InputError(f"a user has at most {MOST_PASSKEYS} passkeys: remove one of them first")
