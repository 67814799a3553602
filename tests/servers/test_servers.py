"""The servers of the tests themselves: they start, answer, break as told, and leave nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

import psycopg
import pymysql
import pytest
import redis

from tests.length import shortly

from . import (
    KINDS,
    Cluster,
    MariaDBServer,
    NoAnswerError,
    PostgresServer,
    RedisServer,
    Sentinel,
    ServerError,
    TlsRelay,
    binaries,
    fresh,
    fresh_database,
    fresh_url,
    run,
    shared,
    supervisor,
    wait_until,
    why_not,
)
from .ports import free_port
from .sharing import MYSQL_KINDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from .server import Server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="servers are started on Linux only"),
]

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = tuple(binaries.PROGRAMS)
SSL_REQUEST = struct.pack("!II", 8, 80877103)
"""PostgreSQL's documentation, "Message Formats": the server answers it with one byte."""


def skip_without(kind: str) -> None:
    """Skip the test if this kind cannot be started here."""
    if reason := why_not(kind):
        pytest.skip(reason)


def one_value(url: str, statement: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(statement).fetchone()[0]


def mysql(url: str, statement: str) -> tuple[tuple[object, ...], ...]:
    """All rows of one statement, committed."""
    place = urlsplit(url)
    login = {"user": unquote(place.username or ""), "password": unquote(place.password or "")}
    options = {"host": place.hostname, "port": place.port or 3306, "database": place.path[1:], "read_timeout": 2}
    with closing(pymysql.connect(**login, **options, autocommit=True)) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def client(server: RedisServer) -> redis.Redis:
    return redis.Redis(port=server.port, decode_responses=True, socket_timeout=2)


# Shared servers


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_can_be_started_or_says_why_not(kind: str):
    if kind in {"redis6", "mariadb", "mysql"}:
        skip_without(kind)
    assert why_not(kind) is None


def test_without_a_mysql_in_the_environment_one_sentence_names_the_variable(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(binaries.MYSQL, raising=False)
    assert why_not("mysql") == "mysql: there is no MySQL to install for the tests; set TESSERA_TEST_MYSQL_URL"


def test_a_folder_without_a_mariadb_is_not_replaced_by_another(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv(binaries.MARIADB, str(tmp_path))
    assert (why_not("mariadb") or "").endswith("set TESSERA_TEST_MARIADB")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith(("redis", "valkey"))])
def test_a_shared_redis_answers_under_the_url_of_each_prefix(kind: str):
    skip_without(kind)
    one, other = urlsplit(fresh_url(kind)), urlsplit(fresh_url(kind))
    assert one.netloc == other.netloc == urlsplit(shared(kind).url).netloc
    assert parse_qs(one.query)["prefix"] != parse_qs(other.query)["prefix"]
    for place in one.netloc.split(","):
        with closing(redis.Redis(port=int(place.rpartition(":")[2]))) as connection:
            assert connection.ping()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.endswith("-cluster")])
def test_a_shared_cluster_holds_all_keys(kind: str):
    url = urlsplit(shared(kind).url)
    nodes = [redis.cluster.ClusterNode("127.0.0.1", int(place.rpartition(":")[2])) for place in url.netloc.split(",")]
    with closing(redis.RedisCluster(startup_nodes=nodes, decode_responses=True)) as connection:
        names = [f"test-servers-{number}" for number in range(50)]
        assert [connection.set(name, name) for name in names] == [True] * 50
        assert [connection.get(name) for name in names] == names
        assert len(connection.get_primaries()) == 3


def test_a_fresh_database_is_empty_and_dropped_afterwards():
    with fresh_database() as one, fresh_database() as other:
        with psycopg.connect(one, autocommit=True) as connection:
            connection.execute("CREATE TABLE seen ()")
        found = "SELECT count(*) FROM pg_tables WHERE tablename = 'seen'"
        assert (one_value(one, found), one_value(other, found)) == (1, 0)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        one_value(one, "SELECT 1")


@pytest.mark.parametrize("kind", MYSQL_KINDS)
def test_a_fresh_mysql_database_is_empty_and_dropped_afterwards(kind: str):
    skip_without(kind)
    with fresh(kind) as one, fresh(kind) as other:
        mysql(one, "CREATE TABLE seen (number INTEGER)")
        assert (mysql(one, "SHOW TABLES"), mysql(other, "SHOW TABLES")) == ((("seen",),), ())
    with pytest.raises(pymysql.OperationalError, match="Unknown database"):
        mysql(one, "SELECT 1")


SHARING = "from tests.servers import shared; print(shared('redis8').url, shared('redis8').url, flush=True); {then}"


def python(script: str, **settings: str) -> subprocess.Popen[str]:
    """A process of its own, which belongs to no run but its own unless told."""
    environment = {**os.environ, run.VARIABLE: "", **settings}
    command = [sys.executable, "-c", script]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_processes_of_one_run_share_a_server_and_those_of_another_do_not():
    mine = {run.VARIABLE: os.environ[run.VARIABLE]}
    processes = [python(SHARING.format(then=""), **settings) for settings in (mine, mine, {})]
    outputs = [process.communicate(timeout=60)[0].split() for process in processes]
    assert outputs[0] == outputs[1] == [shared("redis8").url] * 2
    assert outputs[2]
    assert outputs[2] != outputs[0]
    # The others have ended, and the server of this run has not.
    with closing(redis.Redis.from_url(shared("redis8").url)) as connection:
        assert connection.ping()


