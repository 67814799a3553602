"""Who is calling: the one place that answers it.

A request is taken through these steps, each of which may refuse it:

1. The **transports** find the credential and say where it was: the text that a header or a cookie carries
   (`transports/`, a table of files). Where a guard reads tickets, one in the query takes the place of steps 1 and 2
   (`ticket_reading.py`).
2. The first **credential reader** that recognises the text reads it: access token, legacy token (`readers/`, a table of
   files). A reader checks everything about the credential itself: signature (or the cache of those that were verified
   before), times, and whether its session was revoked. It gives an `Identity`. Both steps: `credential_reading.py`.
3. The result is kept on the request as a `RequestAuth`, one for each realm. The user is loaded when somebody asks for
   it, at most once.
4. The guard's **requirements** (scope, role, permission, fresh login) are checked.

A view without a guard may ask too: then steps 1 to 3 happen when `current_user` or `current_identity` is first looked
at, and whatever is wrong with the credential means nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from flask import after_this_request, has_request_context

from ..errors import (
    CsrfError,
    OutsideRequestError,
    ScopeMissingError,
    SessionEndedError,
    StepUpRequiredError,
    StorageUnavailableError,
    TesseraError,
    ThrottledError,
    TokenAmbiguousError,
    TokenExpiredError,
    TokenInvalidError,
    TokenMissingError,
    UserGoneError,
)
from .app_state import runtime_of, states_of
from .credential_reading import identify_request, refuse_transport
from .current import current_app_object, current_request_object, is_async
from .grants import names_granted
from .http_errors import raise_as_http
from .requirements import Requirements
from .ticket_reading import identify_by_ticket
from .user_loading import load_user, refuse_gone

if TYPE_CHECKING:
    from flask import Request

    from .app_state import Runtime
    from .identity import Identity

# Not on `g`, which belongs to the application context: that one may outlive a request (in tests, in commands).
_KEY: Final = "_tessera_auth"
_OPENED_BY: Final = "flask_tessera.opened_by"
"""In the environ, where no client can put anything."""
_LENIENT: Final = Requirements(optional="invalid")
_NOT_GOOD: Final = (TokenInvalidError, TokenExpiredError, SessionEndedError, ThrottledError, CsrfError, UserGoneError)


class RequestAuth(msgspec.Struct):
    """Who sent a request; `identity` is None for nobody.

    `is_lenient` tells that a bad token, and so the token of a user who is gone, counts as nobody. `user` was loaded if
    `has_user`.
    """

    runtime: Any
    identity: Any
    is_lenient: bool = False
    user: Any = None
    has_user: bool = False
    gone: UserGoneError | None = None
    by_guard: bool = False

    def load_user(self) -> Any:
        """The user, loaded once; None for nobody.

        Raises:
            UserGoneError: there is no such user any more.
        """
        if self.gone is not None:
            raise self.gone
        if not self.has_user:
            identity = self.identity
            try:
                hooks = self.runtime.hooks
                user = None if identity is None else load_user(hooks, identity.user_id, identity.user_stamp)
            except UserGoneError as error:
                if not self.is_lenient:
                    # Remembered: an error handler may ask again.
                    self.gone = error
                    raise
                self.identity = user = None
            self.user, self.has_user = user, True
        return self.user

    async def load_user_async(self) -> None:
        """Await a loader that is a coroutine function ahead of an async view; errors as of `load_user`."""
        load = self.runtime.hooks.user_loader
        if self.has_user or self.identity is None or not is_async(load):
            self.load_user()
            return
        try:
            self.user = refuse_gone(self.runtime.hooks, await load(self.identity.user_id), self.identity.user_stamp)
        except UserGoneError:
            if not self.is_lenient:
                raise
            self.identity = None
        self.has_user = True


def authenticate(realm: str, wanted: Requirements) -> RequestAuth:
    """Let the present request in, or raise the error that answers it.

    Raises:
        TesseraHTTPError: the request is not let in.
        ConfigError: the application has no Tessera of this realm, or a setting is wrong.
    """
    try:
        runtime: Runtime = current_app_object().extensions["tessera"].ready[realm]
    except KeyError:
        runtime = runtime_of(realm)
    try:
        auth = look(runtime, current_request_object(), wanted)
        if runtime.hooks.loads_before_view or wanted.ticket:
            auth.load_user()
        if wanted.needs_checks:
            _check(auth, wanted)
    except TesseraError as error:
        raise_as_http(error)
    return auth


def authenticate_as(runtime: Runtime, identity: Identity[Any], wanted: Requirements) -> RequestAuth:
    """Steps 3 and 4 of the present request, for a credential that was read elsewhere; it counts as one of a header.

    Raises:
        TesseraError: its user is gone, or more is asked for.
    """
    if identity.credential != "ticket":
        refuse_transport(identity, "header", wanted.transports)
    auth = RequestAuth(runtime, identity, by_guard=True)
    auth.load_user()
    _check(auth, wanted)
    current_request_object().__dict__.setdefault(_KEY, {})[runtime.realm] = auth
    return auth


async def authenticate_async(realm: str, wanted: Requirements) -> RequestAuth:
    """`authenticate` ahead of an async view: an async user loader is awaited in the view's own event loop."""
    runtime = runtime_of(realm)
    try:
        auth = look(runtime, current_request_object(), wanted)
        if runtime.hooks.loads_before_view or wanted.ticket:
            await auth.load_user_async()
        if wanted.needs_checks:
            _check(auth, wanted)
    except TesseraError as error:
        raise_as_http(error)
    return auth


