"""The service on each storage: its commands reach running servers, it tidies up, its users are in their place."""

from __future__ import annotations

import pytest

from flask_tessera.errors import SessionEndedError
from flask_tessera.server import maintenance
from flask_tessera.services.keys import parse_sid
from tests.cli.stores import SERVERS, STORES, store_url
from tests.length import shortly
from tests.servers import forked, wait_until

PHONE = "13800138000"
DAY = 86_400
USERS_FILE = {"postgresql": [], "mysql": [], "redis": ["tessera.db"], "redis+cluster": ["tessera.db"]}
"""What lies in the data folder."""


@pytest.fixture(params=shortly(SERVERS, always=2))
def far_url(request, tmp_path):
    """Of a storage on a server."""
    with store_url(request.param, tmp_path) as url:
        yield url


def command(folder, environment, url, *words: str) -> str:
    return forked.run("flask_tessera.cli", [*words, "--data", str(folder), "--store", url], environment())


def code(server, token: str) -> int:
    answer: int = server.call("GET", "/user/detail", token=token).json["code"]
    return answer


@pytest.mark.slow
def test_S01_S03_what_ends_on_one_server_or_by_a_command_is_refused_by_all(serve, far_url, tmp_path, environment):
    first, second = (serve("--store", far_url) for _ in range(2))
    mine, theirs = first.log_in(), second.log_in()
    assert [code(server, token) for server in (first, second) for token in (mine, theirs)] == [0] * 4
    for server in (first, second):
        wait_until(lambda: b'"heard":true' in server.call("GET", "/healthz").body, "it hears")  # noqa: B023
    assert first.call("POST", "/auth/logout", token=mine).json["code"] == 0
    assert code(first, mine) == 4101
    wait_until(lambda: code(second, mine) == 4101, "the other one refuses it")
    listed = command(tmp_path / "data", environment, far_url, "workers").splitlines()
    assert len(listed) == 3
    assert listed[-1].startswith("every worker that is ok sees a revocation within 2 s")
    command(tmp_path / "data", environment, far_url, "users", "disable", PHONE)
    wait_until(lambda: code(first, theirs) == code(second, theirs) == 4101, "both refuse it")
    told = command(tmp_path / "data", environment, far_url, "users", "list").split()
    assert told[1:3] == [PHONE, "disabled"]
    # The users are where they belong, and nothing else is.
    assert [path.name for path in (tmp_path / "data").glob("*.db")] == USERS_FILE[far_url.partition(":")[0]]


@pytest.mark.repeats("kind")
@pytest.mark.parametrize("kind", STORES)
def test_S11_the_service_tidies_up_on_every_storage(tmp_path, make_service, clock, kind):
    with store_url(kind, tmp_path) as url:
        app = make_service(tmp_path, clock, TESSERA_STORE_URL=url)
        user = app.extensions["tessera_service"].users.add(PHONE, "hash")
        with app.app_context():
            tessera = app.extensions["tessera_service"].tessera
            dead = tessera.login(user)
            tessera.create_token(user)
            clock.now += 40 * DAY
            alive = tessera.login(user)
            assert maintenance.run_once(tessera.runtime)
            assert [each.sid for each in tessera.runtime.sessions.list(str(user.id))] == [parse_sid(alive.session_id)]
            with pytest.raises(SessionEndedError):
                tessera.refresh(dead.refresh_token)
            assert tessera.refresh(alive.refresh_token).session_id == alive.session_id
            tessera.close(app)