STARTING = """
import sys
from tests.servers import MariaDBServer, PostgresServer, RedisServer, is_available, run
servers = [PostgresServer().start(), *(RedisServer(kind).start() for kind in ("redis8", "valkey9"))]
servers += [MariaDBServer().start()] if is_available("mariadb") else []
servers[1].stop()
print(run.folder(), *(server.pid for server in servers), flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("by", shortly(["SIGKILL", None]), ids=["kill -9", "its end"])
def test_servers_end_with_the_process_that_started_them(by: str | None):
    with python(STARTING) as starter:
        assert starter.stdout
        folder, *words = starter.stdout.readline().split()
        pids = [int(word) for word in words]
        backends = supervisor.children_of(pids[0])
        assert len(backends) >= 3
        assert all(map(supervisor.start_time, pids + backends))
        if by:
            starter.send_signal(signal.Signals[by])
        else:
            starter.stdin.close()
        starter.wait(timeout=20)
    wait_until(lambda: not any(map(supervisor.start_time, pids + backends)), "all servers are gone", seconds=20)
    wait_until(lambda: not Path(folder).exists(), "the folder of the run is gone", seconds=20)


# Private servers


@pytest.mark.parametrize("kind", shortly(PROGRAMS))
def test_a_redis_stops_goes_on_dies_and_comes_back_with_its_data(kind: str, tmp_path: Path):
    skip_without(kind)
    options = {"appendonly": "yes", "appendfsync": "always"}
    with RedisServer(kind, tmp_path / "data", options=options) as server, closing(client(server)) as connection:
        connection.set("name", "value")
        server.stop()
        with pytest.raises(NoAnswerError, match=r"(?i)timeout"):
            server.ask("PING", seconds=0.2)
        server.cont()
        assert server.ask("PING") == "PONG"

        first, port = server.pid, server.port
        server.kill()
        assert not server.is_alive()
        assert not supervisor.start_time(first)
        with pytest.raises(NoAnswerError, match="refused"):
            server.ask("PING")
        server.restart()
        assert (server.port, connection.get("name")) == (port, "value")
        assert server.pid != first
    assert not supervisor.start_time(server.pid)
    assert (tmp_path / "data").exists()


def test_a_replica_has_the_data_of_its_master_when_it_has_started():
    with RedisServer("redis8") as master:
        master.ask("SET", "name", "value")
        with RedisServer("redis8", replica_of=master) as replica:
            assert replica.ask("GET", "name") == "value"
            assert replica.ask("ROLE")[0] == "slave"


def shared_memory() -> list[str]:
    """The System V segments of all users: shmid, the second column of /proc/sysvipc/shm."""
    return [line.split()[1] for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]]


def test_a_postgres_stops_goes_on_dies_and_comes_back_with_its_data(tmp_path: Path):
    with PostgresServer(tmp_path / "data", fsync=True, settings={"work_mem": "5MB"}) as server:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
            asked = ("fsync", "full_page_writes", "work_mem")
            values = [connection.execute(f"SHOW {name}").fetchone()[0] for name in asked]
            assert values == ["on", "on", "5MB"]
            server.stop()
            with pytest.raises(TimeoutError), socket.create_connection(("127.0.0.1", server.port), 0.2) as silent:
                silent.sendall(SSL_REQUEST)
                silent.recv(1)
            server.cont()
            assert connection.execute("SELECT one FROM kept").fetchone() == (1,)

            processes = [server.pid, *supervisor.children_of(server.pid)]
            segment = (server.folder / "data" / "postmaster.pid").read_text().splitlines()[6].split()[1]
            assert segment in shared_memory()
            server.kill()
            assert not any(map(supervisor.start_time, processes))
            assert segment not in shared_memory()
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
        server.restart()
        assert one_value(server.url, "SELECT one FROM kept") == 1
    assert not supervisor.start_time(server.pid)


def test_a_mariadb_stops_goes_on_dies_and_comes_back_with_its_data(tmp_path: Path):
    skip_without("mariadb")
    with MariaDBServer(tmp_path / "data", fsync=True, settings={"max-connections": "17"}) as server:
        mysql(server.url, "CREATE TABLE kept AS SELECT 1 AS one")
        asked = "SELECT @@innodb_flush_log_at_trx_commit, @@max_connections, CURRENT_USER()"
        assert mysql(server.url, asked) == ((1, 17, "root@127.0.0.1"),)
        server.stop()
        with pytest.raises(pymysql.OperationalError, match="timed out"):
            mysql(server.url, "SELECT 1")
        server.cont()
        assert mysql(server.url, "SELECT one FROM kept") == ((1,),)

        first, port = server.pid, server.port
        server.kill()
        assert not supervisor.start_time(first)
        with pytest.raises(pymysql.OperationalError, match="refused"):
            mysql(server.url, "SELECT 1")
        server.restart()
        assert server.port == port
        assert mysql(server.url, "SELECT one FROM kept") == ((1,),)
    assert not supervisor.start_time(server.pid)


@pytest.mark.long
def test_a_mariadb_whose_program_only_its_owner_can_reach_runs_all_the_same(monkeypatch: pytest.MonkeyPatch):
    skip_without("mariadb")
    with tempfile.TemporaryDirectory() as private:
        (Path(private) / "home").symlink_to(binaries.mariadb_home())
        monkeypatch.setenv(binaries.MARIADB, f"{private}/home")
        with MariaDBServer() as server:
            assert mysql(server.url, "SELECT DATABASE()") == (("tessera",),)
        assert not server.folder.exists()


def test_an_unsafe_postgres_waits_for_no_disk():
    assert one_value(shared("postgres").url, "SHOW fsync") == "off"


@pytest.mark.long
def test_a_postgres_whose_programs_only_their_owner_can_reach_runs_all_the_same(monkeypatch: pytest.MonkeyPatch):
    with tempfile.TemporaryDirectory() as private:
        (Path(private) / "home").symlink_to(binaries.postgres_home())
        monkeypatch.setenv(binaries.POSTGRES, f"{private}/home")
        with PostgresServer() as server:
            assert one_value(server.url, "SELECT current_user") == "postgres"
        assert not server.folder.exists()


def test_a_server_that_refuses_its_options_says_why():
    with pytest.raises(ServerError, match="no-such-option"):
        RedisServer("redis8", options={"no-such-option": "1"}).start()
    with pytest.raises(ServerError, match="no_such_setting"):
        PostgresServer(settings={"no_such_setting": "1"}).start()


def test_a_mariadb_that_refuses_its_options_says_why():
    skip_without("mariadb")
    with pytest.raises(ServerError, match="no-such-setting"):
        MariaDBServer(settings={"no-such-setting": "1"}).start()


@pytest.mark.parametrize(
    "make",
    shortly([lambda: RedisServer("valkey9"), PostgresServer, MariaDBServer]),
    ids=["valkey9", "postgres", "mariadb"],
)
def test_a_server_that_loses_its_port_takes_another_but_does_not_move(make: Callable[[], Server]):
    if make is MariaDBServer:
        skip_without("mariadb")
    with RedisServer("redis8") as first:
        second = make()
        ports = [free_port(), first.port]
        second.choose_port = ports.pop
        with second:
            assert second.port != first.port
            second.kill()
            with socket.create_server(("127.0.0.1", second.port)), pytest.raises(ServerError, match=r"(?i)address"):
                second.restart()


# Clusters, Sentinel, TLS


@pytest.mark.parametrize("kind", shortly(["redis8", "valkey9"]))
def test_a_cluster_goes_on_with_a_replica_when_a_master_dies(kind: str):
    skip_without(kind)
    with Cluster(kind, replicas=1, options={"cluster-node-timeout": "500"}) as cluster:
        assert (len(cluster.masters()), len(cluster.replicas())) == (3, 3)
        holder = cluster.holder_of("name")
        holder.ask("SET", "name", "value")
        assert holder.ask("WAIT", 1, 2000) == 1
        holder.kill()
        wait_until(lambda: len(cluster.masters()) == 3, "a replica has taken over")
        cluster.wait_until_ok()
        successor = cluster.holder_of("name")
        assert successor is not holder
        assert successor.ask("GET", "name") == "value"
        holder.restart()
        wait_until(lambda: len(cluster.replicas()) == 3, "the old master repeats its successor")
    assert not any(map(supervisor.start_time, cluster.pids))


@pytest.mark.parametrize("kind", shortly(PROGRAMS))
def test_sentinel_puts_the_replica_in_the_place_of_its_master(kind: str):
    skip_without(kind)
    with (
        RedisServer(kind) as master,
        RedisServer(kind, replica_of=master) as replica,
        Sentinel(kind, master=master) as sentinel,
    ):
        assert sentinel.url == f"redis+sentinel://127.0.0.1:{sentinel.port}/mymaster/0"
        assert sentinel.master_port() == master.port
        master.kill()
        wait_until(lambda: sentinel.master_port() == replica.port, "the replica is master")
        wait_until(lambda: replica.ask("ROLE")[0] == "master", "and knows it")


def test_a_relay_speaks_tls_for_a_server(tmp_path: Path):
    with RedisServer("valkey9") as server, TlsRelay(server, tmp_path) as relay:
        with closing(redis.Redis.from_url(relay.url, decode_responses=True)) as connection:
            assert connection.set("name", "x" * 300_000)
            assert len(connection.get("name")) == 300_000
        distrustful = ssl.create_default_context()
        with socket.create_connection(("127.0.0.1", relay.port)) as plain, pytest.raises(ssl.SSLCertVerificationError):
            distrustful.wrap_socket(plain, server_hostname="127.0.0.1")
