"""Tickets: short-lived secrets for one purpose and, by default, one use (RFC 6749 §10.5 asks the same of codes).

How it works. The text of a ticket says nothing but where to look: 16 random bytes under a MAC. What it is good for is a
small value (kind `ticket`) under a hash of these bytes, so that nothing which is stored could be presented. Whoever
redeems it names purpose and audience; these and its owner are checked first, and only then is one use of it taken, in
one atomic step of the storage. So a ticket that is tried at the wrong place is still good at the right one.

Life. A ticket of a session dies with that session, whatever ends it. Any ticket of a user dies when all of the user's
sessions are ended at once (password change, suspension, deletion): the epoch that it keeps is an older one then. After
a restore from a backup no ticket from before it is good: the storage may have forgotten that it was used.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec
from msgspec.structs import replace

from ..errors import LoginRefusedError, SessionEndedError, TicketInvalidError, TokenInvalidError
from ..sessions.ids import tag_of
from ..storage.key_value import hashed_key
from ..tokens import ticket as ticket_text
from .keys import parse_sid
from .tries import count_try

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from ..storage.engine import Storage
    from ..storage.model import Value
    from ..tokens.keys import KeyRing
    from .ports import Clock, RandomBytes

LARGEST_DATA: Final = 2048
"""Bytes of JSON."""
RESERVED: Final = "tessera:"
"""Purposes that begin so are the package's own."""
_NOTHING: Final = RESERVED + "nothing"
"""The purpose of tickets that are good for nothing: nobody redeems one for it."""
MOST_ASKED_FOR: Final = 60
"""Tickets that a user may ask for in `_MINUTE` seconds."""
_MINUTE: Final = 60
_LONGEST_PURPOSE: Final = 64
_KIND: Final = "ticket"
_KEY_BYTES: Final = 16


