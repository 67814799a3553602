"""The blueprint with the pages: rows, as the endpoints have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flask import Blueprint, redirect, url_for

from ..config import PREFIX
from ..errors import ConfigError, TesseraError
from . import devices, failures, sign_in, sign_out
from .console import Console
from .own_paths import is_own_path
from .rendering import add_headers

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask.sansio.blueprints import BlueprintSetupState

    from ..web.extension import Tessera

Handler = "Callable[..., Response]"


def _home(_: Console) -> Any:
    return redirect(url_for(".devices"))


_ROWS: Final[tuple[tuple[str, str, str, Callable[..., Any]], ...]] = (
    ("home", "GET", "/", _home),
    ("devices", "GET", "/devices", devices.show),
    ("end_others", "POST", "/devices/end-others", devices.end_others),
    ("end_device", "POST", "/devices/<sid>/end", devices.end),
    ("sign_out", "POST", "/sign-out", sign_out.sign_out),
)
_SIGN_IN_ROWS: Final[tuple[tuple[str, str, str, Callable[..., Any]], ...]] = (
    ("sign_in", "GET", "/sign-in", sign_in.show),
    ("signed_in", "POST", "/sign-in", sign_in.sign_in),
)


def make_console(
    tessera: Tessera[Any], *, account: tuple[str, ...], sign_in_path: str, name: str, url_prefix: str
) -> Blueprint:
    """A blueprint with the pages of one realm; arguments as of `Tessera.console`.

    Raises:
        ConfigError: `sign_in_path` is no path of this origin, or `name` holds a dot.
    """
    if sign_in_path and not is_own_path(sign_in_path):
        raise ConfigError(f"console(sign_in=…) takes a path of this site, as /signin, not {sign_in_path!r}")
    if not name or "." in name:
        raise ConfigError(f"the name of a blueprint must be a text without dots, not {name!r}: give console(name=…)")
    console = Console(tessera, account, sign_in_path)
    blueprint = Blueprint(name, __package__, url_prefix=url_prefix, template_folder="templates", static_folder="static")
    blueprint.record(_refuse_without_cookies)
    blueprint.after_request(add_headers)
    for endpoint, method, rule, handler in (*_ROWS, *(() if sign_in_path else _SIGN_IN_ROWS)):
        blueprint.add_url_rule(rule, endpoint, _view_of(console, handler), methods=[method])
    return blueprint


def _view_of(console: Console, handler: Callable[..., Any]) -> Callable[..., Any]:
    def view(**arguments: Any) -> Any:
        try:
            return handler(console, **arguments)
        except TesseraError as error:
            return failures.answer(console, error)

    return view


def _refuse_without_cookies(state: BlueprintSetupState) -> None:
    if not state.app.config.get(f"{PREFIX}COOKIES"):
        raise ConfigError(f"the pages of console() need {PREFIX}COOKIES = True, set before they are registered")
