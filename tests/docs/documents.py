"""What the documents are, and what stands in them: fenced blocks, files, and the other language of each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
CHINESE = ".zh-CN.md"
ALL = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
RUN = [path for path in ALL if not path.name.endswith(CHINESE)]
"""Those whose examples are run; the Chinese ones have the same examples, as test_languages.py proves."""
FENCE = re.compile(r"^```(?P<language>\S*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# (?P<name>\w+\.py)\n")


class Block(NamedTuple):
    """A fenced block, and what the document shows as its output ("" where it shows none)."""

    language: str
    text: str
    shown: str


def name_of(path: Path) -> str:
    """A document's name in a test's id."""
    return path.relative_to(ROOT).as_posix()


def blocks_of(path: Path) -> list[Block]:
    """The fenced blocks of a document."""
    found = [(match["language"], match["text"]) for match in FENCE.finditer(path.read_text("utf-8"))]
    following = [*found[1:], ("", "")]
    return [
        Block(language, text, after if kind == "json" else "")
        for (language, text), (kind, after) in zip(found, following, strict=False)
    ]


def documents_with(language: str) -> list[Path]:
    """Documents that are run and have blocks of a language."""
    return [path for path in RUN if any(block.language == language for block in blocks_of(path))]


def file_name(code: str) -> str:
    """The name of the file that a Python block is, as its first line says; "" where it is none."""
    match = _FILE.match(code)
    return match["name"] if match else ""


def write_files(path: Path, folder: Path) -> list[Path]:
    """Write the blocks of a document that are files."""
    files = [(file_name(block.text), block.text) for block in blocks_of(path) if block.language == "python"]
    written = []
    for name, text in files:
        if name:
            (folder / name).write_text(text, "utf-8")
            written.append(folder / name)
    return written
