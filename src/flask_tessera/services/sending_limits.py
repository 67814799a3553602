"""How many messages may be sent: to one recipient, for one network, to one country.

How it works. A message is counted before it is sent, in fixed windows that no further message prolongs, and given back
when it surely was not sent; one that may have arrived, though its sender has failed, counts. Every step of a counter is
atomic and tells the new count, so of many requests that race for the last place one gets it, in whatever process. What
is refused is not counted.

The limits are fixed, since they are for abuse, and no application needs others:

- one recipient: 1 in 60 seconds for each purpose; 10 in an hour, 20 in a day, whatever the purpose. Of the latter each
  device and each network from which the recipient has logged in lately has so many of its own (the rule is that of the
  throttle of logins, `throttle.py`), and all others share so many. So nobody gets more than twenty messages a day that
  strangers have asked for, and strangers use up nothing of his own. Of all together he gets at most 60 in a day;
- one network (an IPv4 address, or a /64 of IPv6), behind which there may be many people: 200 in an hour;
- one recipient, by notices of one sort: 3 in an hour, 10 in a day. They are counted apart from what is asked for: else
  whoever asks for codes to an owner's address would keep from him that somebody has logged in;
- one calling code of phones: 10,000 in an hour to +86, 100 in an hour to each other, of which one network gets a tenth,
  so that none takes them all. Toll fraud sends to numbers that
  earn money by each message, in countries in which an application has hardly any users.

The spellings of one mailbox count as one: case, and what follows a plus sign before the at sign, do not matter.

Recipients, networks and countries count for all realms together: they have the same phone, and the same bill.
"""

from __future__ import annotations

import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..errors import SendingError, StorageUnavailableError, ThrottledError
from ..storage.key_value import hashed_key
from ..storage.model import Increment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..storage.key_value import KeyValue
    from .ports import Clock

    Rates = tuple[tuple[int, int], ...]

_KIND: Final = "sends"
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
RESEND_AFTER: Final = _MINUTE
"""Seconds until a recipient can get a second message of one purpose."""
PER_PURPOSE: Final = ((1, RESEND_AFTER),)
PER_RECIPIENT: Final = ((10, _HOUR), (20, _DAY))
PER_RECIPIENT_IN_ALL: Final = ((60, _DAY),)
PER_NOTICE: Final = ((3, _HOUR), (10, _DAY))
PER_NETWORK: Final = ((200, _HOUR),)
PER_CALLING_CODE: Final = ((100, _HOUR),)
PER_CALLING_CODE_AND_NETWORK: Final = ((10, _HOUR),)
TO_CHINA: Final = ((10_000, _HOUR),)
"""So many messages in so many seconds."""

