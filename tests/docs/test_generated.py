"""What is generated in the documents is current, and what they point to exists."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from flask_tessera.config import SETTING_NAMES
from flask_tessera.errors import REGISTRY
from flask_tessera.tokens.api_key import PATTERN
from tools import make_docs
from tools.requirement_tests import named_tests

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)#\s]*)(?:#(?P<heading>[^)\s]*))?\)")
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
BOTH = ("README.md", "README.zh-CN.md")


@pytest.mark.parametrize("name", make_docs.DOCUMENTS)
def test_the_generated_parts_are_current(name: str):
    text = (ROOT / name).read_text("utf-8")
    assert make_docs.REGION.search(text)
    assert make_docs.render(text) == text, "run tools/make_docs.py"


def test_every_setting_is_explained_in_both_languages():
    assert make_docs.SETTINGS.keys() == SETTING_NAMES
    assert all(len(texts) == 2 and all(texts) for texts in make_docs.SETTINGS.values())


@pytest.mark.parametrize("name", ["errors.md", "errors.zh-CN.md"])
def test_every_error_is_in_the_table(name: str):
    text = (ROOT / "docs" / name).read_text("utf-8")
    assert [slug for slug in REGISTRY if f"| `{slug}` |" not in text] == []


def test_what_a_client_does_is_said_of_every_error_in_both_languages():
    assert make_docs.CLIENT_ACTIONS.keys() == REGISTRY.keys()
    assert all(len(texts) == 2 and all(texts) for texts in make_docs.CLIENT_ACTIONS.values())


@pytest.mark.skipif(
    shutil.which("git") is None, reason="git is not installed; that the diff is current is proven above"
)
@pytest.mark.parametrize("name", BOTH)
def test_the_diff_in_a_readme_turns_one_example_into_the_other(name: str, tmp_path: Path):
    before, after = (ROOT / "examples" / "tutorial" / each for each in ("before", "after"))
    (diff,) = re.findall(r"^```diff\n(.*?)^```$", (ROOT / name).read_text("utf-8"), re.MULTILINE | re.DOTALL)
    for path in before.glob("*.py"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    subprocess.run(["git", "apply", "--unsafe-paths", "-p1", "-"], input=diff, cwd=tmp_path, check=True, text=True)

    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        path.name: path.read_text() for path in after.glob("*.py")
    }


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(path: Path):
    for match in LINK.finditer(FENCED.sub("", path.read_text("utf-8"))):
        target = (path.parent / match["target"]) if match["target"] else path
        assert match["target"].startswith("http") or target.exists(), match[0]
        if match["heading"]:
            assert match["heading"] in headings_of(target), match[0]


def headings_of(path: Path) -> set[str]:
    """The names by which a document's headings are linked to."""
    headings = re.findall(r"^#+ (.*)$", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.slow
def test_the_tests_named_for_the_requirements_exist_and_none_is_left_out():
    text = (ROOT / "docs" / "requirements.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| ([A-Z]\d{1,2}) \|.*\| ([^|]*) \|$", text, re.MULTILINE))
    tests = named_tests(ROOT / "tests")
    gone = {name for name, cell in rows.items() if not set(re.findall(r"`([^`]+)`", cell)) <= tests.get(name, set())}
    wrongly_open = {name for name, cell in rows.items() if (cell == "*open*") is (name in tests)}

    assert (gone, wrongly_open) == (set(), set()), "run tools/make_docs.py"
    assert tests.keys() - rows.keys() == set(), "an id that no requirement has"


def test_ids_are_found_in_names_docstrings_and_parameters(tmp_path: Path):
    source = '''
ROWS = {"R03 a row": 1}
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
@pytest.mark.parametrize("other", ["S01", "HS256"])
def test_T07_first(row, other):
    """L05: and X4."""
    "M01 is no docstring"
'''
    (tmp_path / "test_it.py").write_text(source)
    found = named_tests(tmp_path)

    assert found.keys() == {"T07", "R03", "S01", "L05", "X4"}
    assert found["R03"] == {f"{tmp_path.name}/test_it.py::test_T07_first"}


@pytest.mark.parametrize("name", ["api-keys.md", "api-keys.zh-CN.md"])
def test_A02_the_form_that_scanners_look_for_is_that_of_a_key(name: str):
    text = (ROOT / "docs" / name).read_text("utf-8")
    (shown,) = re.findall(r"```regex\n(.*)\n```", text)
    assert shown == PATTERN
