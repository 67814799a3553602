"""The service over real HTTP: waitress in processes of its own, ended by their ids."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path
from tests.servers import forked, wait_until

PHONE = "13800138000"
PASSWORD = "correct horse battery"
GOOD = {"phone": PHONE, "password": PASSWORD}


@pytest.fixture
def server(two_servers):
    """A running server that several tests share."""
    return two_servers[0]


class AxiosError(Exception):
    """What axios throws on a status that is not 2xx."""


class TutorialClient:
    """A front end as the tutorial has it: it keeps the token, looks at `code`, and shows `msg`."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.token = ""
        self.shown = ""

    def log_in(self, phone: str, password: str) -> bool:
        data = self._send("POST", "/login", {"phone": phone, "password": password})
        if data["code"] != 0:
            self.shown = data["msg"]
            return False
        self.token = data["data"]
        return True

    def detail(self) -> dict[str, Any] | None:
        data = self._send("GET", "/user/detail", None)
        if data["code"] != 0:
            self.shown = data["msg"]
            return None
        return data["data"]

    def _send(self, method: str, path: str, body: Any) -> Any:
        reply = self._server.call(method, path, body, token=self.token or None)
        if not 200 <= reply.status < 300:
            raise AxiosError(reply.status)
        return reply.json


@pytest.mark.slow
def test_a_front_end_written_to_the_tutorial_works_unchanged(serve):
    server = serve(TESSERA_TOKEN_LIFETIME="2")
    client = TutorialClient(server)
    assert client.detail() is None
    assert client.shown == "缺少参数token"
    assert not client.log_in(PHONE, "wrong password")
    assert client.shown == "手机号或密码错误"
    assert not client.log_in("1380013800", PASSWORD)
    assert client.shown == "手机号有误"
    assert not client.log_in("", "")
    assert client.shown == "请填写手机号或密码"
    assert client.log_in(PHONE, PASSWORD)
    assert client.detail() == {"phone": PHONE, "name": "Ada", "head_portrait": "", "intro": "", "level": 3}
    # Its two seconds pass.
    while client.detail() is not None:
        continue
    assert client.shown == "登录已过期"


def test_the_same_front_end_meets_statuses_where_they_were_asked_for(serve):
    client = TutorialClient(serve(TESSERA_HTTP_STATUS="semantic"))
    with pytest.raises(AxiosError, match="401"):
        client.log_in(PHONE, "wrong password")
    assert client.log_in(PHONE, PASSWORD)
    assert client.detail() is not None


@pytest.mark.slow
def test_the_headers_on_the_wire_are_those_of_an_api_that_is_not_cached(server):
    reply = server.call("POST", "/login", GOOD)
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["cache-control"] == "no-store"
    assert "server" not in reply.headers
    assert list(json.loads(reply.body)) == ["code", "msg", "data"]
    assert server.call("GET", "/user/detail", headers={"z-token": ""}).json["msg"] == "登录已过期"


# -- /auth -------------------------------------------------------------------------------------------------------------


def refresh(server: Any, refresh_token: str) -> Any:
    return server.call("POST", "/auth/refresh", {"refresh_token": refresh_token})


def auth_login(server: Any, **device: str) -> dict[str, Any]:
    reply = server.call("POST", "/auth/login", {**GOOD, "device": device})
    assert reply.status == 200, reply.body
    data: dict[str, Any] = reply.json["data"]
    return data


def test_the_life_of_a_session_over_http(server):
    pair = auth_login(server, type="phone", id="id-1", name="Ada's phone")
    assert pair["token_type"] == "Bearer"
    access = {"Authorization": f"Bearer {pair['access_token']}"}
    devices = server.call("GET", "/auth/sessions", headers=access).json["data"]
    (device,) = (each for each in devices if each["current"])
    assert device["device"] == {"type": "phone", "id": "id-1", "name": "Ada's phone"}
    assert device["session_id"] == pair["session_id"]
    assert server.call("GET", "/auth/me", headers=access).json["data"]["phone"] == PHONE
    # Rotation, and the same token again as after a lost reply.
    second = refresh(server, pair["refresh_token"]).json["data"]
    again = refresh(server, pair["refresh_token"]).json["data"]
    assert second["refresh_token"] == again["refresh_token"] != pair["refresh_token"]
    third = refresh(server, second["refresh_token"]).json["data"]
    assert server.call("GET", "/user/detail", token=third["access_token"]).json["code"] == 0
    # The first token is older than the predecessor by now: a thief has it, or had.
    reply = refresh(server, pair["refresh_token"])
    assert (reply.status, reply.json["error"]) == (401, "session_reuse")
    assert refresh(server, third["refresh_token"]).status == 401
    assert server.call("GET", "/auth/me", headers=access).status == 401


