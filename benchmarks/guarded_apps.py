"""The same small application behind each kind of guard, and the requests that pass it."""

from __future__ import annotations

import functools
import hashlib
import json
import time
from typing import TYPE_CHECKING, Any

from flask import Flask, abort, g, request
from itsdangerous import Signer, URLSafeTimedSerializer
from itsdangerous.encoding import base64_decode, base64_encode
from werkzeug.test import EnvironBuilder

from flask_tessera import login_required

from . import peers
from .timing import Contestant
from .verifiers import floor
from .world import AUDIENCE, ISSUER, SECRET, TOKENS, USERS, open_world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from types import ModuleType

BARE = "bare Flask"
MEMORY = "ours, memory"
SEEN = "ours, memory, 200 tokens remembered"
SQLITE = "ours, SQLite"
SEEN_SQLITE = "ours, SQLite, 200 tokens remembered"
KEYS = "ours, memory, 200 API keys remembered"
KEYS_SQLITE = "ours, SQLite, 200 API keys remembered"
COOKIES = "ours, memory, 200 cookies remembered, POST with CSRF check"
NO_COOKIES = "ours, memory, 200 tokens remembered, the same POST with a header"
FLOOR = "floor, without revocation"
JWT_EXTENDED = "Flask-JWT-Extended"
JWT_EXTENDED_OLDER = "Flask-JWT-Extended on PyJWT 2.12.1"
HTTP_AUTH = "Flask-HTTPAuth + itsdangerous"
TUTORIAL = "the tutorial, without its user query"
LIFETIME = 3600
"""Seconds."""


def all_guards(folder: Path) -> list[Contestant]:
    """Everybody who is installed; SQLite's file is kept in `folder`."""
    found = [
        _contestant(BARE, app_with(new_app(), lambda view: view), "Authorization", ["Bearer none"]),
        _ours(MEMORY, "memory:"),
        _ours(SEEN, "memory:", most=USERS),
        _ours(SQLITE, f"sqlite:///{folder / 'bench.db'}"),
        _ours(SEEN_SQLITE, f"sqlite:///{folder / 'seen.db'}", most=USERS),
        _keys(KEYS, "memory:"),
        _keys(KEYS_SQLITE, f"sqlite:///{folder / 'keys.db'}"),
        *_of_browsers(),
        _floor(),
    ]
    if library := peers.module_of("flask_jwt_extended"):
        found.append(_jwt_extended(JWT_EXTENDED, library))
    if older := peers.on_older_pyjwt("flask_jwt_extended"):
        found.append(_jwt_extended(JWT_EXTENDED_OLDER, older))
    if peers.module_of("flask_httpauth"):
        found.append(_http_auth())
    return [*found, _tutorial()]


def app_with(app: Flask, guard: Callable[[Any], Any]) -> Flask:
    """Add the view that all have, behind a guard."""

    @app.route("/orders/<int:number>", methods=["GET", "POST"])
    @guard
    def order(number: int) -> dict[str, Any]:
        return {"number": number, "state": "paid", "items": ["tea", "cup"]}

    return app


def new_app() -> Flask:
    """As real ones are: with a secret, for which Flask looks after its own session at every request."""
    app = Flask("bench")
    app.config["SECRET_KEY"] = SECRET
    return app


def _ours(name: str, storage: str, most: int = TOKENS) -> Contestant:
    """Our guard, presented with `most` different tokens in rotation."""
    world = open_world(storage)
    app = app_with(world.app, login_required)
    return _contestant(name, app, "Authorization", [f"Bearer {token}" for token in world.tokens[:most]])


def _keys(name: str, storage: str) -> Contestant:
    """Our guard, presented with an API key of each user in rotation."""
    world = open_world(storage)
    app = app_with(world.app, login_required)
    with app.app_context():
        keys = [world.tessera.api_keys.create(f"user-{number}", name="bench").key for number in range(USERS)]
    return _contestant(name, app, "Authorization", [f"Bearer {key}" for key in keys])


def _of_browsers() -> list[Contestant]:
    """Our guard, presented with what a browser sends with a change: cookies, the CSRF token, its origin.

    And the same with the token in a header, and as many bytes of cookies of others: Flask reads all of them itself.
    """
    world = open_world(COOKIES=True)
    cookies = world.runtime.cookies
    assert cookies is not None
    browser = {"REQUEST_METHOD": "POST", "HTTP_ORIGIN": "http://localhost", "HTTP_SEC_FETCH_SITE": "same-origin"}
    with_cookies, with_header = [], []
    for token in world.tokens[:USERS]:
        csrf = cookies.csrf_token_of(world.runtime.access_reader.session_of(token, at=int(time.time())))
        held = f"theme=dark; {cookies.access}={token}; {cookies.csrf}={csrf}"
        others = f"theme=dark; {'x' * len(cookies.access)}={token}; {'y' * len(cookies.csrf)}={csrf}"
        with_cookies.append({**browser, "HTTP_COOKIE": held, "HTTP_X_CSRF_TOKEN": csrf})
        with_header.append({**browser, "HTTP_COOKIE": others, "HTTP_AUTHORIZATION": f"Bearer {token}"})
    app = app_with(world.app, login_required)
    return [_sender(COOKIES, app, with_cookies), _sender(NO_COOKIES, app, with_header)]


