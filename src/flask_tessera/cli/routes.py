"""`routes`: what stands before each route of the application."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

import click
from flask import current_app
from flask.cli import with_appcontext

from ..web.guards import is_bypassed
from ..web.protection import check_left_open, is_left_open, is_ours, is_static
from ..web.route_guards import guards_before
from .printing import print_row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask
    from werkzeug.routing import Rule

_UNGUARDED: Final = "UNGUARDED"
_PAST: Final = f"{_UNGUARDED}: @login_required stands above the route decorator, requests are refused"
_OF_FLASK: Final = {"HEAD", "OPTIONS"}
"""Methods that Flask adds to those of a view."""
_TUTORIAL: Final = f"{__package__.partition('.')[0]}.server.tutorial"


@click.command("routes")
@click.option("--check", is_flag=True, help="Exit with 1 if a route is UNGUARDED.")
@click.option("--allow", multiple=True, metavar="ENDPOINT", help="An endpoint that may be UNGUARDED; repeatable.")
@with_appcontext
def routes(*, check: bool, allow: tuple[str, ...]) -> None:
    """List every route: methods, rule, endpoint and what its guard asks for.

    UNGUARDED is where neither login_required nor protect() stands; a check within the view itself is not seen. What
    protect(leave_open=…) names is "left open".
    """
    # The application itself: a class of views is looked up in it.
    app: Any = current_app
    check_left_open(app)
    rows = [row for rule in sorted(app.url_map.iter_rules(), key=str) for row in _rows(app, rule)]
    for methods, rule, endpoint, guard in rows:
        print_row(methods, rule, endpoint, guard)
    unguarded = [endpoint for *_, endpoint, guard in rows if guard.startswith(_UNGUARDED)]
    click.echo(f"{len(rows)} routes, {len(unguarded)} unguarded")
    if missing := sorted(set(allow) - {endpoint for *_, endpoint, _ in rows}):
        raise click.ClickException(f"there is no endpoint {', '.join(missing)}")
    if check and (left := sorted(set(unguarded) - set(allow))):
        raise click.ClickException(f"without a guard: {', '.join(left)}")


def _rows(app: Flask, rule: Rule) -> Iterator[tuple[str, str, str, str]]:
    """One row, or where the methods of a class have guards of their own one for each group of them."""
    given = set(rule.methods or ())
    by_guard: dict[str, list[str]] = defaultdict(list)
    for method in sorted(given - _OF_FLASK or given):
        by_guard[_guard(app, rule.endpoint, method)].append(method)
    place = "|".join(filter(None, (rule.host or rule.subdomain, rule.rule)))
    for guard, methods in by_guard.items():
        yield ",".join(methods), place, rule.endpoint, guard


def _guard(app: Flask, endpoint: str, method: str) -> str:
    view = app.view_functions.get(endpoint)
    if guards := guards_before(app, endpoint, method):
        return "; ".join(map(str, guards))
    if is_left_open(app, endpoint):
        return "left open"
    if is_static(app, endpoint):
        return "static files"
    if is_ours(app, endpoint) or getattr(view, "__module__", "") == _TUTORIAL:
        return "own check"
    return _PAST if is_bypassed(view) else _UNGUARDED