def look(
    runtime: Runtime,
    request: Request,
    wanted: Requirements,
    *,
    by_guard: bool = True,
    csrf_token: str | None = None,
) -> RequestAuth:
    """Steps 1 to 3, without the user; the answer is private from now on.

    Args:
        runtime: of the realm.
        request: the present one.
        wanted: what is asked for.
        by_guard: whether a guard looks, after which `current_user` means this user.
        csrf_token: as of `identify_request`.

    Raises:
        TesseraError: as of `identify_request`.
    """
    known: dict[str, RequestAuth] | None = request.__dict__.get(_KEY)
    if known is None:
        known = request.__dict__[_KEY] = {}
        after_this_request(runtime.cache_policy.apply)
    identity: Identity[Any] | None = None
    try:
        if wanted.ticket:
            identity = _look_for_ticket(runtime, request, wanted)
        else:
            identity = identify_request(
                runtime, request, strict=wanted.strict, transports=wanted.transports, csrf_token=csrf_token
            )
    except TokenMissingError:
        if wanted.optional == "no":
            raise
    except _NOT_GOOD:
        if wanted.optional != "invalid":
            raise
    auth = RequestAuth(runtime, identity, wanted.optional == "invalid", by_guard=by_guard)
    if known and (before := known.pop(runtime.realm, None)) is not None and before.identity == identity:
        auth.user, auth.has_user = before.user, before.has_user
    # The last guard is the last in the dictionary: `current_user` without a realm means its user.
    known[runtime.realm] = auth
    return auth


def _look_for_ticket(runtime: Runtime, request: Request, wanted: Requirements) -> Identity[Any]:
    """Steps 1 and 2 on a route that reads tickets."""
    states_of(current_app_object()).ticket_routes.add(request.endpoint)
    identity = identify_by_ticket(runtime, request, wanted.ticket)
    if identity is not None:
        return identity
    return identify_request(runtime, request, strict=wanted.strict, transports=wanted.transports)


def auth_of(realm: str | None) -> RequestAuth:
    """What is known of the present request: of a realm, or with None of the last guard of any.

    Where no guard has looked at the request it is looked at now, as `optional="invalid"` does. A storage that does not
    answer means nobody too: the failure is in the log, and hooks that run for every answer must not fail.

    Raises:
        OutsideRequestError: no request is handled here.
        ConfigError: the application has no Tessera of this realm.
    """
    if not has_request_context():
        raise OutsideRequestError
    request = current_request_object()
    known: dict[str, RequestAuth] = request.__dict__.get(_KEY) or _known_of_connection(request)
    if realm is not None:
        return known.get(realm) or _look_unguarded([realm], request)
    guarded = [each for each in known.values() if each.by_guard]
    return guarded[-1] if guarded else _look_unguarded(list(states_of(current_app_object()).hooks), request)


def keep_for_connection(request: Request, identity: Identity[Any]) -> None:
    """Let later events of a connection, which are requests with the same environ, speak for whoever has opened it."""
    request.environ.setdefault(_OPENED_BY, {})[_channel_of(request)] = identity


def _known_of_connection(request: Request) -> dict[str, RequestAuth]:
    opened_by: dict[Any, Identity[Any]] = request.environ.get(_OPENED_BY, {})
    identity = opened_by.get(_channel_of(request))
    if identity is None:
        return {}
    known = request.__dict__[_KEY] = {identity.realm: RequestAuth(runtime_of(identity.realm), identity, by_guard=True)}
    return known


def _channel_of(request: Request) -> Any:
    """Flask-SocketIO: several namespaces, each let in by itself, share a connection."""
    return getattr(request, "namespace", None)


def _look_unguarded(realms: list[str], request: Request) -> RequestAuth:
    """The first of these realms in which the request speaks for somebody; each is looked at once."""
    auth: RequestAuth | None = None
    for each in realms:
        known: dict[str, RequestAuth] = request.__dict__.get(_KEY) or {}
        auth = known.get(each)
        if auth is not None and auth.identity is not None:
            return auth
        if auth is not None:
            continue
        runtime = runtime_of(each)
        try:
            auth = look(runtime, request, _LENIENT, by_guard=False)
        except StorageUnavailableError as error:
            runtime.shared.outages.record(error)
            auth = request.__dict__[_KEY][each] = RequestAuth(runtime, None, is_lenient=True)
        except TokenAmbiguousError:
            auth = request.__dict__[_KEY][each] = RequestAuth(runtime, None, is_lenient=True)
        if auth.identity is not None:
            return auth
    if auth is None:
        runtime_of("")
        raise TokenMissingError
    return auth


def refuse_another_user(runtime: Runtime, user_id: Any, user_stamp: str) -> None:
    """Before something is done for a bare user id: refuse a session of an earlier owner of it.

    Raises:
        UserGoneError: the user of this id is gone, or another one.
    """
    if user_stamp and runtime.hooks.user_stamp is not None:
        load_user(runtime.hooks, user_id, user_stamp)


def _check(auth: RequestAuth, wanted: Requirements) -> None:
    """Step 4. Nobody was let in only where nothing more was asked for."""
    identity = auth.identity
    if identity is None:
        return
    if not wanted.scopes <= identity.scopes:
        raise ScopeMissingError(f"the token lacks {' '.join(sorted(wanted.scopes - identity.scopes))}")
    if wanted.fresh and auth.runtime.clock() - identity.authenticated_at > wanted.fresh:
        raise StepUpRequiredError("the login is too old")
    if wanted.roles and not wanted.roles & names_granted(auth.load_user(), "role", "roles"):
        raise ScopeMissingError(f"the user has none of the roles {' '.join(sorted(wanted.roles))}")
    if wanted.permissions and not wanted.permissions <= names_granted(auth.load_user(), "permission", "permissions"):
        raise ScopeMissingError(f"the user lacks one of the permissions {' '.join(sorted(wanted.permissions))}")