def _floor() -> Contestant:
    """The bare verification of P1, without revocation, an identity or anything else."""
    world = open_world(ISSUER=ISSUER, AUDIENCE=AUDIENCE)
    verify = floor(world.ring().active, world.tokens).call

    def guard(view: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(view)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            verify(request.environ["HTTP_AUTHORIZATION"].removeprefix("Bearer "))
            return view(*args, **kwargs)

        return wrapper

    app = app_with(new_app(), guard)
    return _contestant(FLOOR, app, "Authorization", [f"Bearer {token}" for token in world.tokens])


def _jwt_extended(name: str, library: ModuleType) -> Contestant:
    """Stateless, as it comes."""
    app = new_app()
    app.config["JWT_ACCESS_TOKEN_EXPIRES"] = LIFETIME
    library.JWTManager(app)
    app_with(app, library.jwt_required())
    with app.app_context():
        tokens = [library.create_access_token(identity=f"user-{number}") for number in range(TOKENS)]
    return _contestant(name, app, "Authorization", [f"Bearer {token}" for token in tokens])


def _http_auth() -> Contestant:
    from flask_httpauth import HTTPTokenAuth

    serializer, auth = URLSafeTimedSerializer(SECRET), HTTPTokenAuth(scheme="Bearer")
    auth.verify_token(lambda token: serializer.loads(token, max_age=LIFETIME)["id"])
    app = app_with(new_app(), auth.login_required)
    tokens = [str(serializer.dumps({"id": f"user-{number}"})) for number in range(TOKENS)]
    return _contestant(HTTP_AUTH, app, "Authorization", [f"Bearer {token}" for token in tokens])


def _tutorial() -> Contestant:
    app = app_with(new_app(), _tutorial_guard)
    return _contestant(TUTORIAL, app, "z-token", [_tutorial_token({"id": number}) for number in range(TOKENS)])


def _tutorial_guard(view: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(view)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        token = request.headers.get("z-token")
        if not token:
            abort(401)
        g.user_id = _tutorial_payload(token)["id"]
        return view(*args, **kwargs)

    return wrapper


def _tutorial_signer() -> Signer:
    return Signer(SECRET, sep=".", key_derivation="none", digest_method=hashlib.sha512)


def _tutorial_token(payload: dict[str, Any]) -> str:
    """As TimedJSONWebSignatureSerializer of itsdangerous 1.1 wrote it."""
    now = int(time.time())
    header = {"alg": "HS512", "iat": now, "exp": now + LIFETIME}
    parts = [base64_encode(json.dumps(part, separators=(",", ":"))) for part in (header, payload)]
    return _tutorial_signer().sign(b".".join(parts)).decode()


def _tutorial_payload(token: str) -> dict[str, Any]:
    """As it read it, with the signer and the encoding of today's itsdangerous."""
    header_text, _, payload_text = _tutorial_signer().unsign(token).partition(b".")
    header, payload = json.loads(base64_decode(header_text)), json.loads(base64_decode(payload_text))
    if header.get("alg") != "HS512" or not time.time() < header["exp"]:
        raise ValueError
    found: dict[str, Any] = payload
    return found


def _contestant(name: str, app: Flask, header: str, values: list[str]) -> Contestant:
    key = f"HTTP_{header.upper().replace('-', '_')}"
    return _sender(name, app, [{key: value} for value in values])


def _sender(name: str, app: Flask, values: list[dict[str, str]]) -> Contestant:
    """Whoever sends requests that differ in these members of their environ."""
    environ, wsgi_app = _environ(), app.wsgi_app

    def send(value: dict[str, str]) -> None:
        # A request leaves things in its environ, and the next one must not find them.
        for _ in _closing(wsgi_app({**environ, **value}, _accept_only_200)):
            pass

    return Contestant(name, send, values)


def _environ() -> dict[str, Any]:
    headers = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64)", "Accept": "application/json"}
    return EnvironBuilder("/orders/7", headers=headers).get_environ()


def _closing(body: Iterable[bytes]) -> Iterable[bytes]:
    yield from body
    if close := getattr(body, "close", None):
        close()


def _accept_only_200(status: str, _headers: list[tuple[str, str]], _error: Any = None) -> Callable[[bytes], object]:
    if not status.startswith("200"):
        raise ValueError(f"a request of the benchmark was answered {status}")
    return len
