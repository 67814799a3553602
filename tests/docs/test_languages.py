"""A document in two languages says the same in both: as many headings, the same examples, the same links and tables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from .documents import ALL, CHINESE, FENCE, ROOT, blocks_of, name_of

if TYPE_CHECKING:
    from pathlib import Path

PAIRS = [path for path in ALL if path.name.endswith(CHINESE)]
LINK = re.compile(r"\]\((?P<target>[^)#\s]*)")
COMMENT = re.compile(r"[ \t]*(?<!\S)#.*$", re.MULTILINE)
CHINESE_CHARACTER = re.compile("[\u4e00-\u9fff]")


def english_of(path: Path) -> Path:
    """The English document of a Chinese one."""
    return path.with_name(path.name.removesuffix(CHINESE) + ".md")


def test_every_document_for_users_is_there_in_both_languages():
    guides = {path for path in ROOT.glob("docs/*.md") if path not in PAIRS} | {ROOT / "README.md"}
    assert {name_of(path) for path in guides - {english_of(path) for path in PAIRS}} <= ENGLISH_ONLY


ENGLISH_ONLY = {"docs/api.md", "docs/requirements.md"}
"""Made of docstrings and of names of tests, which are English."""


@pytest.mark.parametrize("path", PAIRS, ids=name_of)
def test_both_languages_have_the_same_examples(path: Path):
    english, chinese = (
        [(block.language, without_comments(block.text)) for block in blocks_of(each)]
        for each in (english_of(path), path)
    )
    assert english == chinese


def without_comments(code: str) -> str:
    """A block without its comments, which are written in the language of the document."""
    return COMMENT.sub("", code)


@pytest.mark.parametrize("path", PAIRS, ids=name_of)
def test_both_languages_have_the_same_headings_tables_and_links(path: Path):
    english, chinese = (FENCE.sub("", each.read_text("utf-8")) for each in (english_of(path), path))
    assert shape_of(english) == shape_of(chinese)
    assert targets_of(english) == targets_of(chinese)


def shape_of(text: str) -> list[str]:
    """The depth of each heading, and how many rows each table between them has."""
    lines = ("|" if line.startswith("|") else re.match("#*", line)[0] for line in text.splitlines())
    return [line for line in lines if line]


def targets_of(text: str) -> set[str]:
    """The documents that a document points to, whatever their language; not its own other language."""
    targets = {match["target"].replace(CHINESE, ".md") for match in LINK.finditer(text)}
    return targets - {"", "README.md"}


@pytest.mark.parametrize("path", PAIRS, ids=name_of)
def test_a_chinese_document_is_chinese_and_stays_with_chinese_ones(path: Path):
    text = FENCE.sub("", path.read_text("utf-8"))
    paragraphs = [part for part in re.split(r"\n\s*\n", text) if re.search("[a-z]{3,}.*[a-z]{3,}", part)]
    assert [
        part for part in paragraphs if not CHINESE_CHARACTER.search(part) and not part.startswith(("<!--", "#"))
    ] == []
    there = {path.parent / match["target"] for match in LINK.finditer(text) if match["target"].endswith(".md")}
    english = {
        each for each in there if not each.name.endswith(CHINESE) and each.with_name(each.stem + CHINESE).exists()
    }
    assert {each.name for each in english} <= {english_of(path).name}
