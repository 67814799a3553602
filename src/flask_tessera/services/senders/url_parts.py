"""The parts of a sender's URL, checked; an error repeats nothing of the URL, since any part may hold a secret."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, unquote, urlsplit

from ...errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection

_LOOPBACK: Final = ("localhost", "::1")


def split_url(url: str) -> tuple[SplitResult, str, int | None]:
    """The URL with its host, and its port where it names one.

    Raises:
        ConfigError: it has no host, or something in it is no part of a URL.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        # Its text repeats what could not be read.
        raise ConfigError("TESSERA_SENDER is no URL: its host or port cannot be read") from None
    if not host:
        raise ConfigError("TESSERA_SENDER needs a host, as in smtp://mail.example.com or webhook:https://sms.example")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigError("TESSERA_SENDER holds a blank or what is not ASCII: write it as %20 and the like")
    return parts, host, port


def split_options(query: str, names: Collection[str]) -> tuple[dict[str, str], str]:
    """The options of these names, decoded, and the rest of the query as it is.

    A plus sign stays one, unlike in forms: it stands in addresses and secrets.
    """
    pairs = [each.partition("=") for each in query.split("&") if each]
    taken = {name: unquote(value) for name, _, value in pairs if name in names}
    return taken, "&".join("".join(pair) for pair in pairs if pair[0] not in names)


def is_loopback(host: str) -> bool:
    """Whether what is sent there stays on this machine."""
    return host in _LOOPBACK or (host.startswith("127.") and host.replace(".", "").isdigit())


def client_context(authority: str, folder: str) -> ssl.SSLContext:
    """TLS with the certificate and name of the server verified.

    Args:
        authority: path of the one authority that is trusted; empty for those that this machine trusts.
        folder: what a relative path is relative to.

    Raises:
        ConfigError: there are no certificates in that file.
    """
    try:
        return ssl.create_default_context(cafile=str(Path(folder, authority)) if authority else None)
    except (OSError, ValueError) as error:
        raise ConfigError(f"TESSERA_SENDER: the file of ca= holds no certificates that can be read: {error}") from error