# ITU-T E.164, annex D: no calling code begins another; these have one and two digits, all others three.
_CALLING_CODE: Final = re.compile("1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|.{0,3}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Place:
    """A place that one message takes: in which counter, and of how many."""

    key: bytes
    amount: int
    seconds: int


@dataclass(frozen=True, slots=True)
class CountedMessage:
    """A message that was counted, with what takes it back; to be given back at most once."""

    taken: tuple[Increment, ...]


class SendingLimits:
    """Counts messages before they are sent.

    Args:
        values: of the storage.
        clock: gives now, Unix seconds.
    """

    def __init__(self, values: KeyValue, clock: Clock) -> None:
        self._values = values
        self._clock = clock

    def count(self, kind: str, address: str, network: str, purpose: str, known_as: str = "") -> CountedMessage:
        """Count one message, before it is sent, whether or not the recipient is known.

        Args:
            kind: "phone" or "email".
            address: the recipient: E.164, or a mail address in its one spelling.
            network: of the client who asks for it, as `accounts.address.network_of` gives it; empty where nobody has
                asked.
            purpose: for which it was asked.
            known_as: by what the client is known for the recipient, as `LoginAttempts.known_subject` says.

        Raises:
            ThrottledError: a limit is reached; nothing was counted.
            StorageUnavailableError: it cannot be counted.
        """
        places = _places_of(kind, address, network, purpose, known_as)
        at = self._clock()
        self._refuse_if_full(places, at)
        # Of many requests for one recipient only the first reaches the counters that others share.
        first = self._take(places[:1], at)
        try:
            others = self._take(places[1:], at)
        except ThrottledError:
            self._values.increment_many(first, at=at)
            raise
        return CountedMessage((*first, *others))

    def count_notice(self, notice: str, kind: str, address: str) -> None:
        """Count one notice, for which nobody has asked; it is never given back. Arguments and errors as of `count`.

        Args:
            notice: of which sort.
            kind: of the recipient.
            address: the recipient's.
        """
        places, at = _places(f"notice, {notice}", _counted_address(kind, address), PER_NOTICE), self._clock()
        places += _places_of_country(kind, address)
        self._refuse_if_full(places, at)
        self._take(places, at)

    def give_back(self, message: CountedMessage) -> None:
        """It could not be sent; who asks again is not refused for that."""
        # Whether or not this can be written: the request has failed anyhow.
        with suppress(StorageUnavailableError):
            self._values.increment_many(message.taken, at=self._clock())

    @contextmanager
    def counted(self, kind: str, address: str, network: str, purpose: str, known_as: str = "") -> Iterator[None]:
        """Count one message, and give it back if the block that sends it raises; arguments and errors as of `count`.

        What may have arrived is not given back: else a gateway that delivers late, or fails after that, would send one
        person as many messages as anybody asks for.
        """
        message = self.count(kind, address, network, purpose, known_as)
        try:
            yield
        except BaseException as error:
            if not (isinstance(error, SendingError) and error.may_have_arrived):
                self.give_back(message)
            raise

    def _take(self, places: Sequence[_Place], at: int) -> list[Increment]:
        """Take these places; gives what takes them back.

        Raises:
            ThrottledError: others have taken one of them since the look; none of these was taken.
        """
        steps = [Increment(_KIND, place.key, 1, at + place.seconds) for place in places]
        counters = self._values.increment_many(steps, at=at)
        taken = [
            Increment(_KIND, place.key, -1, counter.ends_at, only_running=True)
            for place, counter in zip(places, counters, strict=True)
        ]
        late = [each.ends_at for place, each in zip(places, counters, strict=True) if each.count > place.amount]
        if late:
            self._values.increment_many(taken, at=at)
            raise _refusal(max(late), at)
        return taken

    def _refuse_if_full(self, places: Sequence[_Place], at: int) -> None:
        """Spare the writes of a message that is refused anyhow.

        Raises:
            ThrottledError: a counter is full.
        """
        found = self._values.get_many([(_KIND, place.key) for place in places], at=at)
        pairs = zip(places, found, strict=True)
        full = [value.expires_at for place, value in pairs if value is not None and value.version >= place.amount]
        if full:
            raise _refusal(max(full), at)


def calling_code_of(phone: str) -> str:
    """The digits of a country, or of several that share them, at the beginning of a number in E.164."""
    match = _CALLING_CODE.match(phone.removeprefix("+"))
    return match[0] if match else ""


def _places_of(kind: str, address: str, network: str, purpose: str, known_as: str) -> list[_Place]:
    name = _counted_address(kind, address)
    # Shared by all: else two requests from a known network would tell that it is one.
    places = _places(f"recipient, {purpose}", name, PER_PURPOSE)
    places += _places("recipient", name, PER_RECIPIENT, known_as)
    places += _places("recipient, in all", name, PER_RECIPIENT_IN_ALL)
    if network:
        places += _places("network", network, PER_NETWORK)
    return places + _places_of_country(kind, address, network)


def _places_of_country(kind: str, address: str, network: str = "") -> list[_Place]:
    if kind != "phone":
        return []
    code = calling_code_of(address)
    if code == "86":
        # Of these a network gets less than a tenth anyhow.
        return _places("country", code, TO_CHINA)
    of_network = _places("network, country", f"{network} {code}", PER_CALLING_CODE_AND_NETWORK) if network else []
    return of_network + _places("country", code, PER_CALLING_CODE)


def _counted_address(kind: str, address: str) -> str:
    """The mailbox, or the phone, that an address reaches; for counting, not to know people by."""
    if kind == "phone":
        return address
    local, _, domain = address.lower().rpartition("@")
    return f"{local[:1]}{local[1:].partition('+')[0]}@{domain}"


def _places(what: str, name: str, rates: Rates, known_as: str = "") -> list[_Place]:
    return [_Place(hashed_key(what, name, known_as, str(seconds)), amount, seconds) for amount, seconds in rates]


def _refusal(ends_at: int, at: int) -> ThrottledError:
    return ThrottledError(max(1, ends_at - at))
