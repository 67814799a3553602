#!/usr/bin/env python3
"""Measure the numbers of the house style, from the syntax trees of this project.

python3 tools/style_numbers.py [-v] [ROOT]      -v lists who is over the aim, the worst first

A code line is one that is not blank, not a comment and not part of a docstring. A function's lines
include its signature, without decorators. A branch is an `if`, a loop, an `except`, a `case`, a further
operand of `and`/`or`, or a condition inside an expression. Functions inside functions are counted apart.
"""

from __future__ import annotations

import ast
import io
import re
import statistics
import sys
import tokenize
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Function = ast.FunctionDef | ast.AsyncFunctionDef
Documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
Branch = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.IfExp, ast.match_case)
NOT_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
TIME_NAME = re.compile(
    r"(at|until|now|leeway|idle|timeout|interval|bound|longest|expires_in|.*_(at|until|lifetime|in))$"
)
SHOWN = 10


@dataclass(frozen=True)
class Row:
    """One line of the table; the worst offenders come first."""

    what: str
    measured: str
    aim: str
    is_met: bool
    offenders: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """One Python file, parsed."""

    path: Path
    module: str
    text: str
    tree: ast.Module

    @cached_property
    def code(self) -> frozenset[int]:
        """The numbers of its code lines."""
        lines: set[int] = set()
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            if token.type not in NOT_CODE:
                lines.update(range(token.start[0], token.end[0] + 1))
        for node in ast.walk(self.tree):
            if isinstance(node, Documented) and ast.get_docstring(node, clean=False) is not None:
                lines.difference_update(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
        return frozenset(lines)

    @cached_property
    def definitions(self) -> tuple[Definition, ...]:
        """All its functions, methods included."""
        return tuple(Definition(self, node, owner) for node, owner in functions_below(self.tree, None))


@dataclass(frozen=True)
class Definition:
    """One function or method, and the class that it belongs to."""

    source: Source
    node: Function
    owner: ast.ClassDef | Function | None

    def __str__(self) -> str:
        """Where it is, as an editor understands it."""
        name = f"{self.owner.name}.{self.node.name}" if self.owner else self.node.name
        return f"{self.source.path}:{self.node.lineno} {name}"

    @property
    def lines(self) -> int:
        """How many code lines it has."""
        return len(self.source.code.intersection(range(self.node.lineno, (self.node.end_lineno or 0) + 1)))

    @property
    def branches(self) -> int:
        """How many ways lead through it, less one."""
        return sum(branches_of(node) for node in inside(self.node))

    @property
    def docstring(self) -> str:
        """What is written about it; empty where nothing is. A class speaks for its `__init__`."""
        place = self.owner if self.owner and self.node.name == "__init__" else self.node
        return ast.get_docstring(place) or ""

    @property
    def is_public(self) -> bool:
        """Whether users may call it: neither private, nor magic, nor inside another function."""
        names = [self.node.name, *([self.owner.name] if self.owner else []), *self.source.module.split(".")]
        return not isinstance(self.owner, Function) and not any(is_private(name) for name in names)

    @property
    def parameters(self) -> list[ast.arg]:
        """Its parameters without self and cls."""
        found = self.node.args
        named = [*found.posonlyargs, *found.args, *found.kwonlyargs, found.vararg, found.kwarg]
        is_bound = isinstance(self.owner, ast.ClassDef) and "staticmethod" not in decorators(self.node)
        return [parameter for parameter in named if parameter][1 if is_bound else 0 :]


def is_private(name: str) -> bool:
    """Tell whether a name starts with an underscore; that of a package's own file does not count."""
    return name.startswith("_") and name != "__init__"


def decorators(node: ast.ClassDef | Function) -> set[str]:
    """Return the last words of its decorators' names."""
    return {ast.unparse(decorator).split("(")[0].split(".")[-1] for decorator in node.decorator_list}


def functions_below(
    tree: ast.AST, owner: ast.ClassDef | Function | None
) -> Iterator[tuple[Function, ast.ClassDef | Function | None]]:
    """Yield every function below a node, with the class or function around it."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Function):
            yield node, owner
        yield from functions_below(node, node if isinstance(node, ast.ClassDef | Function) else owner)


def inside(function: Function) -> Iterator[ast.AST]:
    """Yield what a function holds, without the functions in it."""
    waiting = list(ast.iter_child_nodes(function))
    while waiting:
        node = waiting.pop()
        if not isinstance(node, Function | ast.Lambda):
            yield node
            waiting.extend(ast.iter_child_nodes(node))


def branches_of(node: ast.AST) -> int:
    """Return how many branches this one node adds."""
    if isinstance(node, ast.BoolOp):
        return len(node.values) - 1
    if isinstance(node, ast.comprehension):
        return len(node.ifs)
    return int(isinstance(node, Branch))


def read(folder: Path, top: Path) -> list[Source]:
    """Parse every Python file below a folder; module names start at `top`."""
    sources = []
    for path in sorted(folder.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        module = ".".join(path.relative_to(top).with_suffix("").parts).removesuffix(".__init__")
        sources.append(Source(path, module, text, ast.parse(text, str(path))))
    return sources


def percent(part: int, whole: int) -> str:
    """Render a share; of nothing, all is well."""
    return f"{100 * part / whole:.1f} % of {whole}" if whole else "none"


def ninth_decile(values: list[int]) -> int:
    """Return the value that nine in ten do not pass."""
    return sorted(values)[max(0, -(-9 * len(values) // 10) - 1)]


def share_row(what: str, whole: Iterable[object], missing: list[str], aim: str = "100 %") -> Row:
    """Make the row of a rule that every member should keep."""
    count = len(list(whole))
    return Row(what, percent(count - len(missing), count), aim, not missing, tuple(missing))


def function_rows(definitions: list[Definition]) -> list[Row]:
    """Measure the length of functions, and their branches."""
    lines = [definition.lines for definition in definitions] or [0]
    figures = (statistics.median(lines), ninth_decile(lines), max(lines))
    longest = sorted(definitions, key=lambda definition: -definition.lines)[:SHOWN]
    branchy = sorted(definitions, key=lambda definition: -definition.branches)[:SHOWN]
    most = max((definition.branches for definition in definitions), default=0)
    is_short = all(figure <= aim for figure, aim in zip(figures, (5, 14, 25), strict=True))
    return [
        Row(
            "function, code lines: median / p90 / max",
            " / ".join(f"{figure:g}" for figure in figures),
            "≤ 5 / ≤ 14 / ≤ 25",
            is_short,
            tuple(f"{definition.lines} {definition}" for definition in longest),
        ),
        Row(
            "branches in a function, max",
            str(most),
            "≤ 7",
            most <= 7,
            tuple(f"{definition.branches} {definition}" for definition in branchy if definition.branches > 7),
        ),
    ]


def file_row(sources: list[Source]) -> Row:
    """Measure the length of files."""
    lines = [len(source.code) for source in sources] or [0]
    longest = sorted(sources, key=lambda source: -len(source.code))[:SHOWN]
    median = statistics.median(lines)
    return Row(
        "code lines per file: median / max",
        f"{median:g} / {max(lines)}",
        "≤ 80 / ≤ 250",
        median <= 80 and max(lines) <= 250,
        tuple(f"{len(source.code)} {source.path}" for source in longest),
    )


def top_level_row(sources: list[Source]) -> Row:
    """Count the names that `from flask_tessera import *` would bring."""
    names: list[str] = []
    for source in sources:
        for node in source.tree.body if source.module == "flask_tessera" else []:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                names = ast.literal_eval(node.value)
    return Row("public names at top level", str(len(names)), "≤ 25", len(names) <= 25)


def settings_row(sources: list[Source]) -> Row:
    """Count the fields of the class `Settings`."""
    fields = 0
    for source in sources:
        if source.module == "flask_tessera.config":
            for node in ast.walk(source.tree):
                if isinstance(node, ast.ClassDef) and node.name == "Settings":
                    fields = sum(isinstance(field, ast.AnnAssign) for field in node.body)
    return Row("settings", str(fields), "≤ 40", fields <= 40)


def protocol_methods(sources: list[Source]) -> set[str]:
    """Return the names of all methods that a Protocol documents; implementations need not."""
    return {
        definition.node.name
        for source in sources
        for definition in source.definitions
        if isinstance(definition.owner, ast.ClassDef)
        and any("Protocol" in ast.unparse(base) for base in definition.owner.bases)
    }


def is_implementation(definition: Definition, ports: set[str]) -> bool:
    """Tell whether another place speaks for this method: a Protocol, or its getter or first overload."""
    is_port = definition.owner is not None and definition.node.name in ports and not definition.docstring
    return is_port or bool(decorators(definition.node) & {"overload", "override", "setter"})


def docstring_row(sources: list[Source], ports: set[str]) -> Row:
    """Count the public names that say what they are."""
    documented: list[str] = []
    missing: list[str] = []
    for source in sources:
        names: list[tuple[str, ast.Module | ast.ClassDef | Function]] = [(str(source.path), source.tree)]
        names += [(f"{source.path}:{node.lineno} {node.name}", node) for node in public_classes(source)]
        names += [
            (str(definition), definition.node)
            for definition in source.definitions
            if definition.is_public and definition.node.name != "__init__" and not is_implementation(definition, ports)
        ]
        for name, node in names:
            (documented if ast.get_docstring(node) else missing).append(name)
    return share_row("docstrings on public names", documented + missing, missing)


def public_classes(source: Source) -> list[ast.ClassDef]:
    """Return the classes of a file that users may name."""
    found = [node for node in ast.walk(source.tree) if isinstance(node, ast.ClassDef)]
    return [node for node in found if not is_private(node.name)]


def raised(function: Function) -> set[str]:
    """Return the names of the errors that a function itself raises."""
    errors = [node.exc for node in inside(function) if isinstance(node, ast.Raise) and node.exc]
    return {ast.unparse(error).split("(")[0].split(".")[-1] for error in errors}


def raising_row(definitions: list[Definition], ports: set[str]) -> Row:
    """Count the public functions that raise, and say so."""
    raising = [
        definition
        for definition in definitions
        if definition.is_public and not is_implementation(definition, ports) and raised(definition.node)
    ]
    missing = [
        str(definition)
        for definition in raising
        if "Raises:" not in definition.docstring
        and not any(name in definition.docstring for name in raised(definition.node))
    ]
    return share_row("raising functions that document it", raising, missing)


def time_row(definitions: list[Definition], ports: set[str]) -> Row:
    """Count the time values whose unit is said: in the docstring of the function, its class or its file."""
    values: list[str] = []
    missing: list[str] = []
    for definition in definitions:
        owner = definition.owner
        places = [definition.docstring, ast.get_docstring(definition.source.tree) or ""]
        places += [ast.get_docstring(owner) or ""] if owner else []
        names = [parameter.arg for parameter in definition.parameters if is_time(parameter)]
        if not definition.is_public or is_implementation(definition, ports):
            continue
        values += names
        if not re.search(r"second|unix", " ".join(places), re.IGNORECASE):
            missing += [f"{definition} ({name})" for name in names]
    return share_row("time values with their unit (by name, int)", values, missing)


def is_time(parameter: ast.arg) -> bool:
    """Guess from name and annotation whether a parameter is a time or a span."""
    annotation = ast.unparse(parameter.annotation) if parameter.annotation else "int"
    return bool(TIME_NAME.match(parameter.arg)) and bool(re.search(r"\b(int|float)\b", annotation))


def annotation_row(definitions: list[Definition]) -> Row:
    """Count the parameters and results that have a type."""
    values: list[str] = []
    missing: list[str] = []
    for definition in definitions:
        for name, annotation in (
            ("return", definition.node.returns),
            *((parameter.arg, parameter.annotation) for parameter in definition.parameters),
        ):
            values.append(name)
            missing += [] if annotation else [f"{definition} ({name})"]
    return share_row("annotated", values, missing)


def ignore_row(sources: list[Source]) -> Row:
    """Count what the type checker was told to overlook."""
    found = [
        f"{source.path}:{number}"
        for source in sources
        for number, line in enumerate(source.text.splitlines(), 1)
        if re.search(r"#\s*type:\s*ignore", line)
    ]
    rate = 1000 * len(found) / max(1, sum(len(source.code) for source in sources))
    return Row("`type: ignore` per kloc", f"{rate:.2f}", "≤ 1", rate <= 1, tuple(found))


def imports_of(source: Source, modules: set[str]) -> set[str]:
    """Return the modules of this project that a file imports at run time."""
    for_types = [
        node for node in ast.walk(source.tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
    ]
    left_out = {id(child) for node in for_types for child in ast.walk(node)}
    found: set[str] = set()
    for node in ast.walk(source.tree):
        if id(node) not in left_out:
            found.update(imported_names(node, source, modules))
    return found & modules


def imported_names(node: ast.AST, source: Source, modules: set[str]) -> set[str]:
    """Return the full names of what one statement imports from: a module, or the package that holds a name."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if not isinstance(node, ast.ImportFrom):
        return set()
    package = source.module.split(".")
    is_package = source.path.name == "__init__.py"
    around = package[: len(package) - node.level + is_package] if node.level else []
    origin = ".".join([*around, *([node.module] if node.module else [])])
    names = [(f"{origin}.{alias.name}", origin) for alias in node.names]
    return {name if name in modules else holder for name, holder in names}


def cycle_row(sources: list[Source]) -> Row:
    """Count the modules that import themselves by a detour; imports inside functions count too."""
    modules = {source.module for source in sources}
    reach = {source.module: imports_of(source, modules) for source in sources}
    for _ in modules:
        reach = {module: near.union(*(reach[other] for other in near)) for module, near in reach.items()}
    cyclic = sorted(module for module, near in reach.items() if module in near)
    return Row("modules in import cycles", str(len(cyclic)), "0", not cyclic, tuple(cyclic))


def broad_row(sources: list[Source]) -> Row:
    """Count the handlers that catch everything."""
    found = [
        f"{source.path}:{node.lineno}"
        for source in sources
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or re.search(r"\b(Base)?Exception\b", ast.unparse(node.type)))
    ]
    return Row("broad excepts", str(len(found)), "0", not found, tuple(found))


