"""Which endpoint a view function is, as data, for whoever describes the routes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from .endpoints.row import Endpoint
    from .responses import Responses

View = TypeVar("View", bound="Callable[..., Any]")
_ATTRIBUTE: Final = "__tessera_described__"


def as_set(responses: Responses) -> Responses:
    """What writes the answers as the settings say."""
    return responses


def with_own_status(responses: Responses) -> Responses:
    """The same, but for errors, which keep their status: for who looks at nothing else."""
    return replace(responses, always_200=False)


@dataclass(frozen=True, slots=True)
class Described:
    """An endpoint as it stands behind a route.

    `form` gives of what writes the application's answers what writes those of this route. `uses_storage` tells whether
    it fails where the storage does.
    """

    row: Endpoint
    realm: str = ""
    form: Callable[[Responses], Responses] = as_set
    uses_storage: bool = True


def describe(view: View, described: Described) -> View:
    """Keep the description on a view; decorators that use `functools.wraps` hand it on."""
    setattr(view, _ATTRIBUTE, described)
    return view


def description_of(view: Any) -> Described | None:
    """What `describe` has kept; None for a view of the application's own."""
    found: Described | None = getattr(view, _ATTRIBUTE, None)
    return found
