"""Codes as the client of the present request asks for them and types them: his network has tries of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..accounts.address import network_of

if TYPE_CHECKING:
    from ..accounts.recipients import Recipient
    from .extension import Tessera


def keep_code(tessera: Tessera[Any], purpose: str, recipient: Recipient, code: str) -> None:
    """Make a code that was sent good; errors as of `Codes.keep`."""
    network = network_of(tessera.client_info().ip)
    tessera.runtime.accounts.codes.keep(purpose, recipient, code, network=network)


def use_code(tessera: Tessera[Any], purpose: str, recipient: Recipient, code: object) -> None:
    """Use a code up; errors as of `Codes.use`."""
    network = network_of(tessera.client_info().ip)
    tessera.runtime.accounts.codes.use(purpose, recipient, code, network=network)
