"""Every Python example in the documents and in the docstrings of the package runs, and gives what it shows."""

from __future__ import annotations

import doctest
import os
from pathlib import Path

import pytest
from sybil import Sybil
from sybil.document import PythonDocStringDocument
from sybil.parsers.markdown import PythonCodeBlockParser
from sybil.parsers.rest import DocTestParser

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    path for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")) if "```python" in path.read_text("utf-8")
)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_python_block_of_a_document_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SECRET_KEY", os.urandom(32).hex())
    monkeypatch.setenv("ALICE_PASSWORD", "four words that nobody guesses")
    parser = PythonCodeBlockParser(doctest_optionflags=doctest.ELLIPSIS)
    document = Sybil([parser], patterns=["*.md"], path=str(path.parent)).parse(path)
    document.namespace["__name__"] = "example"
    examples = list(document.examples())

    for example in examples:
        example.evaluate()
    assert len(examples) >= path.read_text("utf-8").count("```python\n")


def test_an_example_that_shows_something_else_fails(tmp_path: Path):
    path = tmp_path / "wrong.md"
    path.write_text("```python\n>>> 1 + 1\n3\n```\n")
    document = Sybil([PythonCodeBlockParser()], patterns=["*.md"], path=str(tmp_path)).parse(path)

    with pytest.raises(AssertionError, match="Expected"):
        [example.evaluate() for example in document.examples()]


def test_every_example_in_a_docstring_runs():
    sybil = Sybil(
        [DocTestParser(doctest.ELLIPSIS)],
        patterns=["*.py"],
        path=str(ROOT / "src"),
        document_types={".py": PythonDocStringDocument},
    )
    for path in sorted(ROOT.glob("src/**/*.py")):
        for example in sybil.parse(path).examples():
            example.evaluate()
