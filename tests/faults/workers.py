"""What the processes of a `Crew` do: found by name, since they are spawned."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time

import flask

from flask_tessera import Tessera
from flask_tessera.errors import StorageUnavailableError, TesseraError
from flask_tessera.sessions.limits import Limits
from flask_tessera.storage.from_url import open_storage
from flask_tessera.testing import race
from flask_tessera.testing.contract.base import IDLE, LEEWAY, T0, new_session

THREADS = 16
LOADERS = 3
"""Threads of a load, each with a session of its own."""


def refresher(url):
    """Present one token in many threads: (outcome, generation) of each, or the name of its error."""
    return refresher_of(open_storage(url))


def refresher_of(storage):
    """The same on a storage that is open."""

    def present(order):
        sid, presented = order

        def once(_number):
            try:
                result = storage.sessions.rotate(sid, presented, at=T0, leeway=LEEWAY, idle=IDLE)
            except StorageUnavailableError as error:
                return type(error).__name__, presented
            return result.outcome, result.session.gen

        return race(THREADS, once)

    return present


def log_in_many(url):
    """Begin so many sessions of one user at once, `order` of them."""
    storage, limits = open_storage(url), Limits(5, 0, "evict")
    return lambda order: len(
        race(order, lambda _number: storage.sessions.add(new_session(), limits=limits, at=T0).session.sid)
    )


def contract_steps(url):
    """Carry out `(port, method, arguments, options)` on a storage."""
    storage = open_storage(url)

    def step(order):
        port, method, arguments, options = order
        owner = getattr(storage, port) if port else storage
        return getattr(owner, method)(*arguments, **options)

    return step


def raw_sqlite(path):
    """Execute statements on a connection of one's own: another program that uses the file."""
    connection = sqlite3.connect(path, timeout=0, isolation_level=None)
    return lambda statement: connection.execute(statement).fetchall()


def make_application(url, secret):
    """The smallest application with everything that the faults need."""
    app = flask.Flask("faults")
    app.config.update(SECRET_KEY=secret, TESSERA_STORE_URL=url, TESSERA_MAX_SESSIONS=0, TESSERA_LOCALE="en")
    tessera = Tessera(app)

    @app.post("/login")
    def log_in():
        return tessera.login(flask.request.get_json()["user"]).to_response()

    @app.get("/me")
    @tessera.login_required
    def me():
        return {"user": str(tessera.current_user)}

    app.register_blueprint(tessera.blueprint("refresh", "logout"))
    return app, tessera


def application(url, secret):
    """Answer requests `(method, path, token, json)` with status and body."""
    app, _ = make_application(url, secret)
    client = app.test_client()

    def answer(order):
        method, path, token, body = order
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        response = client.open(path, method=method, headers=headers, json=body)
        return response.status_code, response.get_json()

    return answer


def loader(url, secret, acknowledged):
    """A server under refresh load, which tells what it has answered before it goes on.

    A line is written whole or not at all, so that a kill cannot tear it.
    """
    app, tessera = make_application(url, secret)
    orders = {"start": _start, "recover": _recover, "settle": _settle, "verify": _verify}

    def carry_out(order):
        name, *arguments = order
        with app.app_context():
            return orders[name](app, tessera, acknowledged.fileno(), *arguments)

    return carry_out


def _start(app, tessera, descriptor):
    for number in range(LOADERS):
        threading.Thread(target=_load, args=(app, tessera, descriptor, number), daemon=True).start()
    return os.getpid()


def _load(app, tessera, descriptor, number):
    with app.app_context():
        while True:
            _live_once(app, tessera, descriptor, f"{os.getpid()}-{number}")


def _live_once(app, tessera, descriptor, user):
    """One session's life: log in, refresh by two tabs at once, log out; each step is told."""

    def tell(what, *details):
        os.write(descriptor, (json.dumps([os.getpid(), what, *details]) + "\n").encode())

    def refresh(token):
        with app.app_context():
            return tessera.refresh(token)

    try:
        pair = tessera.login(user)
        name = pair.session_id
        tell("login", name, pair.access_token, pair.refresh_token)
        for _ in range(4):
            spent = pair.refresh_token
            pairs = race(2, lambda _number, spent=spent: refresh(spent))
            for each in pairs:
                tell("refresh", name, spent, each.refresh_token)
            pair = pairs[0]
        tell("ending", name)
        tessera.kick(name)
        tell("ended", name)
    except StorageUnavailableError:
        tell("unavailable", "")
    except Exception as error:  # noqa: BLE001 - whatever it is, it is outside the contract
        tell("error", f"{type(error).__name__}: {error}")


def _recover(_app, tessera, _descriptor, began):
    """Seconds since `began` (CLOCK_MONOTONIC, the same in all processes) until a login and a request have worked."""
    tessera.verify(tessera.login("recovered").access_token)
    return time.monotonic() - began


def _settle(app, tessera, _descriptor, token):
    """What a token buys, presented twice at once: the successors, or why there are none."""

    def refresh(_number):
        with app.app_context():
            try:
                return tessera.refresh(token).refresh_token
            except TesseraError as error:
                return f"{type(error).__name__}: {error}"

    return race(2, refresh)


def _verify(_app, tessera, _descriptor, token):
    """Whether an access token is accepted."""
    try:
        tessera.verify(token)
    except TesseraError as error:
        return type(error).__name__
    return "accepted"
