"""How records are laid out: as this release does it, or as release 0.1 did, from which they are brought over once.

Release 0.1 put what belongs to a user under a tag made with a secret key of the storage (`tag_key`), led to a session
from the tag in its sid where that was another one (o:), and kept an era in every session and in the log. Its records
begin with a byte above 0x7f, those of this release with one below.
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
from ...sessions.transitions import Changes
from ..contract import SchemaState
from .calls import Call
from .plan import Plan
from .records import unpack_principal, unpack_user, version_of
from .scan import all_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .client import Client
    from .records import Keys
    from .scan import Key

_LAYOUT: Final = b"2"
_OLD_FIELDS: Final = (
    *("realm", "user_id", "created_at", "auth_at", "idle_until", "until", "access_lifetime", "gen", "predecessor"),
    *("rotated_at", "confirmed", "epoch", "last_seen_at", "ended_at", "end_reason", "device_type", "device_id"),
    *("device_name", "ip", "user_agent", "scope", "amr", "era", "untold", "user_stamp", "issued_for", "claims"),
)
_decode: Final = msgspec.msgpack.Decoder().decode


def state_of(client: Client, keys: Keys) -> SchemaState:
    """Which layout there is.

    Raises:
        StorageUnavailableError: Redis does not answer.
    """
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
        StorageUnavailableError: Redis does not answer.
    """
    state = state_of(client, keys)
    if not state.is_usable:
        raise ConfigError(f"STORE_URL: the records in Redis are {state.words}")


def upgrade(client: Client, keys: Keys, *, is_cluster: bool) -> list[str]:
    """Bring all records of release 0.1 over; gives what was done. Once more goes on where it has stopped.

    Raises:
        StorageUnavailableError: Redis does not answer.
    """
    if state_of(client, keys).is_usable:
        return []
    return _Upgrade(client, keys, is_cluster=is_cluster).run()


class _Upgrade:
    """Writes each record anew, principals first, so that an epoch is never missed; then the log begins anew."""

    def __init__(self, client: Client, keys: Keys, *, is_cluster: bool) -> None:
        self._client = client
        self._keys = keys
        self._is_cluster = is_cluster
        meta, *others = keys.log_keys(b"meta", b"tag_key", b"era")
        (tag_key, first), second, third, (now, _) = client.run(
            Call(meta, ("HMGET", meta, "tag_key", "era")),
            *(Call(meta, ("GET", key)) for key in others),
            Call(meta, ("TIME",)),
        )
        self._tag_key = tag_key or second or b""
        self._era = max(int(first or 0), int(third or 0))
        self._now = int(now)

    def run(self) -> list[str]:
        counts = [self._bring_over(kind) for kind in (b"p", b"s")]
        for page in all_keys(self._client, self._keys, b"uo"):
            self._drop([each.key for each in page])
        meta, *names = self._keys.log_keys(b"meta", b"entries", b"era", b"pulse", b"workers", b"beats", b"tag_key")
        self._drop(names[:-1])
        # Of tokens issued before this moment the new log knows nothing: workers ask for their sessions.
        log = ("log_id", secrets.token_hex(8), "created_at", self._now, "n", 0, "nonce", 0, "layout", _LAYOUT)
        self._client.command(meta, "HSET", meta, *log, writes=True)
        self._client.command(meta, "HDEL", meta, "era", "born_at", "tag_key", writes=True)
        self._drop(names[-1:])
        return [f"layout 2: {counts[0]} users, {counts[1]} sessions"]

    def _bring_over(self, kind: bytes) -> int:
        count = 0
        for found in all_keys(self._client, self._keys, kind):
            raws = self._client.run(*(Call(each.key, ("GET", each.key)) for each in found))
            for key, raw in zip(found, raws, strict=True):
                if raw and _is_old(raw):
                    (self._write_principal if kind == b"p" else self._write_session)(key, raw)
                    count += 1
        return count

    def _write_principal(self, key: Key, raw: bytes) -> None:
        realm, user_id = unpack_user(key.name)
        target = self._keys.user(realm, user_id).principal
        present = self._present(target)
        known = unpack_principal(realm, user_id, b"" if _is_old(present) else present)
        epoch, suspended_until = _decode(raw)
        merged = Principal(realm, user_id, max(epoch, known.epoch), max(suspended_until, known.suspended_until))
        plan = self._plan(tag_of(realm, user_id), {target: version_of(present)})
        plan.put_principal(merged, self._now)
        self._write(plan, key, target, is_valid=self._is_at_home(key, realm, user_id))

    def _write_session(self, key: Key, raw: bytes) -> None:
        fields = dict(zip(_OLD_FIELDS, _decode(raw), strict=False))
        era = fields.pop("era")
        fields.pop("untold", None)
        session = Session(sid=key.name, **{**fields, "confirmed": bool(fields["confirmed"])})
        if era < self._era and not session.ended_at:
            until = kept_until(session, self._now)
            session = replace(session, ended_at=self._now, end_reason="expiry", idle_until=until)
        target = self._keys.session(session.sid)
        present = self._present(target)
        plan = self._plan(tag_in(session.sid), {target: version_of(present)})
        plan.fill(Changes(added=session))
        is_valid = self._is_at_home(key, session.realm, session.user_id) and (not present or _is_old(present))
        self._write(plan, key, target, is_valid=is_valid)

    def _present(self, key: bytes) -> bytes:
        return self._client.command(key, "GET", key) or b""

    def _is_at_home(self, key: Key, realm: str, user_id: str) -> bool:
        """Whether it lies where release 0.1 looked for it: what was written before a key of tags was lost does not."""
        return hmac.digest(self._tag_key, f"{realm}\0{user_id}".encode(), "sha256")[:2] == key.tag

    def _plan(self, tag: bytes, versions: dict[bytes, bytes]) -> Plan:
        return Plan(self._keys, tag, versions, is_cluster=self._is_cluster, at=self._now)

    def _write(self, plan: Plan, key: Key, target: bytes, *, is_valid: bool) -> None:
        if is_valid:
            calls = [batch.call() for batch in (plan.first, *plan.others.values())]
            if any(self._client.run(*calls)):
                raise StorageUnavailableError("Redis: somebody else writes; stop all workers, then upgrade again")
        if target != key.key or not is_valid:
            self._drop([key.key])

    def _drop(self, keys: Sequence[bytes]) -> None:
        self._client.run(*(Call(key, ("DEL", key), writes=True) for key in keys))


def _is_old(raw: bytes) -> bool:
    return raw[:1] >= b"\x80"
