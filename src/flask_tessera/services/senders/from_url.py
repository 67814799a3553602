"""A URL to a sender: the one place that names them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from ...errors import ConfigError

if TYPE_CHECKING:
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
    raise ConfigError(f"TESSERA_SENDER is none that is known; use {_KNOWN}")


def _open_file(path: str, folder: str) -> Sender:
    from .file import FileSender

    if not path or path.endswith(("/", "\\")) or "\0" in path:
        raise ConfigError("TESSERA_SENDER: file: needs the path of a file, as file:messages.jsonl")
    if path.startswith("//") and not path.startswith("///"):
        raise ConfigError("TESSERA_SENDER: file: takes a path of this machine, as file:/var/lib/shop/messages.jsonl")
    return FileSender(str(Path(folder, path)))
