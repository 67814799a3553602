"""How records are laid out: as this release does it, or as release 0.1 did, from which they are brought over once.

Release 0.1 put what belongs to a user under a tag made with a secret key of the storage (`tag_key`), led to a session
from the tag in its sid where that was another one (o:), and kept an era in every session and in the log. Its records
begin with a byte above 0x7f, those of this release with one below. Every function may raise StorageUnavailableError.
"""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from ...errors import ConfigError, StorageUnavailableError
from ...sessions.ids import tag_in, tag_of
from ...sessions.model import Principal, Session
from ...sessions.revocations import kept_until
from ...sessions.transitions import NOTHING, Changes, merge_principal
from ..model import SchemaState
from .client import Call
from .records import is_old, unpack_principal, unpack_user, version_of
from .units import Plan

if TYPE_CHECKING:
    from .client import Client
    from .records import Key, Keys

_LAYOUT: Final = b"2"
_OLD_FIELDS: Final = (
    *("realm", "user_id", "created_at", "auth_at", "idle_until", "until", "access_lifetime", "gen", "predecessor"),
    *("rotated_at", "confirmed", "epoch", "last_seen_at", "ended_at", "end_reason", "device_type", "device_id"),
    *("device_name", "ip", "user_agent", "scope", "amr", "era", "untold", "user_stamp", "issued_for", "claims"),
)
_decode: Final = msgspec.msgpack.Decoder().decode


def state_of(client: Client, keys: Keys) -> SchemaState:
    """Which layout there is."""
    meta, tag_key = keys.log_keys(b"meta", b"tag_key")
    (layout, name, old), has_key = client.run(
        Call(meta, ("HMGET", meta, "layout", "log_id", "tag_key")), Call(meta, ("EXISTS", tag_key))
    )
    if old or has_key or (name and not layout):
        return SchemaState("laid out by release 0.1; run: flask tessera db upgrade", is_usable=False)
    if layout not in (None, _LAYOUT):
        return SchemaState(f"of layout {layout.decode()}, newer than 2 known here", is_usable=False)
    words = "layout 2, the present one" if name else "no revocation log yet; it begins at first use"
    return SchemaState(words, is_usable=True, is_new=not name)


def refuse_old(client: Client, keys: Keys) -> None:
    """Refuse records that this release would not find.

    Raises:
        ConfigError: there are some.
    """
    state = state_of(client, keys)
    if not state.is_usable:
        raise ConfigError(f"STORE_URL: the records in Redis are {state.words}")


def upgrade(client: Client, keys: Keys) -> list[str]:
    """Bring all records of release 0.1 over; gives what was done. Once more goes on where it has stopped."""
    return [] if state_of(client, keys).is_usable else _Upgrade(client, keys).run()


class _Upgrade:
    """Writes each record anew, principals first, so that an epoch is never missed; then the log begins anew."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys
        meta, *others = keys.log_keys(b"meta", b"tag_key", b"era")
        (tag_key, first), (now, _) = client.run(Call(meta, ("HMGET", meta, "tag_key", "era")), Call(meta, ("TIME",)))
        second, third = client.get(others)
        self._tag_key = tag_key or second or b""
        self._era = max(int(first or 0), int(third or 0))
        self._now = int(now)

    def run(self) -> list[str]:
        counts = [self._bring_over(kind) for kind in (b"p", b"s")]
        for page in self._client.scan_all(self._keys.pattern(b"uo")):
            self._drop(*page)
        meta, *names = self._keys.log_keys(b"meta", b"entries", b"era", b"pulse", b"workers", b"beats", b"tag_key")
        self._drop(*names[:-1])
        # Of tokens issued before this moment the new log knows nothing: workers ask for their sessions.
        log = ("log_id", secrets.token_hex(8), "created_at", self._now, "n", 0, "nonce", 0, "layout", _LAYOUT)
        self._client.command(meta, "HSET", meta, *log, writes=True)
        self._client.command(meta, "HDEL", meta, "era", "born_at", "tag_key", writes=True)
        self._drop(names[-1])
        return [f"layout 2: {counts[0]} users, {counts[1]} sessions"]

    def _bring_over(self, kind: bytes) -> int:
        count = 0
        for found in map(self._keys.split, self._client.scan_all(self._keys.pattern(kind))):
            for key, raw in zip(found, self._client.get(each.key for each in found), strict=True):
                if raw and is_old(raw):
                    (self._move_principal if kind == b"p" else self._move_session)(key, raw)
                    count += 1
        return count

    def _move_principal(self, key: Key, raw: bytes) -> None:
        moved = Principal(*unpack_user(key.name), *_decode(raw))
        target = self._keys.user(moved.realm, moved.user_id).principal
        present = self._client.get([target])[0] or b""
        known = unpack_principal(moved.realm, moved.user_id, b"" if is_old(present) else present)
        self._move(key, target, present, moved, merge_principal(known, moved))

    def _move_session(self, key: Key, raw: bytes) -> None:
        fields = dict(zip(_OLD_FIELDS, _decode(raw), strict=False))
        era = fields.pop("era")
        fields.pop("untold", None)
        moved = Session(sid=key.name, **{**fields, "confirmed": bool(fields["confirmed"])})
        if era < self._era and not moved.ended_at:
            until = kept_until(moved, self._now)
            moved = replace(moved, ended_at=self._now, end_reason="expiry", idle_until=until)
        target = self._keys.session(moved.sid)
        present = self._client.get([target])[0] or b""
        changes = Changes(added=moved) if is_old(present) or not present else NOTHING
        self._move(key, target, present, moved, changes)

    def _move(self, key: Key, target: bytes, present: bytes, moved: Principal | Session, changes: Changes) -> None:
        """Write what becomes of a record, and drop the old one, if it is not overwritten."""
        tag = tag_of(moved.realm, moved.user_id) if isinstance(moved, Principal) else tag_in(moved.sid)
        # What was written before a key of tags was lost does not lie where release 0.1 looked for it.
        seen_under = hmac.digest(self._tag_key, f"{moved.realm}\0{moved.user_id}".encode(), "sha256")[:2]
        is_written = seen_under == key.tag and not changes.is_nothing
        if is_written:
            plan = Plan(self._keys, tag, {target: version_of(present)}, changes, self._now)
            if any(self._client.run(*(batch.call() for batch in (plan.first, *plan.others.values())))):
                raise StorageUnavailableError("Redis: somebody else writes; stop all workers, then upgrade again")
        if target != key.key or not is_written:
            self._drop(key.key)

    def _drop(self, *keys: bytes) -> None:
        self._client.run(*(Call(key, ("DEL", key), writes=True) for key in keys))
