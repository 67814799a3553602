"""The snippets of docs/frontends: one refresh for all who meet an expired token, and the reason when a session is over.

axios is the real library; WeChat's and uni-app's calls are stood in for by what their documentation says of them.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections import Counter
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.serving import make_server

from flask_tessera import Tessera
from flask_tessera.testing import Clock
from tests.docs.documents import blocks_of

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
SNIPPETS = ROOT / "docs" / "frontends"
FRONT_ENDS = {"axios": "axios.js", "wx": "mini-program.js", "uni": "mini-program.js"}
NODE = shutil.which("node")

DOCUMENTS = {SNIPPETS.parent / "frontends.md": 1, SNIPPETS.parent / "login-mini-program.md": 3}
"""Those with scripts, and how many."""

pytestmark = pytest.mark.skipif(NODE is None, reason="there is no Node.js")


class FrontEnd:
    """A process that runs one of them."""

    def __init__(self, kind, port, folder):
        # Node.js takes a file for a module by its name.
        shutil.copy(SNIPPETS / FRONT_ENDS[kind], folder / "snippet.mjs")
        words = [NODE, HERE / "harness.mjs", kind, f"http://127.0.0.1:{port}", folder / "snippet.mjs"]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, call, given=None, times=1, *, whole=False):
        self.process.stdin.write(json.dumps({"call": call, "given": given, "times": times, "whole": whole}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        assert self.process.wait() == 0
        self.process.stdout.close()


class Shop:
    """A served application with a moved clock; counts the requests by path."""

    def __init__(self):
        self.clock, self.asked = Clock(), Counter()
        self.app = Flask("shop")
        self.app.config.update(SECRET_KEY="hQ5vT2rB8nX0kW7yL3cM9dF6gJ1pZ4sA", TESSERA_STORE_URL="memory:")
        self.tessera = Tessera(user_id_type=int, clock=self.clock)
        self.tessera.authenticator(lambda credentials: 7)
        self.tessera.user_view(lambda user: {"id": user})
        self.tessera.init_app(self.app)
        self.app.register_blueprint(self.tessera.blueprint())
        self.app.before_request(self._count)
        self.server = make_server("127.0.0.1", 0, self.app, threaded=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def _count(self):
        from flask import request

        self.asked[request.path] += 1

    def kick(self):
        with self.app.app_context():
            self.tessera.revoke_user(7)


@pytest.fixture
def shop():
    made = Shop()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(params=FRONT_ENDS)
def front_end(request, shop, tmp_path):
    made = FrontEnd(request.param, shop.server.port, tmp_path)
    yield made
    made.close()


@pytest.mark.repeats("front_end")
def test_R01_many_requests_that_meet_an_expired_token_cause_one_refresh(shop, front_end):
    assert front_end("login", {"phone": "13800138000"}) == ["ok"]
    assert front_end("request", "/auth/me", times=8) == ["ok"] * 8
    for refreshes in (1, 2):
        shop.clock.advance(1000)
        assert front_end("request", "/auth/me", times=8) == ["ok"] * 8
        assert shop.asked["/auth/refresh"] == refreshes
    assert front_end("ended") == []


@pytest.mark.repeats("front_end")
def test_a_session_that_is_over_is_told_once_with_its_reason(shop, front_end):
    front_end("login", {"phone": "13800138000"})
    shop.kick()
    assert front_end("request", "/auth/me", times=8) == ["session_kick"] * 8
    assert front_end("ended") == ["session_kick"]
    assert front_end("request", "/auth/me") == ["token_missing"]
    assert shop.asked["/auth/refresh"] == 0


@pytest.mark.repeats("front_end")
def test_a_refresh_that_is_refused_ends_the_session_too(shop, front_end):
    front_end("login", {"phone": "13800138000"})
    shop.kick()
    shop.clock.advance(1000)
    answers = front_end("request", "/auth/me", times=4)
    assert set(answers) <= {"session_kick", "token_expired", "token_missing"}
    assert front_end("ended") == ["session_kick"]


@pytest.mark.repeats("front_end")
def test_after_a_logout_the_token_is_refused(shop, front_end):
    front_end("login", {"phone": "13800138000"})
    assert front_end("logout") == ["ok"]
    assert front_end("request", "/auth/me")[0] in ("session_logout", "token_missing")


def test_the_scripts_of_the_document_and_of_the_package_can_be_read(tmp_path):
    from flask_tessera.web.endpoints import script

    scripts = [script._source()]
    for document, number in DOCUMENTS.items():
        blocks = [block.text for block in blocks_of(document) if block.language == "js"]
        assert len(blocks) == number
        scripts += blocks
    for number, text in enumerate(scripts):
        # Node.js takes a file for a module by its name.
        path = tmp_path / f"{number}.{'mjs' if 'import ' in text else 'js'}"
        path.write_text(text, "utf-8")
        subprocess.run([NODE, "--check", path], check=True)


# -- The script of a page ----------------------------------------------------------------------------------------------


def on_a_page(tried):
    """What `page.mjs` prints of it."""
    source = ROOT / "src" / "flask_tessera" / "web" / "static" / "tessera.js"
    done = subprocess.run([NODE, HERE / "page.mjs", source, tried], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def test_H02_another_site_is_told_nothing_and_believed_nothing():
    shown = on_a_page("another site says that the session is over")
    assert shown == {"asked": ["GET weather.example/"], "told": [], "hasPair": True}
    assert on_a_page("another site says that the token has expired") == {"asked": ["GET weather.example/"]}


def test_each_logout_is_told_to_the_other_tabs():
    assert on_a_page("two logouts") == {"heard": 2, "told": 2}


def test_a_clock_that_was_set_back_keeps_no_session_from_being_renewed():
    shown = on_a_page("a clock that was ahead")["asked"]
    assert shown == ["GET shop.example/me", "POST shop.example/auth/refresh", "GET shop.example/me"]


def test_a_page_that_asks_again_when_its_session_is_over_is_told_once():
    shown = on_a_page("a listener that fetches")
    assert shown["told"] == [{"error": "session_kick", "msg": "m"}]
    assert len(shown["asked"]) <= 4
    assert "POST shop.example/auth/refresh" in shown["asked"], "it has the cookies cleared"


def test_where_nobody_is_signed_in_it_is_looked_for_a_session_once():
    shown = on_a_page("nobody is signed in")
    assert shown["asked"].count("POST shop.example/auth/refresh") == 1
    assert shown["told"] == []


def test_a_body_or_an_event_of_any_form_is_borne():
    assert on_a_page("odd bodies") == {"statuses": [401]}
    assert on_a_page("odd storage events") == {"told": ["session_logout"]}


def test_R01_without_locks_one_of_several_tabs_renews():
    assert on_a_page("without locks") == {"refreshes": 1, "statuses": [200, 200, 200]}
