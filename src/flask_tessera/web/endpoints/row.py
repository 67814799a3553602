"""One row of the table of endpoints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ...errors import SessionEndedError
from ..requirements import SESSION_TRANSPORTS
from ..responses import JSON

if TYPE_CHECKING:
    from collections.abc import Callable

SESSION_ENDED: Final = tuple(f"session_{reason}" for reason in SessionEndedError.REASONS)
"""What a session that is over is answered with, by its end reason."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One route of the package, as data: for registering it, for OpenAPI, for lists of routes.

    `handler` is given the `Tessera`, the body as `request`, and the rule's arguments by name; it gives what
    `response` describes, a type or several, or a response that is none of data. `request` is None where no body is
    read, `dict` where the host says what is in it. `errors` are slugs of `errors.REGISTRY`, besides those of the body
    and of the guard.
    """

    name: str
    method: str
    rule: str
    handler: Callable[..., Any]
    request: type | None = None
    response: Any = None
    errors: tuple[str, ...] = ()
    is_guarded: bool = False
    transports: frozenset[str] = SESSION_TRANSPORTS
    """What a guarded one accepts, as `login_required(transports=)`; or where another one looks for a token itself."""
    may_be_empty: bool = False
    """Whether a request without a body is one with nothing in it."""
    query: type | None = None
    """A struct whose members the query may hold, where the handler reads it."""
    status: int = 200
    """Of success: 200, or 204 for an answer without a body."""
    media: tuple[str, ...] = (JSON,)
    """What success is written in, if it is; what is not JSON has no envelope."""
    token_is_optional: bool = False
    """Whether one that looks for a token itself does so for some requests only."""
    is_page: bool = False
    """Whether it is for people, and so not described to programs."""
    needs: str = ""
    """A method of the object given as `Tessera(users=…)`, without which there is no such route."""
    takes_any_method: bool = False
    """Whether other methods are answered as `method` is."""
    keeps_status: bool = False
    """Whether errors have their own status even where the setting `HTTP_STATUS` says that all are 200."""
