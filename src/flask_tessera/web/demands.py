"""What a guard may ask of a token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

Optional = Literal["no", "missing", "invalid"]
FRESH_SECONDS: Final = 300
"""How old a login may be where `fresh=True` is asked for."""


@dataclass(frozen=True, slots=True)
class Demands:
    """What a guard asks of a token.

    `fresh` is the age in seconds that the login may have, 0 for any; `go_further` tells that more than a good
    token is asked for.
    """

    scopes: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    fresh: int = 0
    strict: bool = False
    optional: Optional = "no"
    go_further: bool = False


def parse_demands(
    *,
    scope: str = "",
    role: str = "",
    fresh: bool | int = False,
    strict: bool = False,
    optional: Optional = "no",
) -> Demands:
    """Demands from a decorator's arguments.

    Raises:
        TypeError: `optional` is none of its three words, or another argument has the wrong type.
        ValueError: `fresh` is negative.
    """
    if optional not in get_args(Optional):
        raise TypeError(f'optional must be "no", "missing" or "invalid", not {optional!r}')
    for name, value, kind in (
        ("scope", scope, str),
        ("role", role, str),
        ("fresh", fresh, int),
        ("strict", strict, bool),
    ):
        _refuse_other_type(name, value, kind)
    if fresh < 0:
        raise ValueError(f"fresh must be True or seconds, not {fresh}")
    seconds = FRESH_SECONDS if fresh is True else int(fresh)
    go_further = bool(scope.split() or role.split() or seconds)
    return Demands(frozenset(scope.split()), frozenset(role.split()), seconds, strict, optional, go_further)


def _refuse_other_type(name: str, value: Any, kind: type) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be {kind.__name__}, not {type(value).__name__}")
