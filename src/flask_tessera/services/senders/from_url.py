"""A URL to a sender: the one place that names them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from ...errors import ConfigError

if TYPE_CHECKING:
    from email.headerregistry import Address

    from .message import Sender

_KNOWN: Final = "console:, file:PATH, smtp://host?from=…, smtps://host?from=… or webhook:URL"


def open_sender(url: str, *, folder: str = "") -> Sender:
    """Make the sender that `url` names; it connects, or opens its file, for each message.

    Args:
        url: `console:`, the log, for development;
            `file:PATH`, one JSON object a line;
            `smtp://user:password@host:587?from=shop@example.com` or `smtps://…:465`, with `starttls=0` for a server
            without TLS, `ca=PATH` for an authority of one's own;
            `webhook:https://host/path`, with `secret=` to sign and `ca=PATH`.
        folder: what a relative path is relative to; the working directory by default.

    Raises:
        ConfigError: it is none of these. The text repeats nothing of it, since it may hold a password.
    """
    scheme, _, rest = url.partition(":")
    if url == "console:":
        from .console import ConsoleSender

        return ConsoleSender()
    if scheme == "file":
        return _open_file(rest, folder)
    if scheme in ("smtp", "smtps"):
        return _open_smtp(url, folder)
    if scheme == "webhook":
        return _open_webhook(rest, folder)
    raise ConfigError(f"TESSERA_SENDER is none that is known; use {_KNOWN}")


def _open_file(path: str, folder: str) -> Sender:
    from .file import FileSender

    if not path or path.endswith(("/", "\\")) or "\0" in path:
        raise ConfigError("TESSERA_SENDER: file: needs the path of a file, as file:messages.jsonl")
    if path.startswith("//") and not path.startswith("///"):
        raise ConfigError("TESSERA_SENDER: file: takes a path of this machine, as file:/var/lib/shop/messages.jsonl")
    return FileSender(str(Path(folder, path)))


def _open_smtp(url: str, folder: str) -> Sender:
    from .smtp import SmtpSender, SmtpServer
    from .url_parts import client_context, is_loopback, split_options, split_url

    parts, host, port = split_url(url)
    options, others = split_options(parts.query, ("from", "starttls", "ca"))
    if others or parts.fragment or parts.path not in ("", "/"):
        raise ConfigError("TESSERA_SENDER: smtp: knows the options from=, starttls= and ca=, and no path")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if not (user + password).isascii() or bool(user) != bool(password):
        raise ConfigError("TESSERA_SENDER: smtp: needs both a user and a password, in ASCII, or neither")
    protection = _protection_of(parts.scheme, options.get("starttls"), is_safe=is_loopback(host))
    if protection == "none" and user and not is_loopback(host):
        raise ConfigError("TESSERA_SENDER: smtp: with starttls=0 the password would be sent in clear; leave one out")
    server = SmtpServer(
        host=host,
        port=port or (465 if protection == "tls" else 587),
        user=user,
        password=password,
        protection=protection,
        context=client_context(options.get("ca", ""), folder),
    )
    return SmtpSender(server, _sender_address(options.get("from", user)))


def _protection_of(scheme: str, starttls: str | None, *, is_safe: bool) -> str:
    if scheme == "smtps":
        if starttls is not None:
            raise ConfigError("TESSERA_SENDER: smtps: is TLS from the first byte; starttls= belongs to smtp:")
        return "tls"
    if starttls not in (None, "0", "1"):
        raise ConfigError("TESSERA_SENDER: starttls= is 1 or 0")
    return "starttls" if starttls == "1" or (starttls is None and not is_safe) else "none"


def _sender_address(text: str) -> Address:
    from .smtp import parse_address

    name, bracket, rest = text.rpartition("<")
    address = (
        parse_address(rest.removesuffix(">") if bracket else rest, name.strip(' "')) if text.isprintable() else None
    )
    if address is None:
        raise ConfigError("TESSERA_SENDER: smtp: needs from=shop@example.com, or from=Shop%20<shop@example.com>")
    return address


def _open_webhook(url: str, folder: str) -> Sender:
    from .url_parts import client_context, split_options, split_url
    from .webhook import WebhookSender

    parts, host, port = split_url(url)
    options, query = split_options(parts.query, ("secret", "ca"))
    if parts.scheme not in ("http", "https") or parts.username is not None or parts.fragment:
        raise ConfigError("TESSERA_SENDER: webhook: takes http(s)://host/path, without a user; sign with ?secret=")
    if options.get("secret") == "":
        raise ConfigError("TESSERA_SENDER: webhook: the secret is empty")
    context = client_context(options.get("ca", ""), folder) if parts.scheme == "https" else None
    target = (parts.path or "/") + (f"?{query}" if query else "")
    return WebhookSender(host, port, target, secret=options.get("secret", ""), context=context)
