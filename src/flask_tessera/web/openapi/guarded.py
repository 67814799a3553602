"""What guards say about operations that another library describes, in the version of OpenAPI that it writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .answers import rows_by_status, text_of
from .document import settings_of
from .refusals import refusals_of_guard
from .routes import routes_of
from .security import security_of, security_schemes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from flask import Flask

    from ...config import Settings
    from .routes import Route
    from .security import Scheme


@dataclass(frozen=True, slots=True)
class GuardedOperation:
    """One method of a view behind a guard.

    `method` is in lower case; `security` are its security requirements, `scopes` the words that a token must hold, and
    `refusals` tell by status what the guard answers.
    """

    path: str
    method: str
    endpoint: str
    security: list[dict[str, list[str]]]
    scopes: list[str]
    refusals: dict[str, str]

    def complete(self, operation: dict[str, Any]) -> None:
        """Add all of it to an Operation Object, but where that has its own say."""
        operation.setdefault("security", self.security)
        if self.scopes:
            operation.setdefault("x-required-scopes", self.scopes)
        responses = operation.setdefault("responses", {})
        for status, text in self.refusals.items():
            # Some libraries have numbers for keys.
            if status not in map(str, responses):
                responses[status] = {"description": text}


def guarded_operations(app: Flask, realm: str, *, version: str = "3.1.0") -> Iterator[GuardedOperation]:
    """All of an application's own in a realm.

    Args:
        app: the application, with all its routes.
        realm: whose guards count.
        version: of OpenAPI; before 3.1 only OAuth 2 carries scopes, before 3.0 no cookie is known.

    Raises:
        ConfigError: the application has no Tessera of this realm, or a setting is wrong.
    """
    settings = settings_of(app, realm)
    return (_guarded(route, settings, realm, version) for route in routes_of(app, realm) if route.described is None)


def schemes_of(
    operations: Iterable[GuardedOperation], app: Flask, realm: str, *, version: str = "3.1.0"
) -> dict[str, Scheme]:
    """The security schemes that these operations name; arguments and errors as of `guarded_operations`."""
    schemes = security_schemes(settings_of(app, realm), realm)
    known = _in_version_2(schemes) if version.startswith("2") else schemes
    named = {name for operation in operations for either in operation.security for name in either}
    return {name: scheme for name, scheme in known.items() if name in named}


def _guarded(route: Route, settings: Settings, realm: str, version: str) -> GuardedOperation:
    method = route.method
    security = security_of(route.guards, settings, realm, method)
    if version.startswith("2"):
        known = _in_version_2(security_schemes(settings, realm))
        security = [each for each in security if each.keys() <= known.keys()]
    if version.startswith(("2", "3.0")):
        security = [{name: [] for name in each} for each in security]
    slugs = (slug for wanted in route.guards for slug in refusals_of_guard(wanted, settings, method))
    told = {} if settings.HTTP_STATUS == "always_200" else rows_by_status(slugs)
    refusals = {str(status): text_of(rows) for status, rows in told.items()}
    return GuardedOperation(route.path, method.lower(), route.endpoint, security, route.scopes, refusals)


def _in_version_2(schemes: dict[str, Scheme]) -> dict[str, Scheme]:
    """Swagger 2 has neither cookies nor the scheme Bearer: the header is written out."""
    bearer = {"type": "apiKey", "in": "header", "name": "Authorization", "description": "`Bearer`, a space, the token."}
    kept = {name: scheme for name, scheme in schemes.items() if name not in ("cookie", "csrf")}
    return {name: bearer if scheme["type"] == "http" else scheme for name, scheme in kept.items()}
