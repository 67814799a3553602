"""Sockets and streams of other libraries, with real clients: let in, and closed when their session is over (Q05)."""

from __future__ import annotations

import http.client
import socket
import sys
import threading
from contextlib import contextmanager

import pytest
import simple_websocket
import socketio as socketio_client
import websocket
from flask import Flask, signals
from flask_sock import Sock
from flask_socketio import SocketIO, emit

from flask_tessera import Tessera, current_identity, current_user, login_required
from flask_tessera.contrib.sock import _close, socket_login_required
from flask_tessera.contrib.socketio import SocketLogin
from flask_tessera.contrib.sse import EventStream
from flask_tessera.testing import Clock
from flask_tessera.web import events
from tests.cli.stores import store_url
from tests.servers import wait_until
from tests.servers.serving import serving
from tests.web.conftest import SECRET

PLACES = ("sqlite", "postgres", "redis8")


class Site:
    """An application with sockets of each kind, served, and a second one on the same storage that ends sessions."""

    def __init__(self, url, clock=None, **config):
        self.app, self.tessera = self.make(url, clock, **config)
        self.other_app, self.other = self.make(url, clock, **config)
        self.streams = []
        self.socketio = SocketIO(self.app, async_mode="threading")
        self.address = ""
        self._add_socketio()
        self._add_sock()
        self._add_sse()

    @staticmethod
    def make(url, clock, **config):
        app = Flask("sockets")
        app.config.update(SECRET_KEY=SECRET, TESSERA_STORE_URL=url, TESSERA_COOKIES=True, **config)
        tessera = Tessera(app, clock=clock, user_id_type=int)
        tessera.user_loader(lambda user_id: user_id if user_id < 100 else None)
        return app, tessera

    def _add_socketio(self):
        sockets = SocketLogin(self.socketio, self.tessera, ticket="chat")

        @self.socketio.on("connect")
        @sockets.required
        def connect(auth):
            emit("welcome", {"user": current_user._get_current_object()})

        @self.socketio.on("who")
        def who():
            return [str(current_user), current_identity.session_id]

        @self.socketio.on("connect", namespace="/admin")
        @SocketLogin(self.socketio, self.tessera, scope="admin").required
        def connect_admin():
            pass

        @self.socketio.on("who", namespace="/admin")
        def who_admin():
            return [str(current_user), current_identity.session_id]

        @self.socketio.on("connect", namespace="/open")
        def connect_open():
            pass

        @self.socketio.on("who", namespace="/open")
        def who_open():
            return bool(current_user)

    def _add_sock(self):
        sock = Sock(self.app)

        @sock.route("/ws")
        @socket_login_required(self.tessera, ticket="chat")
        def ws(ws):
            while True:
                ws.send(f"{current_user} {ws.receive()}")

    def _add_sse(self):
        @self.app.get("/events")
        @login_required(ticket="chat")
        def events():
            stream = EventStream(self.tessera)
            self.streams.append(stream)
            stream.send(f"hello\n{current_user}", event="welcome", id="1")
            return stream.to_response()

    def login(self, user=7, **how):
        with self.app.app_context():
            return self.tessera.login(user, **how)

    def ticket(self, **how):
        with self.app.app_context():
            return self.tessera.issue_ticket("chat", **how)

    def end(self, what):
        """End something elsewhere, as another worker does."""
        with self.other_app.app_context():
            what(self.other)

    @property
    def connections(self):
        with self.app.app_context():
            return self.tessera.runtime.shared.connections


@contextmanager
def site_on(url, clock=None, **config):
    site = Site(url, clock, **config)
    with serving(site.app) as site.address:
        yield site
        for app, tessera in ((site.app, site.tessera), (site.other_app, site.other)):
            tessera.close(app)


@pytest.fixture(params=PLACES)
def place(request, tmp_path):
    with store_url(request.param, tmp_path) as url:
        yield url


@pytest.fixture
def site(tmp_path):
    folder = tmp_path / "storage"
    folder.mkdir()
    with site_on(f"sqlite:///{folder / 'tessera.db'}") as made:
        made.folder = folder
        yield made


# -- clients -----------------------------------------------------------------------------------------------------------