def test_S02_S08_logging_out_this_the_others_and_all_over_http(server):
    pairs = [auth_login(server, name=f"device {number}") for number in range(5)]
    tokens = [pair["access_token"] for pair in pairs]

    def live() -> list[bool]:
        return [server.call("GET", "/auth/me", token=token).status == 200 for token in tokens]

    assert server.call("POST", "/auth/logout", token=tokens[0]).json["code"] == 0
    assert live() == [False, True, True, True, True]
    reply = server.call("DELETE", f"/auth/sessions/{pairs[1]['session_id']}", token=tokens[4])
    assert reply.json["data"]["ended"] == [pairs[1]["session_id"]]
    assert live() == [False, False, True, True, True]
    assert server.call("POST", "/auth/logout", {"which": "others"}, token=tokens[2]).json["code"] == 0
    assert live() == [False, False, True, False, False]
    assert server.call("POST", "/auth/logout", {"which": "all"}, token=tokens[2]).json["code"] == 0
    assert live() == [False] * 5
    assert refresh(server, pairs[2]["refresh_token"]).status == 401


def test_the_exchange_of_old_tokens_is_off_and_says_that_there_is_nothing(server):
    reply = server.call("POST", "/auth/exchange", token="x.y.z")
    assert (reply.status, reply.json) == (404, {"code": 4002, "msg": "无数据", "error": "not_found"})


def test_S01_what_ends_on_one_server_is_refused_by_the_other_at_its_very_next_request(two_servers):
    first, second = two_servers
    for _ in range(5):
        token = first.log_in()
        assert second.call("GET", "/user/detail", token=token).json["code"] == 0
        assert first.call("POST", "/auth/logout", token=token).json["code"] == 0
        assert second.call("GET", "/user/detail", token=token).json["msg"] == "登录已过期"


def test_R03_a_refresh_token_that_both_servers_are_given_has_one_successor(two_servers):
    first, second = two_servers
    pair = auth_login(first)
    start = threading.Barrier(8)

    def race(number: int) -> str:
        start.wait()
        token: str = refresh((first, second)[number % 2], pair["refresh_token"]).json["data"]["refresh_token"]
        return token

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(race, range(8)))) == 1


def command(folder: Path, environment: dict[str, str], *words: str, sent: str = "") -> str:
    return forked.run("flask_tessera.cli", [*words, "--data", str(folder)], environment, sent)


@pytest.mark.slow
def test_S03_a_command_shuts_a_user_out_of_a_running_server_at_once(serve, tmp_path, environment):
    server = serve()
    token = server.log_in()
    pair = auth_login(server)
    assert "2 sessions ended" in command(tmp_path / "data", environment(), "users", "disable", PHONE)
    assert server.call("GET", "/user/detail", token=token).json["msg"] == "登录已过期"
    assert refresh(server, pair["refresh_token"]).status == 401
    assert server.call("POST", "/login", GOOD).json["msg"] == "登录失败"
    command(tmp_path / "data", environment(), "users", "enable", PHONE)
    assert server.call("GET", "/user/detail", token=token).json["msg"] == "登录已过期"
    assert server.call("GET", "/user/detail", token=server.log_in()).json["code"] == 0


# -- Faults ------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("is_semantic", [False, True], ids=["as the tutorial", "semantic"])
def test_F02_X4_while_another_process_holds_the_database_writes_are_503_and_reads_go_on(
    serve, tmp_path, hold_lock, is_semantic
):
    server = serve(TESSERA_HTTP_STATUS="semantic") if is_semantic else serve()
    token = server.log_in()
    pair = auth_login(server)
    assert server.call("GET", "/user/detail", token=token).json["code"] == 0
    requests = {
        "login": ("POST", "/login", GOOD),
        "auth login": ("POST", "/auth/login", GOOD),
        "refresh": ("POST", "/auth/refresh", {"refresh_token": pair["refresh_token"]}),
        "healthz": ("GET", "/healthz", None),
    }
    with hold_lock(tmp_path / "data" / "tessera.db"), ThreadPoolExecutor(4) as pool:
        waiting = {name: pool.submit(server.call, *request) for name, request in requests.items()}
        assert server.call("GET", "/user/detail", token=token).json["code"] == 0
        replies = {name: each.result() for name, each in waiting.items()}
    assert (replies["login"].status, replies["login"].json["code"]) == (503 if is_semantic else 200, 4004)
    assert replies["login"].json["msg"] == "获取信息失败"
    for name in ("auth login", "refresh", "healthz"):
        assert replies[name].status == 503, name
        assert replies[name].json["code"] in (4001, 4004)
    assert {reply.headers["retry-after"] for reply in replies.values()} == {"1"}
    # By itself, without a restart; the refresh token that was answered with 503 is still good.
    assert 200 in (server.call("GET", "/healthz").status for _ in range(200))
    assert refresh(server, pair["refresh_token"]).status == 200
    assert server.call("POST", "/login", GOOD).json["code"] == 0


