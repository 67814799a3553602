"""What an API key is made of, and what may be asked for when one is made."""

from __future__ import annotations

import hashlib
from hmac import compare_digest
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from ..errors import InputError
from ..tokens.claims import LAST_SECOND, is_safe_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    Network = IPv4Network | IPv6Network

MOST_KEYS: Final = 50
"""API keys that a user may have."""
SHORTEST_LIFE: Final = 60
LONGEST_LIFE: Final = 10 * 366 * 86_400
"""Seconds: ten years."""
LONGEST_OVERLAP: Final = 7 * 86_400
"""Seconds for which a secret may outlive its rotation."""
_LONGEST_NAME: Final = 128
_LONGEST_SCOPE: Final = 2048
_MOST_ADDRESSES: Final = 32
_LONGEST_ADDRESS: Final = 64
_MOST_SECRETS: Final = 4
"""Earlier secrets that are kept while they still work: a reply that was lost, and asked for again, ends none."""


class Secret(msgspec.Struct, frozen=True):
    """The SHA-256 of an earlier secret, and the first Unix second in which it does not work any more."""

    digest: bytes
    until: int


class ApiKey(msgspec.Struct, frozen=True):
    """An API key as it is stored: nothing in it can be presented. Times are Unix seconds.

    Attributes:
        key_id: names it, in the form of a session id.
        realm: the population of users that its owner belongs to.
        user_id: its owner.
        name: what its owner calls it.
        created_at: when it was made; the rotation of its secret does not change that.
        digest: the SHA-256 of its newest secret.
        scope: what it allows, words separated by spaces; empty for nothing in particular.
        expires_at: first second in which it does not work any more; 0 for never.
        last_used_at: the minute in which it was last used; 0 for never.
        addresses: networks from which it works; none for all.
        earlier: secrets that a rotation has replaced and that still work for a while, the newest first.
        user_stamp: the digest of its owner's stamp, empty where the application gives none.
        is_revoked: whether it was, and is about to be removed.
        issued_for: names issuer and audience for which alone it is good; empty for all.
    """

    key_id: bytes
    realm: str
    user_id: str
    name: str
    created_at: int
    digest: bytes
    scope: str = ""
    expires_at: int = 0
    last_used_at: int = 0
    addresses: tuple[str, ...] = ()
    earlier: tuple[Secret, ...] = ()
    user_stamp: str = ""
    is_revoked: bool = False
    issued_for: str = ""

    @property
    def until(self) -> int:
        """First Unix second in which it does not work any more: of one that never expires, the end of all times."""
        return self.expires_at or LAST_SECOND

    def works_until(self, secret: bytes) -> int:
        """First Unix second in which `secret` does not work any more; 0 if it never did. An empty one never does."""
        presented = digest_of(secret)
        known = (Secret(self.digest, self.until), *self.earlier)
        found = [each.until for each in known if compare_digest(each.digest, presented)]
        return min(max(found), self.until) if found and secret else 0

    def rotated(self, secret: bytes, *, overlap: int, at: int) -> ApiKey:
        """The same key with a new secret; no earlier one works for more than `overlap` seconds from `at`."""
        last = at + overlap
        known = (Secret(self.digest, last), *self.earlier)
        earlier = [Secret(each.digest, min(each.until, last)) for each in known]
        still = tuple(each for each in earlier if each.until > at)[:_MOST_SECRETS]
        return replace(self, digest=digest_of(secret), earlier=still)


class NewApiKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked for when a key is made.

    `expires_in` is in seconds, None for a key that never expires; `addresses` are IP addresses and networks from
    which alone it works, none for all. Any other member is refused: a key without the limits that somebody has
    misspelt would look like one with them.
    """

    name: str
    scope: str = ""
    expires_in: int | None = None
    addresses: tuple[str, ...] = ()

    def checked(self) -> NewApiKey:
        """The same in the one spelling that is stored.

        Raises:
            InputError: a part of it cannot be taken.
        """
        if self.expires_in is not None and not SHORTEST_LIFE <= self.expires_in <= LONGEST_LIFE:
            allowed = f"{SHORTEST_LIFE} to {LONGEST_LIFE} seconds"
            raise InputError(f"expires_in must be {allowed}, not {self.expires_in}", member="expires_in")
        return replace(
            self, name=checked_name(self.name), scope=_scope(self.scope), addresses=_addresses(self.addresses)
        )


def digest_of(secret: bytes) -> bytes:
    """What is stored of a secret; it has 256 random bits, so that nothing slower than a hash is needed."""
    return hashlib.sha256(secret).digest()


def checked_name(name: str, of: str = "an API key") -> str:
    """`name` without the blanks around it; `of` says whose it is.

    Raises:
        InputError: it is empty or too long, or holds a control character.
    """
    stripped = name.strip()
    if not 1 <= len(stripped) <= _LONGEST_NAME or not is_safe_text(stripped):
        rule = f"1 to {_LONGEST_NAME} characters, and no control character"
        raise InputError(f"the name of {of} has {rule}", member="name")
    return stripped


def checked_overlap(overlap: int) -> int:
    """`overlap` itself.

    Raises:
        InputError: it is negative or too long.
    """
    if not 0 <= overlap <= LONGEST_OVERLAP:
        raise InputError(f"overlap must be 0 to {LONGEST_OVERLAP} seconds, not {overlap}", member="overlap")
    return overlap


def networks_of(addresses: Iterable[str]) -> tuple[Network, ...]:
    """The networks behind texts that `NewApiKey.checked` has passed."""
    return tuple(ip_network(each) for each in addresses)


def _scope(scope: str) -> str:
    words = " ".join(dict.fromkeys(scope.split()))
    if not is_safe_text(words) or len(words.encode()) > _LONGEST_SCOPE:
        raise InputError(f"scope must have at most {_LONGEST_SCOPE} bytes and no control character", member="scope")
    return words


def _addresses(addresses: tuple[str, ...]) -> tuple[str, ...]:
    if len(addresses) > _MOST_ADDRESSES:
        raise InputError(f"an API key has at most {_MOST_ADDRESSES} addresses", member="addresses")
    return tuple(dict.fromkeys(_address(each) for each in addresses))


def _address(text: str) -> str:
    """An address or network in its usual spelling.

    IPv4 within IPv6 (RFC 4291 §2.5.5.2) is refused: clients that connect so are known by their IPv4 address.
    """
    try:
        # A zone (RFC 4007 §11) names an interface of one machine.
        network = ip_network(text) if len(text) <= _LONGEST_ADDRESS and "%" not in text else None
    except ValueError:
        network = None
    if network is None or (isinstance(network, IPv6Network) and network.network_address.ipv4_mapped):
        told = f"{text[:_LONGEST_ADDRESS]!r} is no IP address or network, as 192.0.2.7 or 2001:db8::/32"
        raise InputError(told, member="addresses")
    return str(network)
