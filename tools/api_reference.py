"""The reference of the public API, made of its signatures and docstrings (Google style)."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

import flask_tessera
from flask_tessera import errors, signals, testing

if TYPE_CHECKING:
    from collections.abc import Iterator

SECTION = re.compile(r"^(Args|Raises|Returns|Yields):\n", re.MULTILINE)
ENTRY = re.compile(r"^(?P<name>[\w*.]+): ", re.MULTILINE)
BUILT_BY_READERS = ("Tessera", "Device", "Clock")
"""Classes that an application calls; the others it is given."""
INTERNAL = {
    "client_info",
    "id_of",
    "reset_after_fork",
    "revoke_user_id",
    "runtime",
    "stamp_of",
    "start_session",
    "start_token",
    "with_rotation",
}
"""Members that are public for other parts of the package only."""
CURRENT = """## current_user, current_identity

The user of the present request's token, and the `Identity` of it. Both are falsy for nobody.
[Guards](quickstart.md#guards) shows them.
"""
TITLES = {"Args": "Arguments", "Raises": "Raises", "Returns": "Returns", "Yields": "Yields"}


def reference() -> str:
    """All of it, as Markdown below the document's own heading."""
    values = {name: getattr(flask_tessera, name) for name in flask_tessera.__all__}
    classes = {name: value for name, value in values.items() if inspect.isclass(value) and not is_error(value)}
    functions = {name: value for name, value in values.items() if inspect.isfunction(value)}
    parts = [
        *(class_text(name, value) for name, value in first_things_first(classes)),
        *(function_text(name, value, "##") for name, value in functions.items()),
        CURRENT,
        errors_text(),
        signals_text(),
        "## flask_tessera.testing\n",
        *(member_text(name, getattr(testing, name)) for name in ("login_as", "Clock")),
    ]
    return "\n".join(parts)


def first_things_first(classes: dict[str, Any]) -> list[tuple[str, Any]]:
    """`Tessera` before all others, and after it what its attributes give."""
    from flask_tessera.accounts.passwords import Passwords
    from flask_tessera.web.api_key_actions import ApiKeyActions, ShownKey
    from flask_tessera.web.login_attempt import LoginAttempt

    more = {
        "ApiKeyActions": ApiKeyActions,
        "LoginAttempt": LoginAttempt,
        "Passwords": Passwords,
        "ShownKey": ShownKey,
        **classes,
    }
    return sorted(more.items(), key=lambda item: (item[0] != "Tessera", item[0]))


def is_error(value: Any) -> bool:
    """Whether this is an exception."""
    return isinstance(value, type) and issubclass(value, Exception)


def class_text(name: str, value: type) -> str:
    """A class: its signature, its docstring, its public members."""
    members = [member_text(each, member) for each, member in members_of(value)]
    shown = f"`{name}{signature_of(value)}`\n\n" if name in BUILT_BY_READERS else ""
    fields = "" if shown else fields_of(value)
    return "\n".join([f"## {name}\n\n{shown}{text_of(value)}{fields}", *members])


def fields_of(value: type) -> str:
    """The attributes of a value that an application is given, one after another."""
    kinds = {
        name: kind for each in reversed(value.__mro__) for name, kind in vars(each).get("__annotations__", {}).items()
    }
    shown = [f"- `{name}: {kind}`\n" for name, kind in kinds.items() if not name.startswith("_")]
    return "\n" + "".join(shown) if shown else ""


def members_of(value: type) -> Iterator[tuple[str, Any]]:
    """Public methods and properties, in the order in which they were written; those of the class itself first."""
    seen: set[str] = set()
    for kind in value.__mro__:
        if not kind.__module__.startswith("flask_tessera"):
            continue
        for name, member in vars(kind).items():
            is_documented = inspect.isfunction(member) or isinstance(member, property | classmethod)
            if name.startswith("_") or name in INTERNAL | seen or not is_documented:
                continue
            if inspect.getdoc(getattr(value, name)):
                seen.add(name)
                yield name, getattr(value, name) if isinstance(member, classmethod) else member


def member_text(name: str, member: Any) -> str:
    """A method, a property or a function."""
    if isinstance(member, property):
        return f"### {name}\n\n{text_of(member)}"
    if inspect.isclass(member):
        shown = f"`{name}{signature_of(member)}`"
        return f"### {name}\n\n{shown}\n\n{text_of(member)}"
    return function_text(name, member, "###")


def function_text(name: str, function: Any, depth: str) -> str:
    """A function with its signature."""
    return f"{depth} {name}\n\n`{name}{signature_of(function)}`\n\n{text_of(function)}"


def signature_of(value: Any) -> str:
    """The parameters as they are written, without `self`, and what is returned."""
    signature = inspect.signature(value)
    parameters = [each for each in signature.parameters.values() if each.name != "self"]
    if inspect.isclass(value):
        signature = signature.replace(return_annotation=inspect.Signature.empty)
    text = str(signature.replace(parameters=parameters))
    # Annotations are texts, which `str` quotes; a default that stands for "not given" says nothing to a reader.
    text = re.sub(r"""(: |-> )(['"])(.*?)\2(?=[,) ]|$)""", r"\1\3", text)
    text = re.sub(r"<class '(\w+)'>", r"\1", text)
    return re.sub(r"= (<[^,]*>|[A-Z]\w*\([^()]*\))(?=[,)])", "= …", text)


def text_of(value: Any) -> str:
    """A docstring as Markdown: its sections become lists."""
    first, *sections = SECTION.split(inspect.getdoc(value) or "")
    parts = [first.strip()]
    for title, body in zip(sections[::2], sections[1::2], strict=True):
        # What follows a section without an indent belongs to the text again.
        indented = re.match(r"(?:(?: {4}.*)?\n|(?: {4}.*)$)*", body)
        assert indented  # noqa: S101 (it matches nothing at least)
        entries = inspect.cleandoc("x\n" + indented[0]).removeprefix("x\n")
        parts += [f"{TITLES[title]}:\n\n{as_list(entries)}", body[indented.end() :].strip()]
    return "\n\n".join(part for part in parts if part) + "\n"


def as_list(entries: str) -> str:
    """`name: what it is`, one after another, as a list."""
    lines: list[str] = []
    for line in entries.strip().splitlines():
        if ENTRY.match(line):
            lines.append("- " + ENTRY.sub(lambda match: f"`{match['name']}`: ", line, count=1))
        elif line.strip():
            lines.append("  " + line.strip() if lines else line)
    return "\n".join(lines)


def errors_text() -> str:
    """Every exception with the first sentence of what it is."""
    kinds = [value for value in vars(errors).values() if is_error(value) and value.__module__ == errors.__name__]
    rows = "".join(f"| `{kind.__name__}` | {summary_of(kind)} |\n" for kind in kinds)
    where = "Those that an application catches are in `flask_tessera`, all of them in `flask_tessera.errors`."
    return f"## Exceptions\n\n{where}\n\n| exception | when |\n| --- | --- |\n{rows}"


def summary_of(value: Any) -> str:
    """The first paragraph of a docstring, on one line."""
    return " ".join((inspect.getdoc(value) or "").partition("\n\n")[0].split())


def signals_text() -> str:
    """The signals, with what they say of themselves."""
    found = {name: value for name, value in vars(signals).items() if hasattr(value, "send") and hasattr(value, "name")}
    rows = "".join(f"| `{name}` | {' '.join((value.__doc__ or '').split())} |\n" for name, value in found.items())
    return f"## flask_tessera.signals\n\n| signal | sent when |\n| --- | --- |\n{rows}"
