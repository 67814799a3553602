"""API keys: one that this worker has read before needs no look into the storage, until it hears of a change."""

from __future__ import annotations

from ipaddress import ip_address
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NoReturn

from flask import has_request_context

from ...accounts.address import network_of
from ...errors import TokenInvalidError
from ...services.api_key_data import networks_of
from ...tokens.api_key import PREFIX, parse
from ..client import address
from ..identity import Identity
from .seen_api_keys import REMEMBERED_FOR, SeenKey, SeenKeys

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...services.api_key_data import ApiKey, Network
    from ...services.api_keys import ApiKeys, FoundKey
    from ...services.follower import RevocationFollower
    from ...services.revocation import RevocationView
    from ...services.unknown_keys import UnknownKeyLimit

_NO_CLAIMS: Final = MappingProxyType[str, Any]({})


class ApiKeyReader:
    """Reads the API keys of one realm and remembers those that are good.

    Args:
        keys: where they are kept.
        mode: the setting `REVOCATION`; only under "bounded" something is remembered.
        view: tells of changes.
        follower: tells whether the view may be believed now.
        limit: counts those that do not exist.
        trusted_proxies: the setting `TRUSTED_PROXIES`.
        user_id_of: the application's user id of its text form; TokenInvalidError where there is none.
        load_owner: given a user id and a stamp, raises UserGoneError where the user is gone, or another one.
    """

    def __init__(
        self,
        keys: ApiKeys,
        mode: str,
        *,
        view: RevocationView,
        follower: RevocationFollower,
        limit: UnknownKeyLimit,
        trusted_proxies: int,
        user_id_of: Callable[[str], Any],
        load_owner: Callable[[Any, str], Any],
    ) -> None:
        self._keys = keys
        self._is_bounded = mode == "bounded"
        self._view = view
        self._follows = view.needs_follower
        self._follower = follower
        self._limit = limit
        self._trusted_proxies = trusted_proxies
        self._user_id_of = user_id_of
        self._load_owner = load_owner
        self._seen = SeenKeys(view)

    def identify(self, text: str, *, at: int, strict: bool) -> Identity[Any] | None:
        if not text.startswith(PREFIX):
            return None
        is_remembered = self._is_bounded and not strict and self._is_current(at)
        seen = self._seen.get(text) if is_remembered else None
        if seen is None or not seen.read_at <= at < seen.until:
            return self._read(text, at, is_remembered=is_remembered)
        if seen.networks and not _is_within(seen.networks, self._address()):
            self._refuse_unknown(at)
        return seen.identity

    def _is_current(self, at: int) -> bool:
        """Whether this worker has heard of every change by now, within the bound; errors of the view."""
        if self._follows:
            return self._follower.is_current()
        self._view.look(at=at)
        return True

    def _read(self, text: str, at: int, *, is_remembered: bool) -> Identity[Any]:
        key_id, secret = parse(text)
        heard = self._view.heard
        found = self._keys.find(key_id, secret, at=at, works_here=self._works_here)
        if found is None:
            self._refuse_unknown(at)
        seen = self._seen_key(found, at)
        # Nothing else bounds how long the key of somebody who is gone would work: a session must be refreshed.
        self._load_owner(seen.identity.user_id, seen.identity.user_stamp)
        self._keys.record_use(found, at=at)
        if is_remembered:
            self._seen.remember(text, seen, heard=heard)
        return seen.identity

    def _seen_key(self, found: FoundKey, at: int) -> SeenKey:
        key = found.key
        identity = Identity(
            self._user_id_of(key.user_id),
            "",
            key.realm,
            frozenset(key.scope.split()),
            (),
            # No login stands behind it, so that nothing takes it for a fresh one.
            0,
            key.created_at,
            key.until,
            _NO_CLAIMS,
            key.user_stamp,
            "api_key",
        )
        owner = (key.realm, key.user_id)
        return SeenKey(
            identity, networks_of(key.addresses), key.key_id, owner, at, min(found.until, at + REMEMBERED_FOR)
        )

    def _works_here(self, key: ApiKey) -> bool:
        """Whether it may be used from the address of the client."""
        return not key.addresses or _is_within(networks_of(key.addresses), self._address())

    def _refuse_unknown(self, at: int) -> NoReturn:
        """One from a wrong address as well: who guesses, or has found a key, does not learn that it exists."""
        if has_request_context():
            self._limit.count(network_of(self._address()), at=at)
        raise TokenInvalidError("no such API key, or none for this address, realm, issuer or audience")

    def _address(self) -> str:
        """Of the client; empty outside a request."""
        return address(self._trusted_proxies) if has_request_context() else ""


def _is_within(networks: tuple[Network, ...], text: str) -> bool:
    """Whether an address lies in one of these networks; IPv4 mapped into IPv6 counts as IPv4 (RFC 4291 §2.5.5.2)."""
    try:
        client = ip_address(text)
    except ValueError:
        return False
    mapped = getattr(client, "ipv4_mapped", None)
    return any((mapped or client) in network for network in networks)