def sleep_row(tests: list[Source]) -> Row:
    """Count the sleeps in tests."""
    found = [
        f"{source.path}:{node.lineno}"
        for source in tests
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "sleep"
    ]
    return Row("sleeps in tests", str(len(found)), "0", not found, tuple(found))


def ratio_row(sources: list[Source], tests: list[Source]) -> Row:
    """Compare the code lines of tests and package."""
    code = sum(len(source.code) for source in sources)
    ratio = sum(len(source.code) for source in tests) / max(1, code)
    return Row(f"test code ÷ code ({code} lines)", f"{ratio:.2f}", "1.2–2.0", 1.2 <= ratio <= 2.0)


def measure(root: Path) -> list[Row]:
    """Measure the package in `src` and the tests in `tests`."""
    sources = read(root / "src", root / "src")
    tests = read(root / "tests", root)
    definitions = [definition for source in sources for definition in source.definitions]
    ports = protocol_methods(sources)
    return [
        *function_rows(definitions),
        file_row(sources),
        top_level_row(sources),
        settings_row(sources),
        docstring_row(sources, ports),
        raising_row(definitions, ports),
        time_row(definitions, ports),
        annotation_row(definitions),
        ignore_row(sources),
        cycle_row(sources),
        broad_row(sources),
        sleep_row(tests),
        ratio_row(sources, tests),
    ]


def main(words: list[str]) -> int:
    """Print the table; 1 only if a file cannot be parsed."""
    folders = [Path(word) for word in words if word != "-v"]
    try:
        rows = measure(folders[0] if folders else Path(__file__).resolve().parent.parent)
    except (SyntaxError, UnicodeDecodeError) as error:
        print(f"cannot parse: {error}")
        return 1
    print(f"{'what':44} {'measured':18} {'aim':18}")
    for row in rows:
        print(f"{row.what:44} {row.measured:18} {row.aim:18} {'ok' if row.is_met else 'MISS'}")
        for offender in row.offenders[:SHOWN] if "-v" in words else ():
            print(f"    {offender}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
