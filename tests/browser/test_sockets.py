"""The JavaScript of docs/sockets.md in a real browser: sockets and streams by ticket, and why they are closed."""

from __future__ import annotations

import pytest
from flask import Flask
from flask_sock import Sock

from flask_tessera import Tessera, current_user, login_required
from flask_tessera.contrib.sock import socket_login_required
from flask_tessera.contrib.sse import EventStream
from tests.docs.documents import ROOT, blocks_of

from .sites import SECRET, listening

(SNIPPET,) = (each.text for each in blocks_of(ROOT / "docs" / "sockets.md") if each.language == "js")
OPEN = """([name, pair]) => {
  tessera.useTokens({get: () => pair, set: () => {}});
  window.heard = [];
  window.reasons = [];
  return window[name]((text) => heard.push(text), (slug) => reasons.push(slug)).then((opened) => {
    window.opened = opened;
  });
}"""


class Site:
    """A page with the snippet, and what it opens."""

    def __init__(self):
        self.app = Flask("site")
        self.app.config.update(SECRET_KEY=SECRET, TESSERA_STORE_URL="memory:")
        self.tessera = Tessera(self.app, ticket_purposes=["chat", "news"])
        self.app.register_blueprint(self.tessera.blueprint())
        self.streams = []
        self.app.add_url_rule("/", "page", lambda: '<script src="/auth/tessera.js"></script>')
        self.app.add_url_rule("/news", "news", login_required(ticket="news")(self.news))
        Sock(self.app).route("/chat")(socket_login_required(self.tessera, ticket="chat")(self.chat))

    def news(self):
        stream = EventStream(self.tessera)
        self.streams.append(stream)
        stream.send(f"hello {current_user}")
        return stream.to_response()

    def chat(self, ws):
        ws.send(f"hello {current_user}")
        ws.receive()

    def login(self):
        with self.app.app_context():
            return self.tessera.login("ada").to_dict()

    def end(self):
        with self.app.app_context():
            self.tessera.revoke_user("ada")


@pytest.fixture
def site():
    made = Site()
    yield made
    made.tessera.close(made.app)


def visit(browser, port):
    page = browser.new_page()
    page.set_default_timeout(60_000)
    page.goto(f"http://localhost:{port}/")
    page.add_script_tag(content=SNIPPET)
    return page


@pytest.mark.parametrize("name", ["openChat", "openNews"])
def test_Q05_a_page_opens_it_by_ticket_and_is_told_why_it_is_closed(browser, site, name):
    with listening(site.app) as port:
        page = visit(browser, port)
        page.evaluate(OPEN, [name, site.login()])
        page.wait_for_function("heard.length")
        assert page.evaluate("heard") == ["hello ada"]
        site.end()
        page.wait_for_function("reasons.length")
        assert page.evaluate("reasons") == ["session_kick"]
        page.close()


def test_a_stream_that_breaks_is_not_asked_for_again_with_the_used_ticket(browser, site):
    with listening(site.app) as port:
        page = visit(browser, port)
        page.evaluate(OPEN, ["openNews", site.login()])
        page.wait_for_function("heard.length")
        site.streams[0].close()
        page.wait_for_function("reasons.length")
        assert page.evaluate("[reasons, opened.readyState]") == [[""], 2]
        page.close()


def test_Q01_a_refused_socket_tells_the_page_why(browser, site):
    with listening(site.app) as port:
        page = visit(browser, port)
        used = page.evaluate(
            "() => new Promise((done) => { new WebSocket(location.origin.replace('http', 'ws') + '/chat?ticket=tst_x')"
            ".onclose = (event) => done([event.code, event.reason, event.wasClean]); })"
        )
        assert used == [1008, "ticket_invalid", True]
        page.close()
