"""GET /healthz: whether the service can do its work now, for load balancers and monitors."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec
from flask import Blueprint

from ..errors import ConfigError, StorageUnavailableError
from ..services.workers import WORKER_OVERDUE, WorkerRegistry
from ..web.described import Described, describe, with_own_status
from ..web.endpoints.row import Endpoint
from ..web.http_errors import http_errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..web.app_state import Runtime
    from ..web.extension import Tessera
    from .users import User, Users

_LATEST_STEP: Final = 0.5
"""Seconds after which no further step is begun: one may take two and a half, and all together three."""
_log = logging.getLogger("flask_tessera")


class StorageHealth(msgspec.Struct, frozen=True):
    """How durable the storage is, and of how many things it warns."""

    durability: str
    warnings: int


class RevocationHealth(msgspec.Struct, frozen=True):
    """How soon workers learn of revocations: the bound in seconds, the slowest delay in milliseconds."""

    mode: str
    bound: int
    workers: int
    overdue: int
    slowest_ms: int
    heard: bool


class HealthResponse(msgspec.Struct, frozen=True):
    """What is told of a service that works."""

    status: str
    storage: StorageHealth
    revocation: RevocationHealth


def make_health(tessera: Tessera[User], users: Users, *, steady: Callable[[], float] = time.monotonic) -> Blueprint:
    """The blueprint with the route; it answers 200 or 503, whatever the setting of `HTTP_STATUS`.

    Args:
        tessera: whose storage and workers are looked at.
        users: the service's own.
        steady: gives seconds that only grow; for tests.
    """
    blueprint = Blueprint("health", __name__)

    @blueprint.get("/healthz", endpoint="healthz")
    def healthz() -> Any:
        """Whether the service can do its work now."""
        runtime = tessera.runtime
        # What asks looks at nothing but the status.
        responses = with_own_status(runtime.responses)
        with http_errors(responses):
            return responses.success(_examine(runtime, users, steady))

    row = Endpoint("healthz", "GET", "/healthz", healthz, response=HealthResponse)
    describe(healthz, Described(row, tessera.realm, form=with_own_status))
    return blueprint


def _examine(runtime: Runtime, users: Users, steady: Callable[[], float]) -> HealthResponse:
    """What is told of a service that works: no name, address, process or version (requirement H03).

    Raises:
        StorageUnavailableError: it does not work.
    """
    begun = steady()

    def in_time(step: Callable[[], Any]) -> Any:
        if steady() > begun + _LATEST_STEP:
            raise StorageUnavailableError("the storage answers too slowly")
        return step()

    in_time(lambda: _check(runtime))
    in_time(lambda: users.by_id(0))
    return HealthResponse("ok", in_time(lambda: _storage(runtime)), in_time(lambda: _revocation(runtime)))


def _check(runtime: Runtime) -> None:
    try:
        runtime.storage.check()
    except ConfigError as error:
        # Found only now: another version of this service has changed the schema meanwhile.
        _log.error("the storage cannot be used: %s", error)
        raise StorageUnavailableError(str(error)) from error


def _storage(runtime: Runtime) -> StorageHealth:
    description = runtime.storage.describe()
    return StorageHealth(description.durability, len(description.warnings))


def _revocation(runtime: Runtime) -> RevocationHealth:
    mode = runtime.settings.REVOCATION
    now = runtime.clock()
    workers = WorkerRegistry(runtime.storage).list(at=now)
    return RevocationHealth(
        mode=mode,
        bound=_bound(runtime),
        workers=len(workers),
        overdue=sum(now - each.beat_at >= WORKER_OVERDUE for each in workers),
        slowest_ms=max((each.delay for each in workers), default=0),
        # Nobody listens where nobody would ask.
        heard=mode != "stateless" and runtime.shared.follower.is_current(),
    )


def _bound(runtime: Runtime) -> int:
    """Seconds within which every worker refuses what has ended."""
    settings = runtime.settings
    if settings.REVOCATION == "stateless":
        return max(settings.ACCESS_LIFETIME, settings.TOKEN_LIFETIME)
    return runtime.bound