class Chat:
    """A client of Socket.IO."""

    kind = "socketio"

    def __init__(self, site, *, namespace="/", query="", headers=None, transports=("websocket",), **auth):
        self.client = socketio_client.Client(reconnection=False)
        self.namespace = namespace
        self.refused = None
        self.ended = []
        self.gone = threading.Event()
        self.client.on("connect_error", self._refuse, namespace=namespace)
        self.client.on("session_ended", self.ended.append, namespace=namespace)
        self.client.on("disconnect", lambda *_: self.gone.set(), namespace=namespace)
        try:
            self.client.connect(
                f"http://{site.address}{query}",
                auth=auth,
                headers=headers or {},
                namespaces=[namespace],
                transports=transports,
                wait_timeout=60,
            )
        except socketio_client.exceptions.ConnectionError:
            assert self.refused is not None

    def _refuse(self, data):
        self.refused = data["message"]

    def ask(self, event="who"):
        return self.client.call(event, namespace=self.namespace, timeout=60)

    def ending(self):
        assert self.gone.wait(60)
        # Its library hands over each message on a thread of its own.
        wait_until(lambda: self.ended, "the reason has come")
        return self.ended[0]["error"]

    def is_open(self):
        return not self.gone.is_set()

    def close(self):
        # Without the three seconds in which its library waits for an answer.
        self.client.eio.ws.close(timeout=0)


class WebSocket:
    """A client of Flask-Sock."""

    kind = "sock"

    def __init__(self, site, *, query="", headers=None, token=""):
        sent = {**(headers or {}), **({"z-token": token} if token else {})}
        self.client = simple_websocket.Client(f"ws://{site.address}/ws{query}", headers=sent)

    def ask(self):
        self.client.send("hi")
        return self.client.receive(60)

    def ending(self):
        closed = self.closing()
        assert closed.reason == 1008
        return closed.message

    def closing(self):
        with pytest.raises(simple_websocket.ConnectionClosed) as closed:
            while self.client.receive(60) is not None:
                continue
        return closed.value

    def is_open(self):
        return self.client.connected

    def close(self):
        self.client.close()


class Events:
    """A client of Server-Sent Events."""

    kind = "sse"

    def __init__(self, site, *, query="", headers=None, token=""):
        sent = {**(headers or {}), **({"z-token": token} if token else {})}
        self.connection = http.client.HTTPConnection(site.address, timeout=60)
        self.connection.request("GET", f"/events{query}", headers=sent)
        self.answer = self.connection.getresponse()

    def read(self):
        """The next event, without its comments."""
        lines = []
        while line := self.answer.readline().decode().rstrip("\n"):
            lines.append(line)
        return lines

    def ask(self):
        return self.read()

    def ending(self):
        event = [":"]
        while event == [":"]:
            event = self.read()
        assert self.answer.read() == b""
        return event[1].removeprefix("data: ") if event[0] == "event: session_ended" else event

    def close(self):
        self.answer.close()
        self.connection.close()


KINDS = {each.kind: each for each in (Chat, WebSocket, Events)}
HEARD = {
    "socketio": lambda session: ["7", session],
    "sock": lambda _: "7 hi",
    "sse": lambda _: ["event: welcome", "id: 1", "data: hello", "data: 7"],
}


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def connect(site, kind, pair):
    client = KINDS[kind](site, token=pair.access_token)
    assert client.ask() == HEARD[kind](pair.session_id)
    return client


# -- the end -----------------------------------------------------------------------------------------------------------

ENDINGS = {
    "logout": ("session_kick", lambda tessera, pair: tessera.revoke_session(pair.session_id)),
    "all": ("session_kick", lambda tessera, pair: tessera.revoke_user(7)),
    "suspension": ("session_suspension", lambda tessera, pair: tessera.suspend(7)),
    "gone": ("session_user_gone", lambda tessera, pair: tessera.revoke_user(7, "user_gone")),
}