class Ticket(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept of a ticket, or is wanted of one. Times are Unix seconds.

    `audience` is where it is good, empty for everywhere. `user_id`, in its text form, is whose it is, empty for
    nobody's; `session_id` the session that it dies with, empty where it is bound to none. `data` is what JSON can hold.
    `scope`, `amr`, `auth_time` and `user_stamp` are those of whoever it was issued to. `epoch`, `issued_at`,
    `expires_at` and `issued_for`, which names issuer and audience of the application, are set when it is issued.
    """

    purpose: str
    audience: str = ""
    user_id: str = ""
    session_id: str = ""
    data: Any = None
    uses: int = 1
    scope: str = ""
    amr: tuple[str, ...] = ()
    auth_time: int = 0
    user_stamp: str = ""
    epoch: int = 0
    issued_at: int = 0
    expires_at: int = 0
    issued_for: str = ""


_decode: Final = msgspec.json.Decoder(Ticket).decode


class ValidFrom(Protocol):
    """Gives the Unix second before which nothing must have begun; StorageUnavailableError where that is unknown."""

    def __call__(self, *, at: int) -> int:
        """As far as is known at Unix second `at`."""
        ...


def checked_purpose(purpose: object) -> str:
    """A purpose that an application may use.

    Raises:
        ValueError: it is no text, empty, too long, not printable, or one that the package keeps to itself.
    """
    is_text = isinstance(purpose, str) and 0 < len(purpose) <= _LONGEST_PURPOSE
    text = str(purpose)
    if not is_text or not text.isprintable() or text.startswith(RESERVED):
        raise ValueError(
            f"a purpose has 1 to {_LONGEST_PURPOSE} printable characters and does not begin with {RESERVED!r};"
            f" {purpose!r} is none"
        )
    return text


class Tickets:
    """The tickets of one realm.

    Args:
        storage: where they are kept.
        ring: the keys of their texts.
        realm: whose they are.
        clock: gives now in Unix seconds.
        random_bytes: gives so many random bytes.
        valid_from: gives the second of the last restore from a backup.
        issued_for: names issuer and audience of the application, for which alone its tickets are good.
    """

    def __init__(
        self,
        storage: Storage,
        ring: KeyRing,
        *,
        realm: str,
        clock: Clock,
        random_bytes: RandomBytes,
        valid_from: ValidFrom,
        issued_for: str = "",
    ) -> None:
        self._storage = storage
        self._ring = ring
        self._realm = realm
        self._clock = clock
        self._random_bytes = random_bytes
        self._valid_from = valid_from
        self._issued_for = issued_for

    def count_request(self, user_id: str) -> None:
        """Count that a user asks for a ticket himself; what the application issues is not counted.

        Raises:
            ThrottledError: he has done so too often.
            StorageUnavailableError: it cannot be counted.
        """
        key = hashed_key("tickets", self._realm, user_id)
        count_try(self._storage.values, key, most=MOST_ASKED_FOR, window=_MINUTE, at=self._clock())

    def issue(self, wanted: Ticket, *, expires_in: int) -> str:
        """Keep a ticket, and give its text; nobody can tell it from what is kept.

        Args:
            wanted: what it is to be good for.
            expires_in: seconds.

        Raises:
            ValueError: its data is nothing that JSON holds, or too large.
            SessionEndedError: its session is over.
            LoginRefusedError: its user is suspended.
            StorageUnavailableError: there is no such ticket, or nobody has its text.
        """
        at = self._clock()
        return self._keep(replace(wanted, epoch=self._epoch_of(wanted, at)), at, expires_in)

    def issue_alike(self, wanted: Ticket, *, expires_in: int) -> str | None:
        """As `issue`; gives None for nobody and for who is suspended, after the same reads and writes.

        So whoever asks for somebody else's ticket cannot tell by the work whether there is one. What is kept in its
        place is good for nothing.

        Raises:
            ValueError: as `issue`.
            SessionEndedError: as `issue`.
            StorageUnavailableError: as `issue`.
        """
        at, is_good = self._clock(), bool(wanted.user_id)
        # An id that nobody has, so that a principal is looked for all the same.
        ticket = wanted if is_good else replace(wanted, user_id=self._random_bytes(_KEY_BYTES).hex())
        try:
            ticket = replace(ticket, epoch=self._epoch_of(ticket, at))
        except LoginRefusedError:
            is_good = False
        text = self._keep(ticket if is_good else replace(ticket, purpose=_NOTHING), at, expires_in)
        return text if is_good else None

    def _keep(self, wanted: Ticket, at: int, expires_in: int) -> str:
        """Keep a ticket whose epoch is known; gives its text."""
        ticket = replace(wanted, issued_at=at, expires_at=at + expires_in, issued_for=self._issued_for)
        tag = tag_of(*self._owner_of(ticket)) if ticket.user_id else self._random_bytes(ticket_text.TAG_BYTES)
        random = self._random_bytes(ticket_text.RANDOM_BYTES)
        self._put(_key_of(tag, random), ticket, at=at, expected_version=0)
        return ticket_text.render(tag, random, self._ring.active)

    def redeem(self, text: str, purpose: str, is_meant: Callable[[str], bool] | None = None) -> Ticket:
        """Use a ticket once.

        Args:
            text: the ticket.
            purpose: what it must be good for.
            is_meant: whether this audience (a text, empty for everywhere) is where it is presented; by default only one
                that is good everywhere is accepted.

        Raises:
            TicketInvalidError: it is no ticket, used up, expired, for something else, or its owner is gone. But for
                those that were good until then, no use of it is taken.
            StorageUnavailableError: that cannot be told; one use may have been taken.
        """
        value, ticket, at = self._find(text, (purpose,), is_meant or _is_everywhere)
        if not self._take_use(value, at):
            raise TicketInvalidError("used up")
        return ticket

    def look(self, text: str, *purposes: str) -> Ticket:
        """What a ticket says that is good everywhere, for one of these purposes; no use of it is taken.

        Errors as of `redeem`.
        """
        return self._find(text, purposes, _is_everywhere)[1]

    def _find(self, text: str, purposes: Container[str], is_meant: Callable[[str], bool]) -> tuple[Value, Ticket, int]:
        try:
            key = _key_of(*ticket_text.parse(text, self._ring))
        except TokenInvalidError as error:
            raise TicketInvalidError from error
        at = self._clock()
        value = self._storage.values.get(_KIND, key, at=at)
        if value is None:
            raise TicketInvalidError("unknown, expired or used up")
        ticket = _decode(value.value)
        is_ours = ticket.issued_for in ("", self._issued_for)
        if not is_ours or ticket.purpose not in purposes or not is_meant(ticket.audience):
            raise TicketInvalidError("for another purpose or audience")
        self._refuse_dead(ticket, at)
        return value, ticket, at

    def _refuse_dead(self, ticket: Ticket, at: int) -> None:
        try:
            epoch = self._epoch_of(ticket, at)
        except (SessionEndedError, LoginRefusedError) as error:
            raise TicketInvalidError(str(error)) from error
        if epoch != ticket.epoch or ticket.issued_at < self._valid_from(at=at):
            raise TicketInvalidError("all sessions of its user were ended since, or a backup was restored")

    def _epoch_of(self, ticket: Ticket, at: int) -> int:
        """The epoch of its user, if something may be granted to the ticket; 0 for nobody's."""
        if not ticket.user_id:
            return 0
        owner = self._owner_of(ticket)
        if not ticket.session_id:
            principal = self._storage.sessions.principal(*owner)
            if principal.suspended_until > at:
                raise LoginRefusedError("the user is suspended")
            return principal.epoch
        found = self._storage.sessions.find(parse_sid(ticket.session_id))
        if found is None or (found.session.realm, found.session.user_id) != owner:
            raise SessionEndedError("expiry")
        if reason := found.rejection_reason(at, valid_from=self._valid_from(at=at)):
            raise SessionEndedError(reason)
        return found.principal.epoch

    def _take_use(self, value: Value | None, at: int) -> bool:
        """Of many callers at once, as many succeed as there are uses."""
        while value is not None:
            ticket = _decode(value.value)
            if ticket.uses == 1:
                # Uses only ever grow fewer: whatever is taken now is the last one.
                return self._storage.values.take(_KIND, value.key, at=at) is not None
            left = replace(ticket, uses=ticket.uses - 1)
            if self._put(value.key, left, at=at, expected_version=value.version):
                return True
            value = self._storage.values.get(_KIND, value.key, at=at)
        return False

    def _put(self, key: bytes, ticket: Ticket, *, at: int, expected_version: int) -> int:
        return self._storage.values.put(
            _KIND,
            key,
            _encode(ticket),
            expires_at=ticket.expires_at,
            at=at,
            owner=self._owner_of(ticket) if ticket.user_id else None,
            expected_version=expected_version,
        )

    def _owner_of(self, ticket: Ticket) -> tuple[str, str]:
        return self._realm, ticket.user_id


def _is_everywhere(audience: str) -> bool:
    return not audience


def _key_of(tag: bytes, random: bytes) -> bytes:
    return tag + hashlib.sha256(random).digest()[:_KEY_BYTES]


def _encode(ticket: Ticket) -> bytes:
    try:
        raw, data = msgspec.json.encode(ticket), msgspec.json.encode(ticket.data)
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise ValueError(f"the data of a ticket must be what JSON can hold: {error}") from error
    if len(data) > LARGEST_DATA:
        raise ValueError(f"the data of a ticket has {len(data)} bytes as JSON, {LARGEST_DATA} are allowed")
    return raw
