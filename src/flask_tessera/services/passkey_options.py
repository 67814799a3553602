"""What browsers are given to make or use a passkey with: JSON as of WebAuthn §5.1.8 and §5.1.9."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ..accounts.passkeys import ALGORITHMS
from ..tokens.encoding import encode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .passkey_data import Passkey

LIFETIME: Final = 300
"""Seconds within which a challenge must be answered: WebAuthn §15.1 advises five to ten minutes."""
_LONGEST_NAME: Final = 64
"""Bytes that every authenticator keeps of a name (WebAuthn §6.4.1)."""


class Site(msgspec.Struct, frozen=True):
    """The site that a passkey is for."""

    id: str
    name: str


class Person(msgspec.Struct, frozen=True, rename="camel"):
    """Whose a new passkey is: `id` is random, the names are what the browser shows."""

    id: str
    name: str
    display_name: str


class Algorithm(msgspec.Struct, frozen=True):
    """An algorithm of signatures, by its COSE number."""

    alg: int
    type: str = "public-key"


class Descriptor(msgspec.Struct, frozen=True):
    """A passkey that there is, by its credential id."""

    id: str
    transports: list[str]
    type: str = "public-key"


class Selection(msgspec.Struct, frozen=True, rename="camel"):
    """What the authenticator should be able to: to find the passkey by itself, and to verify the user."""

    resident_key: str = "preferred"
    require_resident_key: bool = False
    user_verification: str = "preferred"


class CreationOptions(msgspec.Struct, frozen=True, rename="camel"):
    """For `navigator.credentials.create({publicKey})`; `timeout` is in milliseconds."""

    rp: Site
    user: Person
    challenge: str
    pub_key_cred_params: list[Algorithm]
    exclude_credentials: list[Descriptor]
    authenticator_selection: Selection
    timeout: int = LIFETIME * 1000
    attestation: str = "none"


class RequestOptions(msgspec.Struct, frozen=True, rename="camel"):
    """For `navigator.credentials.get({publicKey})`; without `allow_credentials` the browser asks which to use."""

    challenge: str
    rp_id: str
    allow_credentials: list[Descriptor]
    user_verification: str
    timeout: int = LIFETIME * 1000


def creation_options(site: str, person: Person, challenge: bytes, known: Iterable[Passkey]) -> dict[str, Any]:
    """The JSON by which a passkey is made; an authenticator that holds one of `known` makes none."""
    options = CreationOptions(
        rp=Site(site, site),
        user=person,
        challenge=_text(challenge),
        pub_key_cred_params=[Algorithm(each) for each in ALGORITHMS],
        exclude_credentials=_descriptors(known),
        authenticator_selection=Selection(),
    )
    return _as_dict(options)


def request_options(site: str, challenge: bytes, known: Iterable[Passkey] = ()) -> dict[str, Any]:
    """The JSON by which a passkey is used: one of `known`; without any, one that names its owner and verifies him."""
    allowed = _descriptors(known)
    return _as_dict(RequestOptions(_text(challenge), site, allowed, "preferred" if allowed else "required"))


def person_of(handle: bytes, name: str, display_name: str) -> Person:
    """Whose a new passkey is, named by so much as every authenticator keeps.

    Args:
        handle: the random bytes that stand for the user.
        name: tells accounts of one person apart, as a phone number does.
        display_name: what the person is called; empty for the same.
    """
    return Person(_text(handle), _shortened(name), _shortened(display_name or name))


def _shortened(name: str) -> str:
    return name.encode(errors="replace")[:_LONGEST_NAME].decode(errors="ignore")


def _descriptors(known: Iterable[Passkey]) -> list[Descriptor]:
    return [Descriptor(_text(each.credential_id), list(each.transports)) for each in known]


def _as_dict(options: msgspec.Struct) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(options)
    return found


def _text(data: bytes) -> str:
    return encode(data).decode()