@pytest.mark.repeats("kind")
@pytest.mark.parametrize("way", ENDINGS)
def test_Q05_a_socket_is_closed_with_the_reason_when_its_session_ends_elsewhere(site, kind, way):
    slug, end = ENDINGS[way]
    pair, stays = site.login(), site.login(8)
    client, other = connect(site, kind, pair), KINDS[kind](site, token=stays.access_token)
    site.end(lambda tessera: end(tessera, pair))
    assert client.ending() == slug
    wait_until(lambda: len(site.connections) == 1, "only the other one is open")
    other.close()


@pytest.mark.repeats("place", "kind")
def test_Q05_on_every_kind_of_storage(place, kind):
    with site_on(place) as site:
        pair = site.login()
        client = connect(site, kind, pair)
        site.end(lambda tessera: tessera.revoke_session(pair.session_id))
        assert client.ending() == "session_kick"


@pytest.mark.repeats("kind")
def test_Q05_ending_the_others_leaves_the_one_that_did_it(site, kind):
    here, there = site.login(), site.login()
    client, other = connect(site, kind, here), connect(site, kind, there)
    with site.other_app.test_request_context(headers={"z-token": here.access_token}):
        site.other.revoke_others()
    assert other.ending() == "session_logout"
    wait_until(lambda: len(site.connections) == 1, "only the one is open")
    site.end(lambda tessera: tessera.revoke_session(here.session_id))
    assert client.ending() == "session_kick"


@pytest.mark.repeats("kind")
def test_Q05_an_ending_that_is_told_twice_leaves_a_later_login_alone(site, kind):
    site.end(lambda tessera: tessera.revoke_user(7))
    pair = site.login()
    client = connect(site, kind, pair)
    with site.app.app_context():
        shared = site.tessera.runtime.shared
        entries = shared.storage.revocations.after(0, at=shared.clock()).entries
    asked = threading.Event()
    (connection,) = site.connections._all
    before = connection.check
    connection.check = lambda: (before(), asked.set())[0]
    site.connections.hear(entries)
    assert asked.wait(60)
    site.end(lambda tessera: tessera.revoke_session(pair.session_id))
    assert client.ending() == "session_kick"


@pytest.mark.repeats("kind")
def test_Q05_a_socket_is_closed_when_its_session_expires_and_not_when_that_was_refreshed(tmp_path, kind):
    clock = Clock()
    with site_on(f"sqlite:///{tmp_path / 'tessera.db'}", clock, TESSERA_SESSION_IDLE=1000) as site:
        pair, refreshed = site.login(), site.login()
        client, other = connect(site, kind, pair), connect(site, kind, refreshed)
        clock.advance(999)
        with site.other_app.app_context():
            site.other.refresh(refreshed.refresh_token)
        clock.advance(1)
        assert client.ending() == "session_expiry"
        clock.advance(999)
        assert other.ending() == "session_expiry"


@pytest.mark.repeats("kind")
def test_Q05_what_the_storage_cannot_tell_is_closed(site, kind):
    """The file of the storage is put aside, and something else in its place."""
    client = connect(site, kind, site.login())
    with site.app.app_context():
        storage = site.tessera.runtime.storage
    storage.close()
    aside = site.folder.rename(site.folder.with_name("aside"))
    try:
        assert client.ending() == "storage_read_failed"
    finally:
        storage.close()
        aside.rename(site.folder)


@pytest.mark.repeats("kind")
def test_the_thread_that_watches_lives_as_long_as_anything_is_open(site, kind):
    assert site.connections.thread is None
    first, second = connect(site, kind, site.login()), connect(site, kind, site.login())
    thread = site.connections.thread
    assert thread.is_alive()
    first.close()
    second.close()
    if kind == "sse":
        # Who writes learns that nobody reads.
        for stream in site.streams:
            wait_until(lambda stream=stream: not stream.send("x" * 65_536), "the server notices")
    wait_until(lambda: site.connections.thread is None, "the thread has ended")
    thread.join(60)
    assert len(site.connections) == 0


# -- who is let in -----------------------------------------------------------------------------------------------------


def refusal(site, kind, **how):
    """The slug with which a client is refused."""
    client = KINDS[kind](site, **how)
    if kind == "socketio":
        return client.refused
    if kind == "sse":
        assert client.answer.status == 401
        return client.answer.read().decode()
    # This client overlooks a close frame that has come in one piece with the answer to its handshake.
    while (closed := client.closing()).reason == simple_websocket.ws.CloseReason.NO_STATUS_RCVD:
        client = KINDS[kind](site, **how)
    assert closed.reason == 1008
    return closed.message


