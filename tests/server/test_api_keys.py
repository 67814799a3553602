"""API keys of the ready service, over real HTTP."""

from __future__ import annotations

import subprocess
import sys

import pytest

from .conftest import PASSWORD, PHONE, clean_environment


def log_in(server):
    reply = server.call("POST", "/auth/login", {"phone": PHONE, "password": PASSWORD})
    assert reply.status == 200, reply.body
    return reply.json["data"]["access_token"]


def make_key(server, token, **wanted):
    reply = server.call("POST", "/auth/api-keys", {"name": "till", **wanted}, token=token)
    assert reply.status == 200, reply.body
    return reply.json["data"]


@pytest.mark.slow
def test_S01_a_key_made_on_one_server_is_used_on_the_other_and_ends_there_at_its_next_request(two_servers):
    first, second = two_servers
    token = log_in(first)
    made = make_key(first, token, addresses=["127.0.0.0/8"])
    bearer = {"Authorization": f"Bearer {made['key']}"}
    for server in (first, second):
        assert server.call("GET", "/auth/me", headers=bearer).json["data"]["phone"] == PHONE
        assert server.call("GET", "/user/detail", token=made["key"]).json["data"]["phone"] == PHONE
        assert server.call("GET", f"/auth/me?token={made['key']}").status == 401
    again = second.call("POST", f"/auth/api-keys/{made['id']}/rotate", {}, token=token).json["data"]
    assert first.call("GET", "/auth/me", headers=bearer).json["error"] == "token_invalid"
    assert first.call("GET", "/auth/me", token=again["key"]).status == 200
    (listed,) = second.call("GET", "/auth/api-keys", token=token).json["data"]
    assert listed["id"] == made["id"]
    assert first.call("DELETE", f"/auth/api-keys/{made['id']}", token=token).json["data"]["revoked"] == made["id"]
    assert second.call("GET", "/auth/me", token=again["key"]).json["error"] == "token_invalid"


@pytest.mark.slow
def test_A04_a_key_opens_none_of_the_other_routes_of_the_service(two_servers):
    server, _ = two_servers
    token = log_in(server)
    made = make_key(server, token)
    routes = server.call("GET", "/", headers={"Accept": "application/json"}).json["data"]["routes"]
    opened = set()
    for route in routes:
        path = route["path"].replace("<key_id>", made["id"]).replace("<sid>", "x" * 22)
        if "<" not in path and path.startswith("/auth/"):
            reply = server.call(route["method"], path, {}, token=made["key"])
            if reply.status < 300:
                opened.add(route["path"])
    # What anybody may ask for, besides what tells who is calling.
    assert opened == {"/auth/me", "/auth/verify", "/auth/tessera.js", "/auth/login/passkey/options"}
    assert server.call("DELETE", f"/auth/api-keys/{made['id']}", token=token).status == 200


@pytest.mark.slow
def test_S03_a_user_who_is_disabled_by_a_command_has_no_keys_any_more(serve, tmp_path):
    server = serve()
    key = make_key(server, log_in(server))["key"]
    assert server.call("GET", "/auth/me", token=key).status == 200
    for word in ("disable", "enable"):
        command = [sys.executable, "-m", "flask_tessera.cli", "users", word, PHONE]
        settings = clean_environment(TESSERA_DATA_DIR=str(tmp_path / "data"))
        subprocess.run(command, env=settings, check=True, capture_output=True)
        assert server.call("GET", "/auth/me", token=key).status == 401
    assert server.call("GET", "/auth/api-keys", token=log_in(server)).json["data"] == []
