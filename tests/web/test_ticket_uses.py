"""What tickets are for, over real connections: a download, a stream of events, a login handed to another site."""

from __future__ import annotations

import hashlib
import http.client
import json
from urllib.request import urlopen

import pytest
from flask import Flask, request

from flask_tessera import Tessera, current_identity, current_user, login_required
from tests.servers.serving import serving

from .conftest import SECRET

CONTENT = bytes(range(256)) * 40_960


def make(url, **config):
    """An application on a storage, with a login by user id alone."""
    app = Flask("uses")
    app.config.update(SECRET_KEY=SECRET, TESSERA_STORE_URL=url, **config)
    tessera = Tessera(app, ticket_purposes=("download", "events"))

    @app.get("/signin/<user_id>")
    def signin(user_id):
        return tessera.login(user_id).to_response()

    app.register_blueprint(tessera.blueprint("tickets", "refresh", "logout"))
    return app, tessera


def get(address, path, **headers):
    connection = http.client.HTTPConnection(address, timeout=60)
    connection.request("GET", path, headers=headers)
    return connection.getresponse()


def post(address, path, token, body):
    connection = http.client.HTTPConnection(address, timeout=60)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection.request("POST", path, json.dumps(body), headers)
    return json.load(connection.getresponse())["data"]


def sign_in(address, user_id="7"):
    return json.load(get(address, f"/signin/{user_id}"))["data"]


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'tessera.db'}"


def test_a_link_downloads_10_megabytes_once(url):
    app, _ = make(url)

    @app.get("/file")
    @login_required(ticket="download")
    def file():
        return app.response_class(CONTENT[at : at + 65_536] for at in range(0, len(CONTENT), 65_536))

    with serving(app) as address:
        token = sign_in(address)["access_token"]
        ticket = post(address, "/auth/tickets", token, {"purpose": "download", "audience": "/file"})["ticket"]
        link = f"http://{address}/file?ticket={ticket}"
        with urlopen(link) as answer:
            got = answer.read()
        assert (len(got), hashlib.sha256(got).digest()) == (10_485_760, hashlib.sha256(CONTENT).digest())
        assert get(address, f"/file?ticket={ticket}").status == 401


def test_an_event_source_opens_its_stream_by_a_ticket_and_opens_it_again_by_another(url):
    app, _ = make(url)

    @app.get("/events")
    @login_required(ticket="events")
    def events():
        who = current_user._get_current_object()
        return app.response_class((f"data: {who} {n}\n\n" for n in range(3)), mimetype="text/event-stream")

    with serving(app) as address:
        token = sign_in(address)["access_token"]
        for _ in range(2):
            ticket = post(address, "/auth/tickets", token, {"purpose": "events"})["ticket"]
            answer = get(address, f"/events?ticket={ticket}", Accept="text/event-stream")
            assert answer.status == 200
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert answer.read() == b"data: 7 0\n\ndata: 7 1\n\ndata: 7 2\n\n"
            assert get(address, f"/events?ticket={ticket}").status == 401


def test_a_login_is_handed_to_a_second_site_of_the_same_storage(url):
    first, issuer = make(url)
    second, tessera = make(url)

    @first.get("/go/<path:host>")
    @login_required
    def go(host):
        return issuer.issue_ticket("hand-off", audience=host, data={"amr": list(current_identity.amr)})

    @second.get("/arrive")
    def arrive():
        ticket = tessera.redeem_ticket(request.args["ticket"], "hand-off")
        return tessera.login(ticket.user, amr=ticket.data["amr"]).to_response()

    @second.get("/who")
    @login_required
    def who():
        return str(current_user)

    with serving(first) as here, serving(second) as there:
        pair = sign_in(here, "ada")
        bearer = {"Authorization": f"Bearer {pair['access_token']}"}
        assert get(there, f"/arrive?ticket={get(here, f'/go/{here}', **bearer).read().decode()}").status == 401
        ticket = get(here, f"/go/{there}", **bearer).read().decode()
        arrived = json.load(get(there, f"/arrive?ticket={ticket}"))["data"]
        assert arrived["session_id"] != pair["session_id"]
        assert get(there, "/who", **{"z-token": arrived["access_token"]}).read() == b"ada"
        assert get(there, f"/arrive?ticket={ticket}").status == 401