def test_a_bad_credential_is_refused_with_its_slug(site, kind):
    pair = site.login()
    site.end(lambda tessera: tessera.revoke_session(pair.session_id))
    cases = {"token_missing": {}, "token_invalid": {"token": "x"}, "session_kick": {"token": pair.access_token}}
    cases["ticket_invalid"] = {"query": "?ticket=x"}
    if kind == "socketio":
        # Its client waits three seconds after each.
        cases = {"session_kick": cases["session_kick"]}
    for slug, how in cases.items():
        assert slug in refusal(site, kind, **how)
    assert len(site.connections) == 0


@pytest.mark.repeats("kind")
def test_Q01_a_ticket_in_the_query_opens_one_socket_which_its_user_s_end_closes(site, kind):
    text = site.ticket(user=7)
    client = KINDS[kind](site, query=f"?ticket={text}")
    assert client.ask() == HEARD[kind]("")
    assert "ticket_invalid" in refusal(site, kind, query=f"?ticket={text}")
    site.end(lambda tessera: tessera.revoke_user(7))
    assert client.ending() == "session_kick"


@pytest.mark.repeats("kind")
def test_a_socket_by_an_api_key_is_closed_when_that_is_revoked(site, kind):
    with site.app.app_context():
        made = site.tessera.api_keys.create(7, name="till")
    client = KINDS[kind](site, token=made.key)
    assert client.ask() == HEARD[kind]("")
    site.end(lambda tessera: tessera.api_keys.revoke(7, made.id))
    assert client.ending() == "token_invalid"


def test_B04_a_cookie_opens_a_socket_for_pages_of_this_origin_only(site):
    pair = site.login()
    cookie, own = f"__Host-tessera={pair.access_token}", f"http://{site.address}"
    # Its client adds an `Origin` of its own to a WebSocket.
    client = Chat(site, headers={"Cookie": cookie, "Origin": own}, transports=("polling",))
    assert client.ask() == ["7", pair.session_id]
    # As a browser has it, the port stands in `Host`, too.
    browser = websocket.create_connection(f"ws://{site.address}/ws", cookie=cookie, origin=own, timeout=60)
    browser.send("hi")
    assert browser.recv() == "7 hi"
    for origin in ("https://evil.example", "null", f"https://{site.address}.evil.example"):
        foreign = websocket.create_connection(f"ws://{site.address}/ws", cookie=cookie, origin=origin, timeout=60)
        assert foreign.recv_frame().data == b"\x03\xf0csrf_failed"
        foreign.close(timeout=0)
    browser.close(timeout=0)


def test_B04_a_cookie_opens_no_socket_for_others_where_socketio_lets_every_origin_in(site):
    site.socketio.server.eio.cors_allowed_origins = "*"
    cookie = f"__Host-tessera={site.login().access_token}"
    headers = {"Cookie": cookie, "Origin": "https://evil.example"}
    assert refusal(site, "socketio", headers=headers, transports=("polling",)) == "csrf_failed"


# -- Socket.IO alone ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_ticket_may_come_as_auth_which_no_log_shows(site):
    text = site.ticket(user=7)
    client = Chat(site, ticket=text)
    assert client.ask() == ["7", ""]
    assert Chat(site, ticket=text).refused == "ticket_invalid"
    client.close()


def test_each_namespace_is_let_in_by_itself_and_speaks_for_whom_it_was_opened_by(site):
    user, admin = site.login(), site.login(8, scope="admin")
    assert Chat(site, namespace="/admin", token=user.access_token).refused == "scope_missing"
    client = socketio_client.Client(reconnection=False)
    client.connect(
        f"http://{site.address}",
        namespaces=["/", "/open"],
        transports=["websocket"],
        auth={"token": user.access_token},
    )
    assert client.call("who", namespace="/") == ["7", user.session_id]
    assert client.call("who", namespace="/open") is False
    theirs = Chat(site, namespace="/admin", token=admin.access_token)
    assert theirs.ask() == ["8", admin.session_id]
    client.eio.ws.close(timeout=0)
    theirs.close()


