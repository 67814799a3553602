"""What is weak about a sender's URL, for the doctor: what `open_sender` takes, since somebody may mean it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .url_parts import is_loopback, split_options

if TYPE_CHECKING:
    from collections.abc import Iterator


def weak_spots(url: str) -> Iterator[str]:
    """Sentences about a URL that `open_sender` takes; none repeats anything of it."""
    scheme, _, rest = url.partition(":")
    if scheme in ("console", "file"):
        place = "the log" if scheme == "console" else "a file"
        yield f"{scheme}: writes codes and links to {place} and delivers nothing: for development only"
        return
    parts = urlsplit(rest if scheme == "webhook" else url)
    is_plain = parts.scheme == "http" or split_options(parts.query, ("starttls",))[0].get("starttls") == "0"
    if is_plain and not is_loopback(parts.hostname or ""):
        yield f"{scheme}: goes to another machine without TLS: codes and links can be read on the way"
