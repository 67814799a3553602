"""Which tests name which requirement: by its id in their name, docstring or parameters."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ID = re.compile(r"(?<![A-Za-z0-9])([TKRSLABQHMFG][0-9]{2}|P0[0-9]|X[0-9]{1,2})(?![A-Za-z0-9])")
Function = ast.FunctionDef | ast.AsyncFunctionDef


def named_tests(folder: Path) -> dict[str, set[str]]:
    """Requirement id to tests, each as `path::name` below `folder`.

    Whether an id is one of a requirement is for the reader of this table to say.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted(folder.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        tables = {name: node for node in tree.body for name in _assigned(node)}
        for test in _tests(tree):
            for text in _texts(test, tables):
                for name in ID.findall(text):
                    found[name].add(f"{path.relative_to(folder.parent).as_posix()}::{test.name}")
    return dict(found)


def _assigned(node: ast.stmt) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _tests(tree: ast.Module) -> Iterator[Function]:
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    for node in (*tree.body, *(each for owner in classes for each in owner.body)):
        if isinstance(node, Function) and node.name.startswith("test_"):
            yield node


def _texts(test: Function, tables: dict[str, ast.stmt]) -> Iterator[str]:
    yield test.name
    yield ast.get_docstring(test) or ""
    for decorator in test.decorator_list:
        yield from _constants(decorator, tables, set())


def _constants(node: ast.AST, tables: dict[str, ast.stmt], seen: set[str]) -> Iterator[str]:
    """Texts in an expression, and in the tables of its module that it names."""
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value
        elif isinstance(each, ast.Name) and each.id in tables and each.id not in seen:
            seen.add(each.id)
            yield from _constants(tables[each.id], tables, seen)