def test_Q05_long_polling_is_closed_too(site):
    pair = site.login()
    client = Chat(site, transports=("polling",), token=pair.access_token)
    assert client.ask() == ["7", pair.session_id]
    site.end(lambda tessera: tessera.revoke_session(pair.session_id))
    assert client.ending() == "session_kick"


def test_a_user_who_is_gone_does_not_connect(site):
    assert Chat(site, token=site.login(100).access_token).refused == "user_gone"


@pytest.mark.parametrize("auth", [{"token": 7}, {"token": None}, {"ticket": []}])
def test_what_is_no_text_is_no_credential(site, auth):
    assert Chat(site, **auth).refused == "token_missing"


def test_a_guard_for_nobody_makes_no_sense(site):
    for optional in (True, "invalid"):
        login = SocketLogin(site.socketio, site.tessera, optional=optional)
        with site.app.test_request_context(), pytest.raises(TypeError, match="a socket is somebody's"):
            login.required(lambda: None)()


# -- Flask-Sock and SSE alone ------------------------------------------------------------------------------------------


@contextmanager
def bare_connection(site, pair):
    """A WebSocket of Flask-Sock that does nothing by itself; the answer to its handshake is not read yet."""
    host, port = site.address.split(":")
    with socket.create_connection((host, int(port)), timeout=60) as bare:
        lines = ["GET /ws HTTP/1.1", f"Host: {site.address}", "Upgrade: websocket", "Connection: Upgrade"]
        lines += ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"]
        bare.sendall("\r\n".join([*lines, f"z-token: {pair.access_token}", "", ""]).encode())
        assert bare.recv(12) == b"HTTP/1.1 101"
        wait_until(lambda: len(site.connections) == 1, "it is open")
        yield bare


def test_Q05_nothing_follows_the_reason_however_soon_the_client_answers(site, monkeypatch):
    """The handler ends with the client's answer, and then Flask-Sock has the server write an answer by HTTP."""
    pair, close, answered, had_answered = site.login(), simple_websocket.Server.close, [], []
    ends = signals.request_tearing_down.connected_to(lambda *_, **__: answered.append(True), site.app)

    def close_slowly(ws, *reason):
        close(ws, *reason)
        if reason:
            bare.sendall(b"\x88\x82\0\0\0\0\x03\xf0")
            wait_until(lambda: answered or is_at("guarded"), "the handler has ended")
            had_answered.append(bool(answered))

    monkeypatch.setattr(simple_websocket.Server, "close", close_slowly)
    with ends, bare_connection(site, pair) as bare:
        site.end(lambda tessera: tessera.revoke_session(pair.session_id))
        received = b""
        while part := bare.recv(4096):
            received += part
    assert had_answered == [False]
    assert received.endswith(b"\x88\x0e\x03\xf0session_kick")


def is_at(name):
    """Whether a thread is in a function of this name, and in none that this has called."""
    return any(frame.f_code.co_name == name for frame in sys._current_frames().values())


def test_Q05_a_client_that_takes_nothing_in_and_never_answers_is_cut_off(site):
    """It keeps the connection, reads nothing, and does not answer the close frame."""
    pair = site.login()
    with bare_connection(site, pair) as stuck:
        site.end(lambda tessera: tessera.revoke_session(pair.session_id))
        wait_until(lambda: len(site.connections) == 0, "its handler has ended")
        while stuck.recv(4096):
            continue


def test_Q05_closing_wakes_the_handler_at_once_and_a_second_time_cuts_the_client_off():
    """Of a client that says nothing, on a connection of its own."""
    ours, theirs = socket.socketpair()
    headers = {"HTTP_SEC_WEBSOCKET_KEY": "dGhlIHNhbXBsZSBub25jZQ==", "HTTP_SEC_WEBSOCKET_VERSION": "13"}
    headers |= {"HTTP_HOST": "x", "HTTP_UPGRADE": "websocket", "HTTP_CONNECTION": "Upgrade", "PATH_INFO": "/"}
    with ours, theirs:
        theirs.settimeout(60)
        ws = simple_websocket.Server({"werkzeug.socket": ours, **headers})
        assert theirs.recv(12) == b"HTTP/1.1 101"
        ended = threading.Event()

        def handle():
            with pytest.raises(simple_websocket.ConnectionClosed):
                ws.receive()
            ended.set()

        threading.Thread(target=handle, daemon=True).start()
        is_closing = threading.Lock()
        _close(ws, is_closing, "session_kick")
        assert ended.wait(60)
        _close(ws, is_closing, "session_kick")
        while theirs.recv(4096):
            continue
        ws.thread.join(60)
        assert not ws.thread.is_alive()


