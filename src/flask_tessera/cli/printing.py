"""How things look on a terminal."""

from __future__ import annotations

import datetime as dt
import io
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ..web.app_state import Runtime


def replace_what_the_console_lacks() -> None:
    """Have standard output show as an escape what its encoding lacks, such as an emoji in GBK, rather than fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def print_row(*texts: str) -> None:
    """Print one line; tabs stand between the texts, a dash in place of an empty one."""
    click.echo("\t".join(printable(text) or "-" for text in texts))


def printable(text: str) -> str:
    """`text` with everything as an escape that could move a terminal's cursor or begin a line."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def time_text(at: int) -> str:
    """A Unix second as a date and a time of day, in UTC."""
    return dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def effect(runtime: Runtime) -> str:
    """By when what has just been ended is refused everywhere."""
    return f"refused by every worker by {time_text(runtime.effective_by())}"
