"""POST /login and GET /user/detail, to the letter of the tutorial that so many applications copied.

Both answer HTTP 200 and in Chinese, whatever happened, unless `HTTP_STATUS` or `LOCALE` was set by hand.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import msgspec
from flask import Blueprint, request

from ..accounts.phone import normalise
from ..accounts.recipients import parse_phone
from ..errors import (
    REGISTRY,
    CredentialsError,
    ErrorRow,
    InputError,
    SessionEndedError,
    StorageUnavailableError,
    TokenAmbiguousError,
    TokenExpiredError,
    TokenInvalidError,
    UserGoneError,
)
from ..web.credential_reading import identify_request
from ..web.current import current_request_object
from ..web.described import Described, describe
from ..web.endpoints.body import read_bytes
from ..web.endpoints.row import Endpoint
from ..web.http_errors import TesseraHTTPError, http_errors
from ..web.logins import Way, password_way
from ..web.responses import Responses
from ..web.user_loading import load_user

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ..web.extension import Tessera
    from .users import User

_BAD_TOKEN: Final = (TokenInvalidError, TokenExpiredError, TokenAmbiguousError, SessionEndedError, UserGoneError)
_WRONG: Final = replace(REGISTRY["credentials_wrong"], zh="手机号或密码错误", en="Wrong phone number or password.")
_OBJECT: Final = msgspec.json.Decoder(dict[str, Any])


class _WrongPhoneOrPasswordError(CredentialsError):
    """Wrong credentials in the words of the tutorial, which knows no other account than a phone number."""

    @property
    def row(self) -> ErrorRow:
        return _WRONG


class PhoneAndPassword(msgspec.Struct, frozen=True):
    """Body of the login."""

    phone: str
    password: str


class UserResponse(msgspec.Struct, frozen=True):
    """What a person is shown of his own account."""

    phone: str
    name: str
    head_portrait: str
    intro: str
    level: int


def make_tutorial(tessera: Tessera[User], config: Mapping[str, Any]) -> Blueprint:
    """The blueprint with both routes; `config` tells what was set by hand."""
    blueprint = Blueprint("tutorial", __name__)
    responses = Responses(
        always_200=config.get("TESSERA_HTTP_STATUS", "always_200") == "always_200",
        locale=config.get("TESSERA_LOCALE", "zh"),
    )

    @blueprint.post("/login", endpoint="login")
    def login() -> Any:
        """A token for phone and password, good for one hour."""
        with http_errors(responses), _speaking_like_the_tutorial():
            way = _way_of(tessera, _read_credentials())
            with tessera.login_attempt(way.accounts) as attempt:
                token = attempt.create_token(way.prove().user)
            return responses.success(token)

    @blueprint.get("/user/detail", endpoint="detail")
    def detail() -> Any:
        """Who the token speaks for."""
        with http_errors(responses), _speaking_like_the_tutorial():
            runtime = tessera.runtime
            identity = identify_request(runtime, current_request_object())
            user: User = load_user(runtime.hooks, identity.user_id, identity.user_stamp)
            return responses.success(user.to_dict())

    for view, row in ((login, _login_row(login)), (detail, _detail_row(detail))):
        describe(view, Described(row, tessera.realm, form=lambda _: responses))
    return blueprint


def _way_of(tessera: Tessera[User], credentials: dict[str, Any]) -> Way:
    """As the tutorial looks at it: in its order, and with its one spelling of a phone number."""
    phone, password = credentials.get("phone"), credentials.get("password")
    if phone is None or phone == "" or not isinstance(password, str) or not password:
        raise InputError("phone or password is missing", slug="credentials_missing")
    return password_way(tessera.runtime.accounts, parse_phone(normalise(phone)), password)


def _login_row(view: Callable[..., Any]) -> Endpoint:
    errors = ("body_missing", "credentials_missing", "phone_malformed", "credentials_wrong", "login_refused")
    further = ("second_factor_required", "session_limit_reached", "too_many_requests")
    return Endpoint("login", "POST", "/login", view, request=PhoneAndPassword, response=str, errors=(*errors, *further))


def _detail_row(view: Callable[..., Any]) -> Endpoint:
    errors = ("token_missing", "token_expired")
    return Endpoint("detail", "GET", "/user/detail", view, response=UserResponse, errors=errors)


@contextmanager
def _speaking_like_the_tutorial() -> Iterator[None]:
    """One answer for any bad token, one for any failing storage, and its own text for wrong credentials."""
    try:
        yield
    except CredentialsError as error:
        raise _WrongPhoneOrPasswordError(str(error)) from error
    except _BAD_TOKEN as error:
        raise TokenExpiredError(str(error)) from error
    except StorageUnavailableError as error:
        raise StorageUnavailableError(str(error), writing=False) from error
    except TesseraHTTPError as error:
        # Its answer is in the form of all other routes.
        raise error.cause from error


def _read_credentials() -> dict[str, Any]:
    # Another content type is no JSON object: a form on somebody else's page must not log anybody in.
    try:
        if not request.is_json:
            raise InputError(f"the body is {request.mimetype!r}", slug="body_missing")
        return _OBJECT.decode(read_bytes())
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError) as error:
        raise InputError("the body is no JSON object", slug="body_missing") from error
