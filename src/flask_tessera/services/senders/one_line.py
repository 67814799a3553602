"""Text of anybody's, made one line."""

from __future__ import annotations


def one_line(text: str) -> str:
    """The words of a text with one blank between them; what is not printable is blank, too.

    So it begins no line of a log and no header of a mail, steers no terminal, and turns no writing direction.
    """
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())
