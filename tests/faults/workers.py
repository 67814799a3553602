"""What the processes of a `WorkerProcesses` do: found by name, since they are spawned."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from functools import cache

from flask_tessera.errors import AlreadyExistsError, StorageUnavailableError, TesseraError
from flask_tessera.sessions.limits import Limits
from flask_tessera.storage.from_url import open_storage
from flask_tessera.testing import race
from flask_tessera.testing.contract.base import IDLE, LEEWAY, T0, new_session

from .application import make_application

THREADS = 16
PAUSE = 0.05
"""Seconds that a client waits when the storage is away."""
LOADERS = 3
"""Threads of a load, each with a session of its own."""


def refresher():
    """Present one token of a storage in many threads: (outcome, generation) of each, or the name of its error."""
    opened = cache(open_storage)

    def present(order):
        url, sid, presented = order
        return refresh_at_once(opened(url), sid, presented)

    return present


def refresh_at_once(storage, sid, presented):
    """The same on a storage that is open."""

    def once(_number):
        try:
            result = storage.sessions.rotate(sid, presented, at=T0, leeway=LEEWAY, idle=IDLE)
        except StorageUnavailableError as error:
            return type(error).__name__, presented
        return result.outcome, result.session.gen

    return race(THREADS, once)


def log_in_many(url):
    """Begin so many sessions of one user at once, `order` of them."""
    storage, limits = open_storage(url), Limits(5, 0, "evict")
    return lambda order: len(race(order, lambda _number: add_surely(storage, new_session(), limits)))


def add_surely(storage, session, limits):
    """Begin a session, again where a busy machine gave no answer in time; gives its sid."""
    while True:
        try:
            return storage.sessions.add(session, limits=limits, at=T0).session.sid
        except AlreadyExistsError:
            # The one before was stored without an answer.
            return session.sid
        except StorageUnavailableError:
            continue


def contract_steps(url):
    """Carry out `(port, method, arguments, options)` on a storage."""
    storage = open_storage(url)

    def step(order):
        port, method, arguments, options = order
        owner = getattr(storage, port) if port else storage
        return getattr(owner, method)(*arguments, **options)

    return step


def raw_sqlite(path):
    """Execute statements, also after some seconds, on a connection of one's own: another program with the file."""
    connection = sqlite3.connect(path, timeout=0, isolation_level=None)

    def carry_out(order):
        if isinstance(order, str):
            return connection.execute(order).fetchall()
        seconds, statement = order
        threading.Event().wait(seconds)
        return connection.execute(statement).fetchall()

    return carry_out


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

    name = ""
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
        tell("ended", name, tessera.revoke_session(name).effective_by)
    except StorageUnavailableError:
        tell("unavailable", name)
        threading.Event().wait(PAUSE)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is outside the contract
        tell("error", f"{type(error).__name__}: {error}")


def _recover(_app, tessera, _descriptor, began):
    """Seconds since `began` (CLOCK_MONOTONIC, the same in all processes) until a login and a request have worked."""
    give_up_at = began + 60
    while True:
        try:
            tessera.verify(tessera.login("recovered").access_token, strict=True)
        except StorageUnavailableError:
            if time.monotonic() > give_up_at:
                raise
        else:
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
    """By which check an access token is accepted, and at which Unix time it was asked."""
    accepted = {}
    for name in ("bounded", "strict"):
        asked_at = time.time()
        try:
            tessera.verify(token, strict=name == "strict")
        except TesseraError:
            continue
        accepted[name] = asked_at
    return accepted
