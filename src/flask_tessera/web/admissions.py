"""What the guards of a request have found: kept on the request and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from flask import after_this_request, has_request_context

from ..errors import ConfigError
from .present import present_request

if TYPE_CHECKING:
    from flask import Request

    from .runtime import Runtime

# Not on `g`, which belongs to the application context: that one may outlive a request (in tests, in commands).
_KEY: Final = "_tessera_admissions"


class Admission(msgspec.Struct):
    """Who a guard has let in; `identity` is None for nobody.

    `is_lenient` tells that a bad token, and so the token of a user who is gone, counts as nobody.
    """

    runtime: Any
    identity: Any
    is_lenient: bool = False
    user: Any = None
    has_user: bool = False


def begin(request: Request, runtime: Runtime) -> dict[str, Admission]:
    """The admissions of a request by realm, none at first; from now on its answer is private."""
    admissions: dict[str, Admission] | None = request.__dict__.get(_KEY)
    if admissions is None:
        admissions = request.__dict__[_KEY] = {}
        after_this_request(runtime.privacy.mark)
    return admissions


def add(admissions: dict[str, Admission], admission: Admission) -> None:
    """Make `admission` the one of its realm, and the last; a user who was loaded already stays so."""
    realm = admission.runtime.realm
    before = admissions.pop(realm, None)
    if before is not None and before.identity == admission.identity:
        admission.user, admission.has_user = before.user, before.has_user
    admissions[realm] = admission


def admission_of(realm: str | None) -> Admission:
    """What the guard of the present request has found: of a realm, or with None the last guard of any.

    Raises:
        ConfigError: no guard stands before this view.
    """
    admissions: dict[str, Admission] = present_request().__dict__.get(_KEY, {}) if has_request_context() else {}
    admission = next(reversed(admissions.values()), None) if realm is None else admissions.get(realm)
    if admission is None:
        raise ConfigError("there is no current user here: put @login_required below the route decorator")
    return admission
