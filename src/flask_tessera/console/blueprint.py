"""The blueprint with the pages: rows, as the endpoints have them."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

from flask import Blueprint, redirect, url_for

from ..errors import ConfigError, TesseraError
from ..setting_checks import PREFIX
from ..web.current import current_app_object, current_request_object
from ..web.described import description_of
from . import (
    devices,
    failures,
    history,
    register,
    reset,
    second_factor,
    second_page,
    security,
    security_factors,
    sign_in,
    sign_in_otherwise,
    sign_out,
    step_up,
)
from .console import Console
from .own_paths import is_own_path, page_of_form
from .rendering import add_headers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flask import Flask, Response
    from flask.sansio.blueprints import BlueprintSetupState

    from ..web.extension import Tessera

Handler = "Callable[..., Response]"
_log = logging.getLogger("flask_tessera")
_NEEDED: Final = ("refresh", "csrf", "script")
"""Endpoints without which a session on the pages ends with its access token."""


def _home(_: Console) -> Any:
    return redirect(url_for(".devices"))


_ROWS: Final[tuple[tuple[str, str, str, Callable[..., Any]], ...]] = (
    ("home", "GET", "/", _home),
    ("devices", "GET", "/devices", devices.show),
    ("end_others", "POST", "/devices/end-others", devices.end_others),
    ("end_device", "POST", "/devices/<sid>/end", devices.end),
    ("sign_out", "POST", "/sign-out", sign_out.sign_out),
    ("history", "GET", "/history", history.show),
    ("step_up", "GET", "/step-up", step_up.show),
    ("stepped_up", "POST", "/step-up", step_up.take),
    ("security", "GET", "/security", security.show),
    ("security_password", "POST", "/security/password", security.change),
    ("security_totp", "POST", "/security/totp", security_factors.begin_totp),
    ("security_totp_confirm", "POST", "/security/totp/confirm", security_factors.confirm_totp),
    ("security_totp_remove", "POST", "/security/totp/remove", security_factors.remove_totp),
    ("security_codes", "POST", "/security/recovery-codes", security_factors.renew_codes),
    ("security_new_passkey", "POST", "/security/passkeys/new", security_factors.new_passkey),
    ("security_add_passkey", "POST", "/security/passkeys", security_factors.add_passkey),
    ("security_remove_passkey", "POST", "/security/passkeys/<passkey_id>/remove", security_factors.remove_passkey),
    ("security_trusted", "POST", "/security/trusted-devices/<device_id>/remove", security.revoke_trusted),
)
_SIGN_IN_ROWS: Final[tuple[tuple[str, str, str, Callable[..., Any]], ...]] = (
    ("sign_in", "GET", "/sign-in", sign_in.show),
    ("signed_in", "POST", "/sign-in", sign_in.sign_in),
    ("sign_in_code", "GET", "/sign-in/code", sign_in_otherwise.show_code),
    ("signed_in_by_code", "POST", "/sign-in/code", sign_in_otherwise.by_code),
    ("sign_in_link", "GET", "/sign-in/link", sign_in_otherwise.show_link),
    ("sign_in_link_sent", "POST", "/sign-in/link", sign_in_otherwise.by_link),
    ("passkey_options", "POST", "/sign-in/passkey-options", sign_in_otherwise.passkey_options),
    ("signed_in_by_passkey", "POST", "/sign-in/passkey", sign_in_otherwise.by_passkey),
    ("second_factor", "GET", "/second-factor", second_factor.show),
    ("second_factor_taken", "POST", "/second-factor", second_factor.take),
    ("register", "GET", "/register", register.show),
    ("registered", "POST", "/register", register.take),
    ("reset", "GET", "/reset", reset.show),
    ("was_reset", "POST", "/reset", reset.take),
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
    blueprint.before_request(partial(_tell_what_is_missing, tessera.realm, WeakSet()))
    blueprint.record(lambda state: _offer_pages(console, state))
    blueprint.after_request(add_headers)
    rows = (*_ROWS, *(() if sign_in_path else _SIGN_IN_ROWS))
    pages = {rule for _, method, rule, _ in rows if method == "GET"}
    for endpoint, method, rule, handler in rows:
        view = _view_of(console, handler)
        if rule in pages:
            blueprint.add_url_rule(rule, endpoint, view, methods=[method])
        else:
            blueprint.add_url_rule(rule, endpoint, _or_its_page(view), methods=["GET", method])
    return blueprint


def _view_of(console: Console, handler: Callable[..., Any]) -> Callable[..., Any]:
    def view(**arguments: Any) -> Any:
        try:
            return handler(console, **arguments)
        except TesseraError as error:
            return failures.answer(console, error)

    return view


def _or_its_page(view: Callable[..., Any]) -> Callable[..., Any]:
    """Where a form is sent to, and nothing is to see: who asks for that address, as by Enter in it, sees the form."""

    def answer(**arguments: Any) -> Any:
        is_sent = current_request_object().method == "POST"
        return view(**arguments) if is_sent else redirect(page_of_form(), code=303)

    return answer


def _refuse_without_cookies(state: BlueprintSetupState) -> None:
    if not state.app.config.get(f"{PREFIX}COOKIES"):
        raise ConfigError(f"the pages of console() need {PREFIX}COOKIES = True, set before they are registered")


def _tell_what_is_missing(realm: str, looked_at: WeakSet[Flask]) -> None:
    """Log, once an application: its endpoints may be registered after the pages, so it is too early before."""
    app = current_app_object()
    if app in looked_at:
        return
    looked_at.add(app)
    found = [each for each in map(description_of, app.view_functions.values()) if each and each.realm == realm]
    missing = [name for name in _NEEDED if name not in {each.row.name for each in found}]
    if missing:
        _log.warning(
            "the pages of console() cannot renew a session: blueprint() has no %s. Without names it has its defaults;"
            " what is wanted besides goes into another one, as blueprint('api-keys', name='more')",
            ", ".join(missing),
        )


def _offer_pages(console: Console, state: BlueprintSetupState) -> None:
    """The page of a link is none of ours: it looks like them, leads to them, and maybe to the second step too."""
    name = f"{state.name_prefix}.{state.name}".lstrip(".")

    def ask(next_step: Mapping[str, Any]) -> Response:
        page = second_page.ask(console, next_step, {"remember": "1"}, url_for=partial(_url_for, name))
        return add_headers(page)

    def site() -> Mapping[str, str]:
        return {
            "home_url": _url_for(name, ".home"),
            "style_url": _url_for(name, ".static", filename="console.css"),
        }

    states = state.app.extensions.get("tessera")
    if states is None:
        return
    states.sites[console.tessera.realm] = site
    if not console.sign_in_path:
        states.second_step_pages[console.tessera.realm] = ask


def _url_for(name: str, endpoint: str, **arguments: Any) -> str:
    return url_for(f"{name}{endpoint}", **arguments)
