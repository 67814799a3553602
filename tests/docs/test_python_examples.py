"""Every Python example in the documents and in the docstrings of the package runs, and gives what it shows."""

from __future__ import annotations

import doctest
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from sybil import Sybil
from sybil.document import PythonDocStringDocument
from sybil.parsers.markdown import PythonCodeBlockParser
from sybil.parsers.rest import DocTestParser

from .documents import ROOT, documents_with, file_name, name_of, write_files

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(900)
"""An example may be a test run of its own, and the machine may be busy with others."""


@pytest.mark.repeats("path")
@pytest.mark.parametrize("path", documents_with("python"), ids=name_of)
def test_every_python_block_of_a_document_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    # What an example sets is gone after it.
    monkeypatch.setenv("FLASK_SECRET_KEY", os.urandom(32).hex())
    monkeypatch.setenv("FLASK_ALICE_PASSWORD", "four words that nobody guesses")
    monkeypatch.setenv("FLASK_TESSERA_STORE_URL", "")
    monkeypatch.delenv("FLASK_TESSERA_STORE_URL")
    parser = PythonCodeBlockParser(doctest_optionflags=doctest.ELLIPSIS)
    document = Sybil([parser], patterns=["*.md"], path=str(path.parent)).parse(path)
    document.namespace["__name__"] = "example"
    examples = list(document.examples())

    for example in examples:
        if not file_name(str(example.parsed)):
            example.evaluate()
    assert len(examples) >= path.read_text("utf-8").count("```python\n")


def test_an_example_that_shows_something_else_fails(tmp_path: Path):
    path = tmp_path / "wrong.md"
    path.write_text("```python\n>>> 1 + 1\n3\n```\n")
    document = Sybil([PythonCodeBlockParser()], patterns=["*.md"], path=str(tmp_path)).parse(path)

    with pytest.raises(AssertionError, match="Expected"):
        [example.evaluate() for example in document.examples()]


@pytest.mark.repeats("path")
@pytest.mark.parametrize("path", documents_with("python"), ids=name_of)
def test_the_tests_that_a_document_shows_pass(path: Path, tmp_path: Path):
    tests = [file.name for file in write_files(path, tmp_path) if file.name.startswith("test_")]
    if not tests:
        return
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=tmp_path, check=False, text=True, capture_output=True)

    assert done.returncode == 0, done.stdout + done.stderr


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