def test_Q05_whoever_waits_for_the_next_event_is_told_at_once(site, monkeypatch):
    monkeypatch.setattr(events, "_HEARTBEAT", 3600.0)
    pair = site.login()
    with site.app.test_request_context(headers={"z-token": pair.access_token}):
        stream = EventStream(site.tessera)
    read = []
    reader = threading.Thread(target=lambda: read.extend(stream), daemon=True)
    reader.start()
    site.end(lambda tessera: tessera.revoke_session(pair.session_id))
    reader.join(60)
    assert read == ["event: session_ended\ndata: session_kick\n\n"]


def test_a_silent_stream_has_a_comment_now_and_then(site, monkeypatch):
    monkeypatch.setattr(events, "_HEARTBEAT", 0.0)
    with site.app.test_request_context(headers={"z-token": site.login().access_token}):
        stream = EventStream(site.tessera)
    assert next(iter(stream)) == ":\n\n"
    stream.close()


def test_an_event_of_several_lines_is_written_as_one_and_none_forges_another(site):
    client = connect(site, "sse", site.login())
    (stream,) = site.streams
    assert stream.send("a\r\nb\rc\n\n", event="e")
    assert client.read() == ["event: e", "data: a", "data: b", "data: c", "data: ", "data: "]
    for wrong in ({"event": "x\ndata: forged"}, {"id": "x\r"}):
        with pytest.raises(ValueError, match="one line"):
            stream.send("x", **wrong)
    stream.close()
    assert client.answer.read() == b""


def test_Q05_what_was_sent_and_not_read_is_not_for_a_session_that_is_over(site):
    pair = site.login()
    with site.app.test_request_context(headers={"z-token": pair.access_token}):
        stream = EventStream(site.tessera)
        for number in range(10):
            stream.send(str(number))
        assert next(iter(stream)) == "data: 0\n\n"
        site.end(lambda tessera: tessera.revoke_session(pair.session_id))
        wait_until(lambda: not stream.is_open, "it is closed")
        assert list(stream) == ["event: session_ended\ndata: session_kick\n\n"]


def test_a_client_that_takes_nothing_in_has_its_stream_closed(site):
    with site.app.test_request_context(headers={"z-token": site.login().access_token}):
        stream = EventStream(site.tessera)
    assert all(stream.send("x") for _ in range(1000))
    assert not stream.send("x")
    assert list(stream) == []
    assert len(site.connections) == 0


def test_nobody_has_a_stream(site):
    with site.app.test_request_context(), pytest.raises(TypeError, match="a stream is somebody's"):
        EventStream(site.tessera)


@pytest.mark.parametrize("transports", ["header", "api_key", ("header", "cookie")])
def test_Q05_A04_a_socket_takes_what_its_transports_say_and_nothing_else(transports):
    app = Flask("machines")
    app.config.update(SECRET_KEY=SECRET, TESSERA_STORE_URL="memory:", TESSERA_COOKIES=True)
    tessera, sockets = Tessera(app, user_id_type=int), SocketIO(app, async_mode="threading")

    @sockets.on("connect")
    @SocketLogin(sockets, tessera, transports=transports).required
    def connect(auth):
        pass

    with app.app_context():
        sent = {"header": tessera.login(7).access_token, "api_key": tessera.api_keys.create(7, name="cron").key}
    for name, token in sent.items():
        is_accepted = name in ((transports,) if isinstance(transports, str) else transports)
        assert sockets.test_client(app, auth={"token": token}).is_connected() is is_accepted
        assert sockets.test_client(app, headers={"z-token": token}).is_connected() is is_accepted