@pytest.mark.slow
@pytest.mark.unix("way to take away a file that is open")
def test_F02_while_the_file_is_away_nobody_logs_in_and_all_is_well_once_it_is_back(serve, tmp_path):
    server = serve()
    folder = tmp_path / "data"
    token = server.log_in()
    assert server.call("GET", "/user/detail", token=token).json["code"] == 0
    for path in folder.glob("tessera.db*"):
        path.rename(tmp_path / path.name)
    for _ in range(2):
        assert server.call("POST", "/login", GOOD).json["msg"] == "获取信息失败"
        assert server.call("GET", "/user/detail", token=token).json["code"] in (4004, 4101)
        assert server.call("GET", "/healthz").status == 503
    for path in folder.glob("tessera.db*"):
        path.unlink()
    for path in tmp_path.glob("tessera.db*"):
        path.rename(folder / path.name)
    answers = (server.call("GET", "/healthz").status for _ in range(200))
    assert 200 in answers
    assert server.call("POST", "/login", GOOD).json["code"] == 0


@pytest.mark.unix("rights by mode")
def test_F02_a_data_folder_that_cannot_be_read_is_a_503(serve, tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    server = serve()
    (tmp_path / "data").chmod(0)
    try:
        assert server.call("POST", "/login", GOOD).json["msg"] == "获取信息失败"
        assert server.call("GET", "/healthz").status == 503
    finally:
        (tmp_path / "data").chmod(0o700)
    assert 200 in (server.call("GET", "/healthz").status for _ in range(200))


@pytest.mark.slow
def test_L02_more_logins_than_slots_leave_the_detail_answering(serve):
    server = serve(TESSERA_HASH_SLOTS="1")
    token = server.log_in()
    numbers = [f"137{number:08}" for number in range(24)]
    with ThreadPoolExecutor(24) as pool:
        waiting = [pool.submit(server.call, "POST", "/login", {"phone": phone, "password": "x"}) for phone in numbers]
        assert server.call("GET", "/user/detail", token=token).json["code"] == 0
        replies = [each.result() for each in waiting]
    assert {reply.json["code"] for reply in replies} == {4103, 4201}
    assert all(reply.headers["retry-after"] == "1" for reply in replies if reply.json["code"] == 4201)


def test_H04_a_body_of_megabytes_is_refused_and_the_server_goes_on(server):
    with socket.create_connection((server.host, server.port), timeout=20) as connection:
        connection.sendall(b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n" + b"x" * 300_000)
        assert connection.recv(100).startswith((b"HTTP/1.1 413", b"HTTP/1.0 413"))
    wait_until(lambda: server.call("GET", "/healthz").status == 200, "it is well")


@pytest.mark.repeats("proxies")
@pytest.mark.parametrize("proxies", ["0", "1"])
def test_L08_behind_waitress_a_forwarded_address_counts_where_proxies_are_trusted_and_nowhere_else(serve, proxies):
    server = serve(TESSERA_TRUSTED_PROXIES=proxies)
    spoofed = {"X-Forwarded-For": "203.0.113.9, 198.51.100.7"}
    token = server.call("POST", "/login", GOOD, headers=spoofed).json["data"]
    (session,) = server.call("GET", "/auth/sessions", token=token).json["data"]
    assert session["ip"] == {"0": "127.0.0.1", "1": "198.51.100.7"}[proxies]


# -- Start and end -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", [None, pytest.param(signal.SIGINT, marks=pytest.mark.unix("SIGINT to send"))])
def test_a_signal_ends_the_server_cleanly_with_its_marks_written(serve, tmp_path, by):
    server = serve()
    pair = auth_login(server)
    assert server.call("GET", "/auth/me", token=pair["access_token"]).status == 200
    code, errors = server.stop(by)
    assert code == 0
    assert "Traceback" not in errors
    with closing(sqlite3.connect(tmp_path / "data" / "tessera.db")) as database, database:
        assert database.execute("SELECT confirmed FROM tessera_sessions").fetchall() == [(1,)]


@pytest.mark.slow
def test_F01_a_server_that_was_killed_leaves_all_sessions_to_the_next(serve):
    first = serve()
    token, pair = first.log_in(), auth_login(first)
    first.process.kill()
    first.process.wait()
    assert first.stop()[0] != 0
    second = serve()
    assert second.call("GET", "/user/detail", token=token).json["code"] == 0
    assert refresh(second, pair["refresh_token"]).status == 200


def test_a_port_that_is_taken_is_told_in_one_sentence(serve):
    first = serve()
    second = serve(wanted_port=first.port)
    code, errors = second.stop()
    assert code == 1
    # Windows has its own words, in its own language.
    reason = "" if os.name == "nt" else "Address already in use"
    assert errors.startswith(f"Error: cannot listen on 127.0.0.1:{first.port}: {reason}")
    assert errors.count("\n") == 1


def test_X15_a_weak_setting_stops_the_start_with_one_sentence_and_no_traceback(serve):
    code, errors = serve(user=False, SECRET_KEY="changeme").stop()
    assert code == 1
    assert errors.startswith("Error: SECRET_KEY ")
    assert errors.count("\n") == 1


@pytest.mark.slow
def test_L17_the_demo_user_has_a_random_password_that_is_printed_once(serve, tmp_path):
    passwords = []
    for _ in range(2):
        server = serve("--demo", user=False)
        assert server.process.stdout is not None
        line = next(line for line in server.process.stdout if line.startswith("The demo user is "))
        phone, password = line.split()[4].rstrip(","), line.split()[8]
        assert server.call("GET", "/user/detail", token=server.log_in(phone, password)).json["code"] == 0
        passwords.append(password)
        assert server.stop()[0] == 0
    assert passwords[0] != passwords[1]


def test_an_ipv6_host_is_served_and_shown_in_brackets(serve):
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 here")
    server = serve(host="::1")
    assert server.printed[0].startswith(f"Flask-Tessera serves http://[::1]:{server.port} ")
    assert server.call("GET", "/user/detail", token=server.log_in()).json["code"] == 0


def test_G01_a_server_logs_every_event_as_one_line_of_json_without_a_secret(serve):
    server = serve()
    hostile = {"User-Agent": "evil\x9b2J", "X-Request-Id": "r-17"}
    token = server.call("POST", "/login", GOOD, headers=hostile).json["data"]
    server.call("POST", "/login", {**GOOD, "password": "mistakenly typed"})
    pair = auth_login(server)
    pair = refresh(server, pair["refresh_token"]).json["data"]
    server.call("POST", "/auth/logout", token=token)
    _, errors = server.stop()
    # Where the machine is busy, there are warnings between the events.
    entries = [entry for entry in map(json.loads, errors.splitlines()) if "event" in entry]
    assert [entry["event"] for entry in entries] == [
        "session_started",
        "login_failed",
        "session_started",
        "session_refreshed",
        "session_ended",
    ]
    assert [entry["result"] for entry in entries] == ["success", "failure", "success", "success", "success"]
    assert entries[0]["request_id"] == "r-17"
    assert (entries[1]["account"], entries[1]["ip"]) == (PHONE, "127.0.0.1")
    assert entries[4]["reason"] == "logout"
    assert entries[0]["user_agent"] == "evil2J"
    assert errors.isascii()
    assert not any(secret in errors for secret in (token, PASSWORD, "mistakenly", pair["refresh_token"], "\x9b"))


def test_G01_whatever_a_server_logs_is_a_line_of_json(serve):
    server = serve(TESSERA_LOCAL="en")
    with socket.create_connection((server.host, server.port), timeout=20) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n")
        assert connection.recv(12) == b"HTTP/1.1 400"
    server.log_in()
    _, errors = server.stop()
    entries = [json.loads(line) for line in errors.splitlines()]
    warned = next(entry for entry in entries if "event" not in entry)
    assert (warned["level"], warned["logger"]) == ("WARNING", "flask_tessera")
    assert warned["message"].startswith("TESSERA_LOCAL is set")
    assert warned["at"].endswith("Z")


# -- The first minute --------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.unix("sh to paste into")
def test_each_line_that_the_demo_shows_works_by_itself(serve, environment):
    if not shutil.which("curl"):
        pytest.skip("no curl here")
    server = serve("--demo", user=False)
    assert server.process.stdout is not None
    shown = []
    for line in server.process.stdout:
        shown.append(line)
        if line.startswith("The token of"):
            break
    lines = [line for line in shown if line.startswith("curl ") or " sessions list " in line]
    assert len(lines) == 4
    told = [
        subprocess.run(["sh", "-c", line], env=environment(), capture_output=True, text=True, check=True).stdout
        for line in lines
    ]
    assert [json.loads(text)["code"] for text in told[:3]] == [0, 0, 0]
    assert told[3].endswith(" live sessions\n")
    assert "demo (curl)" in told[3], "which of them the printed token is of"
    password = next(line for line in shown if line.startswith("The demo user is ")).split()[8]
    wrong = lines[0].replace(password, "not this one")
    done = subprocess.run(["sh", "-c", wrong], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["msg"] == "手机号或密码错误"
