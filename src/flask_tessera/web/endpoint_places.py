"""Where the package's own routes are, and which places they cannot have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ConfigError
from ..setting_checks import PREFIX
from .described import description_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask.sansio.app import App
    from werkzeug.routing import Rule

    from .described import Described


def prefixes_of(app: App, realm: str, name: str) -> list[str]:
    """Below which prefixes a realm has the endpoint of this name, each once; none where it is not registered."""
    found = [
        rule.rule.removesuffix(described.row.rule)
        for rule, described in _described_rules(app)
        if (described.realm, described.row.name) == (realm, name)
    ]
    return list(dict.fromkeys(found))


def check_places(app: App) -> None:
    """Refuse routes of which a realm would have nothing.

    Raises:
        ConfigError: two realms have one at the same place, where only the first is found; or in cookie mode a realm has
            `refresh` at several, while its cookie is sent below one path.
    """
    realms: dict[tuple[str | None, str, str], str] = {}
    for rule, described in _described_rules(app):
        place = rule.host or rule.subdomain, rule.rule, described.row.method
        other = realms.setdefault(place, described.realm)
        if other != described.realm:
            raise ConfigError(
                f"the realms {other!r} and {described.realm!r} both have {rule.rule}, where only the first would be"
                " found: give each blueprint() a url_prefix of its own"
            )
    for realm in set(realms.values()) if app.config.get(f"{PREFIX}COOKIES") else ():
        prefixes = prefixes_of(app, realm, "refresh")
        if len(prefixes) > 1:
            raise ConfigError(
                f"realm {realm!r} has the endpoint refresh below {' and '.join(map(repr, prefixes))}, but with"
                f" {PREFIX}COOKIES its cookie is sent below one path only: register refresh in one blueprint()"
            )


def _described_rules(app: App) -> Iterator[tuple[Rule, Described]]:
    """In the order in which they were registered."""
    for endpoint, view in list(app.view_functions.items()):
        described = description_of(view)
        if described is not None:
            for rule in app.url_map.iter_rules(endpoint):
                yield rule, described
