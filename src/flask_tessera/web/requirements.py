"""What a guard asks of a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict

from ..services.tickets import checked_purpose

if TYPE_CHECKING:
    from collections.abc import Iterable

Optional = Literal["no", "missing", "invalid"]
FRESH_SECONDS: Final = 300
"""How old a login may be where `fresh=True` is asked for."""
_ATTRIBUTE: Final = "__tessera_requirements__"
_REALM: Final = "__tessera_realm__"
_NOT_ASKED: Final[Any] = object()
TRANSPORTS: Final = frozenset(("header", "cookie", "api_key"))
"""What `transports=` may name: the token of a session in a header, or in a cookie; an API key."""
SESSION_TRANSPORTS: Final = TRANSPORTS - {"api_key"}
_OPTIONAL: Final[dict[Any, Optional]] = {False: "no", True: "missing", "invalid": "invalid"}


class RequirementArguments(TypedDict, total=False):
    """The arguments of `login_required` and `protect`."""

    scope: str
    role: str
    permission: str
    fresh: bool | int
    strict: bool
    optional: bool | Literal["invalid"]
    transports: Iterable[str]
    ticket: str


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a guard asks of a request.

    `fresh` is the age in seconds that the login may have, 0 for any; `needs_checks` tells that more than a good
    credential is asked for. `ticket` is the purpose of the tickets that are accepted as well, empty for none.
    """

    scopes: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    permissions: frozenset[str] = frozenset()
    fresh: int = 0
    strict: bool = False
    optional: Optional = "no"
    needs_checks: bool = False
    transports: frozenset[str] = TRANSPORTS
    ticket: str = ""

    def __str__(self) -> str:
        words = [f"scope={' '.join(sorted(self.scopes))}"] if self.scopes else []
        words += [f"role={' '.join(sorted(self.roles))}"] if self.roles else []
        words += [f"permission={' '.join(sorted(self.permissions))}"] if self.permissions else []
        words += [f"fresh={self.fresh}"] if self.fresh else []
        words += ["strict"] if self.strict else []
        words += [f"optional={self.optional}"] if self.optional != "no" else []
        words += [f"transports={' '.join(sorted(self.transports))}"] if self.transports != TRANSPORTS else []
        words += [f"ticket={self.ticket}"] if self.ticket else []
        return ", ".join(["login", *words])


def parse_requirements(
    *,
    scope: str = _NOT_ASKED,
    role: str = _NOT_ASKED,
    permission: str = _NOT_ASKED,
    fresh: bool | int = False,
    strict: bool = False,
    optional: bool | Literal["invalid"] = False,
    transports: Iterable[str] = TRANSPORTS,
    ticket: str = _NOT_ASKED,
) -> Requirements:
    """Requirements from a decorator's arguments.

    Raises:
        TypeError: an argument has the wrong type, or asks for nothing (`role=""`, `fresh=0`), or `optional` stands
            beside another requirement: whoever leaves the token out would pass what a logged-in user must fulfil.
    """
    words = {
        name: _words(name, value)
        for name, value in (("scope", scope), ("role", role), ("permission", permission))
        if value is not _NOT_ASKED
    }
    seconds = _seconds(fresh)
    if not isinstance(strict, bool):
        raise TypeError(f"strict must be True or False, not {strict!r}")
    asked = [*words, *(["fresh"] if seconds else [])]
    scopes, roles, permissions = (words.get(name, frozenset()) for name in ("scope", "role", "permission"))
    return Requirements(
        scopes,
        roles,
        permissions,
        seconds,
        strict,
        _lenience(optional, asked),
        needs_checks=bool(asked),
        transports=_transports(transports),
        ticket="" if ticket is _NOT_ASKED else _purpose(ticket),
    )


@dataclass(frozen=True, slots=True)
class Guard:
    """What stands before a view: requirements, and which realm's users can fulfil them."""

    requirements: Requirements
    realm: str = ""

    def __str__(self) -> str:
        return f"{self.requirements} (realm {self.realm})" if self.realm else str(self.requirements)


def put_on(wrapper: Any, requirements: Requirements, realm: str = "") -> None:
    """Keep the requirements on a guarded view, for whoever describes the routes."""
    setattr(wrapper, _ATTRIBUTE, requirements)
    setattr(wrapper, _REALM, realm)


def guards_of(view: Any) -> list[Guard]:
    """All guards before a view, the outermost first, also beneath other decorators."""
    found: dict[Guard, None] = {}
    while view is not None:
        requirements = getattr(view, _ATTRIBUTE, None)
        if requirements is not None:
            # Decorators copy what is on the function below them: one guard may be seen more than once.
            found[Guard(requirements, getattr(view, _REALM, ""))] = None
        view = getattr(view, "__wrapped__", None)
    return list(found)


def _words(name: str, value: Any) -> frozenset[str]:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be words separated by spaces, not {value!r}")
    if not value.strip():
        raise TypeError(f"{name}={value!r} asks for nothing: leave {name} out where anybody who is logged in may enter")
    return frozenset(value.split())


def _transports(names: Any) -> frozenset[str]:
    given = frozenset([names] if isinstance(names, str) else names)
    if not given or not given <= TRANSPORTS:
        raise TypeError(f"transports must be one or more of {', '.join(sorted(TRANSPORTS))}, not {names!r}")
    # The one object that most guards have: it is told from others by what it is.
    return TRANSPORTS if given == TRANSPORTS else given


def _purpose(ticket: Any) -> str:
    try:
        return checked_purpose(ticket)
    except ValueError as error:
        raise TypeError(f"ticket={ticket!r}: {error}") from error


def _lenience(optional: Any, asked: list[str]) -> Optional:
    """Who is let in beside who has logged in; `asked` is what more is asked of those."""
    if optional not in _OPTIONAL or (isinstance(optional, int | float) and not isinstance(optional, bool)):
        raise TypeError(f'optional must be False, True or "invalid", not {optional!r}')
    lenience = _OPTIONAL[optional]
    if lenience != "no" and asked:
        told = ", ".join(asked)
        raise TypeError(f"optional lets requests without a token in, so {told} would keep out only who has logged in")
    return lenience


def _seconds(fresh: Any) -> int:
    if isinstance(fresh, bool):
        return FRESH_SECONDS if fresh else 0
    if not isinstance(fresh, int) or fresh <= 0:
        raise TypeError(f"fresh must be True or a whole number of seconds above 0, not {fresh!r}")
    return fresh
