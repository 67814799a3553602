"""Appends messages to a file, for development and tests."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Final

from ...errors import SendingError

if TYPE_CHECKING:
    from .message import Message

_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class FileSender:
    """Appends one JSON object a line; several processes may write to the same file.

    A line has the members `to`, `purpose` and `text`, and `code` or `link` where there is one. It is written at once,
    so that on POSIX no two lines mix. The file is made with mode 0600; one that exists keeps its mode.

    Args:
        path: the file; its folder must exist.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def send(self, message: Message) -> None:
        """Append it."""
        # What cannot be encoded becomes an escape of JSON.
        line = json.dumps(_members_of(message), ensure_ascii=False).encode(errors="backslashreplace") + b"\n"
        try:
            descriptor = os.open(self._path, _FLAGS, 0o600)
            try:
                written = os.write(descriptor, line)
            finally:
                os.close(descriptor)
        except (OSError, ValueError) as error:
            raise SendingError(f"the file of TESSERA_SENDER cannot be written: {error}") from error
        if written != len(line):
            raise SendingError("the file of TESSERA_SENDER could be written in part only")


def _members_of(message: Message) -> dict[str, str]:
    members = {"to": message.to, "purpose": message.purpose}
    if message.code:
        members["code"] = message.code
    if message.link:
        members["link"] = message.link
    return {**members, "text": message.text}
