"""The service's own table of users, and what an administrator does with it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psycopg
import pymysql
import pytest

from flask_tessera.errors import AlreadyExistsError, ConfigError, InputError, NotFoundError, StorageUnavailableError
from flask_tessera.server import administration
from flask_tessera.server.users import User, open_users
from tests.servers import MariaDBServer, PostgresServer, fresh, wait_until, why_not

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flask_tessera.server.app import Service
    from flask_tessera.server.users import Users

PHONE = "13800138000"
PASSWORD = "correct horse battery"


@pytest.fixture
def service(tmp_path, clock, make_service, password_hash, users_url) -> Iterator[Service]:
    app = make_service(tmp_path, clock, TESSERA_USERS_URL=users_url)
    app.extensions["tessera_service"].users.add(PHONE, password_hash, name="Ada", level=3)
    with app.app_context():
        yield app.extensions["tessera_service"]
        app.extensions["tessera_service"].tessera.close(app)


def in_file(path: Path) -> Users:
    return open_users("", path)


# -- The table ---------------------------------------------------------------------------------------------------------


@pytest.mark.repeats("users_url")
def test_a_user_is_found_by_phone_and_by_id_as_it_was_added(users):
    added = users.add(PHONE, "hash", name="Ada", level=3, role="admin")
    assert users.by_phone(PHONE) == users.by_id(added.id) == users.get(PHONE) == added
    assert (added.phone, added.name, added.level, added.role, added.disabled) == (PHONE, "Ada", 3, "admin", False)
    assert users.all() == [added]


def test_nobody_is_found_where_nobody_was_added(users):
    assert users.by_phone(PHONE) is None
    assert users.by_id(1) is None
    with pytest.raises(NotFoundError):
        users.get(PHONE)


def test_a_disabled_user_is_loaded_by_nobody(users):
    users.add(PHONE, "hash")
    user = users.change(PHONE, disabled=True)
    assert users.by_id(user.id) is None
    assert users.by_phone(PHONE) == user


def test_ids_are_positive_numbers_of_63_bits_of_which_none_is_given_twice(users):
    seen = set()
    for _ in range(20):
        seen.add(users.add(PHONE, "hash").id)
        users.delete(PHONE)
    assert len(seen) == 20
    # In each bit but the first they differ.
    assert {number.bit_length() for number in seen} == {63}
    assert len({number >> 31 for number in seen}) == len({number & 0x7FFF_FFFF for number in seen}) == 20


def test_what_was_deleted_is_told_and_cannot_be_deleted_again(users):
    added = users.add(PHONE, "hash")
    assert users.delete(PHONE) == added
    assert users.all() == []
    for act in (users.delete, users.get, lambda phone: users.change(phone, name="Bob")):
        with pytest.raises(NotFoundError):
            act(PHONE)


def test_a_phone_number_that_is_taken_adds_nobody(users):
    first = users.add(PHONE, "hash")
    with pytest.raises(AlreadyExistsError):
        users.add(PHONE, "another hash")
    assert users.all() == [first]
    assert users.add("13900139000", "hash").id != first.id
    assert [user.phone for user in users.all()] == [PHONE, "13900139000"]


def test_a_hash_is_upgraded_only_if_it_is_still_the_same(users):
    old = users.add(PHONE, "weak")
    assert users.replace_hash(old, "strong", "weak")
    assert users.get(PHONE).password_hash == "strong"
    assert not users.replace_hash(old, "another", "weak")
    assert users.get(PHONE).password_hash == "strong"


def test_one_hash_of_each_kind_is_given(users):
    assert users.some_hashes() == []
    argon2 = "$argon2id$v=19$m=8,t={},p=1$c2FsdA$aGFzaA"
    stored = [argon2.format(1), argon2.format(1) + "x", argon2.format(2), "scrypt:1024:8:1$s$h", "scrypt:1024:8:1$t$h"]
    for number, each in enumerate([*stored, "no hash at all", "", "%s $"]):
        users.add(f"1350013500{number}", each)
    assert sorted(users.some_hashes()) == sorted(["", "%s $", argon2.format(1), argon2.format(2), stored[3]])


@pytest.mark.repeats("users_url")
@pytest.mark.parametrize("text", ["%s %(key)s %", "'; DROP TABLE service_users; --", "\U0001f600", "a\\b"])
def test_any_text_is_kept_as_it_is(users, text):
    assert users.add(PHONE, text, name=text, role=text) == users.get(PHONE)
    assert users.get(PHONE).name == text
    assert users.by_phone(text) is None


@pytest.mark.repeats("users_url")
@pytest.mark.parametrize("other", ["a ", "A", "á", "\uff41", "a\0", ""])
def test_phone_numbers_are_compared_byte_by_byte(users, other):
    added = users.add("a", "hash")
    with suppress(StorageUnavailableError):  # PostgreSQL keeps no NUL
        assert users.by_phone(other) is None
        assert users.add(other, "hash") == users.by_phone(other)
    assert users.by_phone("a") == added


@pytest.mark.repeats("users_url")
@pytest.mark.parametrize("text", ["13800138000\0", "\ud800", "\udcff13800138000"])
def test_F02_a_text_that_a_database_cannot_keep_leaves_it_as_no_error_but_ours(users, text):
    users.add(PHONE, "hash")
    with suppress(StorageUnavailableError):
        assert users.by_phone(text) is None
    with suppress(StorageUnavailableError):
        users.change(PHONE, name=text)
    with suppress(StorageUnavailableError):
        users.replace_hash(users.get(PHONE), text, "hash")
    assert users.by_phone(PHONE) is not None


@pytest.mark.repeats("users_url")
@pytest.mark.parametrize("number", [0, -1, 2**40, 2**63 - 1, 2**63, 10**40])
def test_an_id_that_nobody_has_finds_nobody_or_is_refused_by_the_database(users, number):
    users.add(PHONE, "hash")
    with suppress(StorageUnavailableError):
        assert users.by_id(number) is None
    assert len(users.all()) == 1


def test_of_eight_that_add_one_phone_at_once_one_wins(open_again):
    def add(number: int) -> bool:
        try:
            open_again().add(PHONE, f"hash {number}")
        except AlreadyExistsError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(add, range(8))) == 1


@pytest.mark.unix("rights by mode")
def test_G01_the_file_with_the_hashes_is_readable_for_its_owner_only(tmp_path):
    folder = tmp_path / "open to all? & #1 %41"
    folder.mkdir(mode=0o755)
    before = os.umask(0o022)
    try:
        in_file(folder / "users.db").add(PHONE, "hash")
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / "users.db").stat().st_mode) == 0o600


@pytest.mark.unix("way to take away a file that is open")
def test_F02_a_file_that_vanishes_is_not_made_anew_and_works_again_once_it_is_back(tmp_path):
    path, aside = tmp_path / "users.db", tmp_path / "aside.db"
    users = in_file(path)
    users.add(PHONE, "hash")
    path.rename(aside)
    for _ in range(2):
        with pytest.raises(StorageUnavailableError):
            users.by_phone(PHONE)
    assert not path.exists()
    aside.rename(path)
    assert users.by_phone(PHONE) is not None


@pytest.mark.unix("way to take away a file that is open")
def test_F02_a_file_that_is_put_in_its_place_is_the_one_that_counts(tmp_path):
    path, backup = tmp_path / "users.db", tmp_path / "backup.db"
    users = in_file(path)
    users.add("13900139000", "hash")
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("VACUUM INTO ?", (str(backup),))
    users.add(PHONE, "hash")
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink()
    backup.replace(path)
    assert users.by_phone(PHONE) is None
    assert users.by_phone("13900139000") is not None


@pytest.mark.unix("way to take away a file that is open")
def test_F02_an_empty_file_in_its_place_is_a_fault_and_not_nobody(tmp_path):
    users = in_file(tmp_path / "users.db")
    users.add(PHONE, "hash")
    (tmp_path / "empty.db").touch()
    (tmp_path / "empty.db").replace(tmp_path / "users.db")
    with pytest.raises(StorageUnavailableError):
        users.by_phone(PHONE)


def test_F02_a_file_that_is_no_database_is_a_fault(tmp_path):
    (tmp_path / "users.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(StorageUnavailableError):
        in_file(tmp_path / "users.db").all()


@pytest.mark.unix("way to take away a file that is open")
def test_F02_a_folder_that_is_gone_is_a_fault(tmp_path):
    users = in_file(tmp_path / "folder" / "users.db")
    # Nothing was made yet, and looking makes nothing.
    assert users.all() == []
    (tmp_path / "folder").mkdir()
    users.add(PHONE, "hash")
    shutil.rmtree(tmp_path / "folder")
    with pytest.raises(StorageUnavailableError):
        users.all()


def test_F02_a_locked_file_can_be_read_and_a_write_says_that_it_failed(tmp_path, hold_lock):
    users = in_file(tmp_path / "users.db")
    users.add(PHONE, "hash")
    with hold_lock(tmp_path / "users.db"):
        assert users.by_phone(PHONE) is not None
        with pytest.raises(StorageUnavailableError) as caught:
            users.change(PHONE, name="Bob")
        assert caught.value.slug == "storage_write_failed"
    assert users.change(PHONE, name="Bob").name == "Bob"


FORKING = """
import os, pathlib, sys
from flask_tessera.server.users import open_users

users = open_users(sys.argv[1], pathlib.Path(sys.argv[2]))
users.add("13800138000", "hash")
process = os.fork()
if process == 0:
    os._exit(0 if users.by_phone("13800138000") and users.change("13800138000", name="Child") else 1)
print(os.waitpid(process, 0)[1], users.get("13800138000").name)
"""


@pytest.mark.repeats("users_url")
@pytest.mark.unix("fork")
def test_X12_a_child_process_opens_connections_of_its_own(users_url, tmp_path, run_program):
    assert run_program(FORKING, users_url, tmp_path / "users.db") == "0 Child\n"


DROPPED = """
import gc, os, pathlib, sys
from flask_tessera.server.users import open_users

path = pathlib.Path(sys.argv[1])
for _ in range(2):
    users = open_users("", path)
    users.change("13800138000", name="Bob")
    process = os.fork()
    if process == 0:
        users.get("13800138000")
        os._exit(0)
    assert os.waitpid(process, 0)[1] == 0
    del users
    gc.collect()
    opened = {os.path.realpath(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")}
    assert str(path) not in opened, opened
left = open_users("", path)
left.all()
"""


@pytest.mark.unix("fork")
def test_X12_users_that_are_dropped_or_left_at_the_end_leave_no_open_connection(tmp_path):
    """Python 3.13 warns of connections that nobody has closed."""
    in_file(tmp_path / "users.db").add(PHONE, "hash")
    command = [sys.executable, "-W", "error", "-c", DROPPED, str(tmp_path / "users.db")]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


# -- Where they live ---------------------------------------------------------------------------------------------------

TABLE_OF_0_1 = """CREATE TABLE service_users (
    id {id} NOT NULL, phone TEXT NOT NULL, password_hash TEXT NOT NULL, name TEXT NOT NULL, head_portrait TEXT NOT NULL,
    intro TEXT NOT NULL, level INTEGER NOT NULL, role TEXT NOT NULL, disabled BOOLEAN NOT NULL,
    {primary} UNIQUE (phone))"""
ROW_OF_0_1 = (
    "INSERT INTO service_users (phone, password_hash, name, head_portrait, intro, level, role, disabled)"
    " VALUES ('13800138000', 'hash', 'Ada', '', '', 3, '', {false})"
)


def write_file_of_0_1(path: Path) -> None:
    """A file with one user, as 0.1 made it."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("PRAGMA journal_mode = WAL")
        made = TABLE_OF_0_1.format(id="INTEGER PRIMARY KEY AUTOINCREMENT", primary="")
        database.execute(made.replace(" NOT NULL, phone", ", phone", 1))
        database.execute(ROW_OF_0_1.format(false="0"))


def test_R03_a_file_of_0_1_is_taken_over_and_its_ids_stay(tmp_path):
    write_file_of_0_1(tmp_path / "tessera.db")
    users = in_file(tmp_path / "tessera.db")
    assert users.by_phone(PHONE) == users.by_id(1) == User(1, PHONE, "hash", "Ada", "", "", 3, "", disabled=False)
    assert users.add("13900139000", "hash").id.bit_length() == 63
    assert users.change(PHONE, level=4).id == 1
    assert users.change(PHONE, scope="orders").scope == "orders"


def test_R03_a_table_without_scopes_is_completed_and_its_users_stay(users, open_again, users_url, tmp_path):
    added = users.add(PHONE, "hash", scope="orders")
    assert users.get(PHONE) == added
    drop_scopes(users_url, tmp_path / "users.db")
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: open_again().get(PHONE), range(4)))
    assert found == [replace(added, scope="")] * 4
    assert open_again().change(PHONE, scope="orders") == added


def drop_scopes(url: str, file: Path) -> None:
    statement = "ALTER TABLE service_users DROP COLUMN scope"
    if url.startswith("postgresql"):
        address, _, schema = url.partition("?schema=")
        with closing(psycopg.connect(address, autocommit=True)) as connection:
            connection.execute(statement.replace("service_users", f"{schema}.service_users"))
    elif url:
        execute_mysql(url, statement)
    else:
        with closing(sqlite3.connect(file)) as database:
            database.execute(statement)


def test_R03_a_table_of_0_1_in_postgresql_is_taken_over_and_its_ids_stay(tmp_path):
    if reason := why_not("postgres"):
        pytest.skip(reason)
    with fresh("postgres") as url, closing(psycopg.connect(url.partition("?")[0], autocommit=True)) as connection:
        schema = url.rpartition("=")[2]
        connection.execute(f"CREATE SCHEMA {schema}; SET search_path TO {schema}")
        id_of_0_1 = "BIGINT GENERATED BY DEFAULT AS IDENTITY"
        connection.execute(TABLE_OF_0_1.format(id=id_of_0_1, primary="PRIMARY KEY (id),"))
        connection.execute(ROW_OF_0_1.format(false="false"))
        users = open_users(url, tmp_path / "never.db")
        assert users.by_phone(PHONE) == users.by_id(1) == User(1, PHONE, "hash", "Ada", "", "", 3, "", disabled=False)
        assert users.add("13900139000", "hash").id.bit_length() == 63
        assert users.delete(PHONE).id == 1


def test_R03_a_new_table_begins_with_the_users_of_the_file_in_the_data_folder(users_url, tmp_path, caplog):
    write_file_of_0_1(tmp_path / "tessera.db")
    url = users_url or f"sqlite:///{tmp_path / 'other.db'}"
    users = open_users(url, tmp_path / "tessera.db")
    assert [(user.id, user.name) for user in users.all()] == [(1, "Ada")]
    assert f"begins with the 1 users of {tmp_path / 'tessera.db'}" in caplog.text
    # Once: who is deleted does not come back with the next start.
    users.delete(PHONE)
    assert open_users(url, tmp_path / "tessera.db").all() == []
    assert in_file(tmp_path / "tessera.db").by_id(1) is not None


def test_what_a_crash_left_of_a_table_in_mysql_is_not_taken_for_one(tmp_path):
    if reason := why_not("mariadb"):
        pytest.skip(reason)
    write_file_of_0_1(tmp_path / "tessera.db")
    with fresh("mariadb") as url:
        execute_mysql(url, "CREATE TABLE service_users_draft (id INTEGER)")
        assert len(open_users(url, tmp_path / "tessera.db").all()) == 1
        assert execute_mysql(url, "SHOW TABLES") == (("service_users",),)


def test_they_live_in_the_storage_if_that_is_sqlite_and_what_is_in_the_folder_is_taken_over(tmp_path, make_service):
    write_file_of_0_1(tmp_path / "tessera.db")
    app = make_service(tmp_path, TESSERA_STORE_URL=f"sqlite:///{tmp_path / 'store.db'}")
    app.extensions["tessera_service"].users.add("13900139000", "hash")
    with closing(sqlite3.connect(tmp_path / "store.db")) as database:
        assert database.execute("SELECT count(*) FROM service_users").fetchone() == (2,)
    app.extensions["tessera_service"].tessera.close(app)


@pytest.mark.repeats("users_url")
def test_S03_machines_with_their_sessions_in_redis_share_users(users_url, tmp_path, make_service):
    if reason := why_not("redis8"):
        pytest.skip(reason)
    shared = users_url or f"sqlite:///{tmp_path / 'shared.db'}"
    with fresh("redis8") as store:
        settings = {"TESSERA_STORE_URL": store, "TESSERA_USERS_URL": shared}
        apps = [make_service(tmp_path / name, **settings) for name in ("one", "two")]
        first, second = (app.extensions["tessera_service"] for app in apps)
        with apps[0].app_context():
            user = administration.add(first, PHONE, PASSWORD, name="Ada")
        tokens = [app.test_client().post("/login", json={"phone": PHONE, "password": PASSWORD}).json for app in apps]
        assert [token["code"] for token in tokens] == [0, 0]
        second.users.change(PHONE, disabled=True)
        assert first.users.by_id(user.id) is None
        for app in apps:
            app.extensions["tessera_service"].tessera.close(app)
    assert not list(tmp_path.glob("*/*.db"))


def test_S03_a_newcomer_to_a_lost_file_gets_nobody_elses_sessions_in_redis(tmp_path, make_service):
    """A container without a volume: its users are gone, and the sessions of their ids are not."""
    if reason := why_not("redis8"):
        pytest.skip(reason)
    with fresh("redis8") as store:
        before = make_service(tmp_path / "before", TESSERA_STORE_URL=store)
        service = before.extensions["tessera_service"]
        with before.app_context():
            token = service.tessera.create_token(service.users.add(PHONE, "hash", name="Ada"))
        service.tessera.close(before)
        after = make_service(tmp_path / "after", TESSERA_STORE_URL=store)
        service = after.extensions["tessera_service"]
        newcomer = service.users.add("13900139000", "hash", name="Eve")
        reply = after.test_client().get("/user/detail", headers={"z-token": token})
        assert reply.json["code"] == 4101
        with after.app_context():
            assert service.tessera.sessions(newcomer) == []
        service.tessera.close(after)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("redis://:hunter2@h/0", "'redis' is not supported; use sqlite:///file.db, postgresql://"),
        ("sqlite://", "SQLite needs a file"),
        ("sqlite:///:memory:", "SQLite needs a file"),
        ("postgresql://u:hunter2@h/x?sslmod=require", "do you mean 'sslmode'"),
        ("postgresql://u:hunter2@h:port/x", "this is not postgresql://"),
        ("mysql://u:hunter2@h:port/x", "this is not mysql://"),
        ("mysql://u:hunter2@h/", "must name a database"),
        ("mysql://u:hunt@er2@h/x", "write @ as %40"),
        ("mysql://u:hunter2@h/x?read_timeout=60", "no option 'read_timeout'"),
        ("mysql://u:hunter2@h/x?pool=0", "pool= must be a number"),
        ("mysql://u:hunter2@h/x?ssl_verify_cert=yes", "ssl_verify_cert must be true or false"),
    ],
)
def test_K08_a_url_that_is_none_stops_the_service_without_its_password(tmp_path, make_service, url, text):
    with pytest.raises(ConfigError) as caught:
        make_service(tmp_path, TESSERA_USERS_URL=url)
    assert str(caught.value).startswith("TESSERA_USERS_URL: ")
    assert text in str(caught.value)
    assert "hunt" not in str(caught.value)


def test_K08_the_setting_that_is_wrong_is_named(tmp_path, make_service):
    with pytest.raises(ConfigError, match=r"^STORE_URL: this is not postgresql://"):
        make_service(tmp_path, TESSERA_STORE_URL="postgresql://u:hunter2@h:port/x")


@pytest.mark.unix("rights by mode")
def test_K08_a_file_that_everybody_can_write_keeps_no_users(tmp_path, make_service):
    (tmp_path / "open.db").touch(0o666)
    (tmp_path / "open.db").chmod(0o666)
    with pytest.raises(ConfigError, match="TESSERA_USERS_URL: everybody on this machine can write"):
        make_service(tmp_path / "data", TESSERA_USERS_URL=f"sqlite:///{tmp_path / 'open.db'}")


# -- A database that does not answer -----------------------------------------------------------------------------------


@pytest.fixture
def mariadb() -> Iterator[str]:
    if reason := why_not("mariadb"):
        pytest.skip(reason)
    with fresh("mariadb") as url:
        yield url


def execute_mysql(url: str, *statements: str) -> tuple[tuple[object, ...], ...]:
    """Carry out statements as root; gives the rows of the last one."""
    place = urlsplit(url)
    options = {"host": place.hostname, "port": place.port, "user": "root", "database": place.path[1:]}
    with closing(pymysql.connect(**options, autocommit=True)) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return cursor.fetchall()


def test_F02_connections_that_mysql_has_ended_are_replaced_without_a_word(mariadb, tmp_path):
    users = open_users(mariadb, tmp_path / "never.db")
    users.add(PHONE, "hash")
    database = urlsplit(mariadb).path[1:]
    for act in (lambda: users.by_phone(PHONE), lambda: users.change(PHONE, name="Bob"), users.all):
        found = f"SELECT id FROM information_schema.processlist WHERE db = '{database}' AND id <> CONNECTION_ID()"
        for (number,) in execute_mysql(mariadb, found):
            execute_mysql(mariadb, f"KILL {number}")
        assert act()


@pytest.mark.slow
def test_F02_a_row_that_is_locked_in_mysql_can_be_read_and_a_write_gives_up(mariadb, tmp_path):
    users = open_users(mariadb, tmp_path / "never.db")
    users.add(PHONE, "hash")
    place = urlsplit(mariadb)
    options = {"host": place.hostname, "port": place.port, "user": "root", "database": place.path[1:]}
    with closing(pymysql.connect(**options)) as other:
        other.cursor().execute("SELECT * FROM service_users FOR UPDATE")
        with pytest.raises(StorageUnavailableError, match="1205"):
            users.change(PHONE, name="Bob")
        assert users.by_phone(PHONE) is not None
    assert users.change(PHONE, name="Bob").name == "Bob"


def test_F02_a_text_that_is_too_long_for_mysql_is_refused_and_not_cut(mariadb, tmp_path):
    ((default,),) = execute_mysql(mariadb, "SELECT @@GLOBAL.sql_mode")
    execute_mysql(mariadb, "SET GLOBAL sql_mode = ''")
    users = open_users(mariadb, tmp_path / "never.db")
    with pytest.raises(StorageUnavailableError):
        users.add("1" * 256, "hash")
    execute_mysql(mariadb, f"SET GLOBAL sql_mode = '{default}'")
    assert users.all() == []


def test_F02_a_user_of_mysql_who_may_not_make_the_table_is_told_what_to_grant(mariadb, tmp_path):
    database = urlsplit(mariadb).path[1:]
    role = f"r{database[:15]}"
    execute_mysql(mariadb, f"CREATE USER {role}@'127.0.0.1'", f"GRANT SELECT ON {database}.* TO {role}@'127.0.0.1'")
    theirs = mariadb.replace("root@", f"{role}@")
    with pytest.raises(ConfigError, match=f"grant CREATE, INSERT, ALTER and DROP on this database to {role}@127"):
        open_users(theirs, tmp_path / "never.db").all()
    execute_mysql(mariadb, f"GRANT CREATE, INSERT, ALTER, DROP ON {database}.* TO {role}@'127.0.0.1'")
    assert open_users(theirs, tmp_path / "never.db").add(PHONE, "hash").phone == PHONE
    execute_mysql(mariadb, f"DROP USER {role}@'127.0.0.1'")


@pytest.mark.slow
@pytest.mark.parametrize("make", [PostgresServer, MariaDBServer], ids=["postgres", "mariadb"])
def test_F02_users_of_a_server_that_hangs_are_a_fault_and_back_by_themselves(make, tmp_path):
    with make(fsync=True) as server:
        users = open_users(server.url, tmp_path / "never.db")
        added = users.add(PHONE, "hash")
        acts = (
            lambda: users.by_phone(PHONE),
            lambda: users.by_id(added.id),
            lambda: users.replace_hash(added, "another", "hash"),
            users.some_hashes,
        )
        server.stop()
        for act in acts:
            with pytest.raises(StorageUnavailableError):
                act()
        server.cont()
        wait_until(lambda: _finds(users, PHONE), "the users are back")
        server.kill()
        with pytest.raises(StorageUnavailableError):
            users.by_phone(PHONE)
        server.restart()
        wait_until(lambda: _finds(users, PHONE), "the users are back")


def _finds(users: Users, phone: str) -> bool:
    try:
        return users.by_phone(phone) is not None
    except StorageUnavailableError:
        return False


@pytest.mark.slow
@pytest.mark.unix("fork")
def test_X10_processes_that_make_the_table_at_once_all_find_it_made(users_url, tmp_path, run_program):
    write_file_of_0_1(tmp_path / "tessera.db")
    url = users_url or f"sqlite:///{tmp_path / 'other.db'}"
    assert run_program(RACE, url, tmp_path / "tessera.db") == f"{[0] * 6}\n"
    phones = [PHONE, *(f"1390013900{number}" for number in range(6))]
    assert [user.phone for user in open_users(url, tmp_path / "tessera.db").all()] == phones


RACE = """
import logging, os, pathlib, sys
from flask_tessera.errors import AlreadyExistsError, StorageUnavailableError
from flask_tessera.server.users import open_users

def add(users, phone):
    while True:
        try:
            return users.add(phone, "hash")
        except StorageUnavailableError:
            pass  # A busy machine has let it wait for too long.
        except AlreadyExistsError:
            return None  # It was added; only the answer came too late.

logging.disable()
ready, go = os.pipe()
children = []
for number in range(6):
    child = os.fork()
    if child == 0:
        users = open_users(sys.argv[1], pathlib.Path(sys.argv[2]))
        os.close(go)
        os.read(ready, 1)
        add(users, f"1390013900{number}")
        os._exit(0)
    children.append(child)
os.close(go)
print([os.waitpid(child, 0)[1] for child in children])
"""


# -- Administration ----------------------------------------------------------------------------------------------------


@pytest.mark.repeats("users_url")
@pytest.mark.parametrize("phone", ["", "1380013800", "13800138000\n", "\udcff", "１３８００１３８０００"])
@pytest.mark.parametrize("act", ["disable", "enable", "delete"])
def test_what_is_no_phone_number_names_nobody(service, act, phone):
    with pytest.raises(InputError):
        getattr(administration, act)(service, phone)


@pytest.mark.repeats("users_url")
@pytest.mark.parametrize("act", ["disable", "enable", "delete"])
def test_an_unknown_phone_is_told_to_an_administrator(service, act):
    with pytest.raises(NotFoundError):
        getattr(administration, act)(service, "13900139000")


@pytest.mark.repeats("users_url")
@pytest.mark.parametrize("password", ["", "seven!!", "x" * 1025, "with a NUL \0", "a surrogate \ud800"])
def test_L03_L04_a_password_that_cannot_be_one_adds_nobody(service, password):
    with pytest.raises(InputError):
        administration.add(service, "13900139000", password)
    assert service.users.by_phone("13900139000") is None


@pytest.mark.repeats("users_url")
@pytest.mark.parametrize("password", ["Password1!", "13900139000", "AdaLovelace1815", "tessera2024"])
def test_L04_a_common_password_is_refused_to_the_administrator_too(service, password):
    with pytest.raises(InputError) as caught:
        administration.add(service, "13900139000", password, name="Ada Lovelace")
    assert caught.value.slug == "password_common"
    assert service.users.by_phone("13900139000") is None
    administration.add(service, "13900139000", PASSWORD, name="Ada Lovelace")
    with pytest.raises(InputError) as caught:
        administration.set_password(service, "13900139000", password)
    assert caught.value.slug == "password_common"
    assert service.passwords.verify(service.users.get("13900139000").password_hash, PASSWORD)


@pytest.mark.repeats("users_url")
@pytest.mark.parametrize("name", ["a\nb", "\x1b[2Jgone", "a\tb", "\u202ebackwards", "\udcff", "\x00"])
def test_G02_a_name_that_a_terminal_could_not_show_adds_nobody(service, name):
    with pytest.raises(InputError):
        administration.add(service, "13900139000", PASSWORD, name=name)
    with pytest.raises(InputError):
        administration.add(service, "13900139000", PASSWORD, role=name)


@pytest.mark.repeats("users_url")
def test_S03_disabling_ends_all_sessions_and_enabling_revives_none(service):
    tokens = [service.tessera.create_token(service.users.get(PHONE)) for _ in range(3)]
    assert administration.disable(service, PHONE) == 3
    administration.enable(service, PHONE)
    assert [service.tessera.verify_token(token) for token in tokens] == [None] * 3
    assert service.tessera.verify_token(service.tessera.create_token(service.users.get(PHONE))) is not None


@pytest.mark.repeats("users_url")
def test_S03_disabling_twice_is_as_good_as_once(service):
    administration.disable(service, PHONE)
    assert administration.disable(service, PHONE) == 0
    administration.enable(service, PHONE)
    administration.enable(service, PHONE)
    assert service.tessera.verify_token(service.tessera.create_token(service.users.get(PHONE))) is not None


@pytest.mark.repeats("users_url")
def test_S03_deleting_ends_all_sessions_and_the_phone_is_free_again(service):
    token = service.tessera.create_token(service.users.get(PHONE))
    assert administration.delete(service, PHONE) == 1
    assert service.tessera.verify_token(token) is None
    assert administration.add(service, PHONE, PASSWORD).id != 1
    assert service.tessera.verify_token(token) is None


@pytest.mark.repeats("users_url")
def test_S04_a_new_password_ends_all_sessions(service):
    token = service.tessera.create_token(service.users.get(PHONE))
    administration.set_password(service, PHONE, "another password")
    assert service.tessera.verify_token(token) is None
    assert service.passwords.verify(service.users.get(PHONE).password_hash, "another password")
    assert not service.passwords.verify(service.users.get(PHONE).password_hash, PASSWORD)


def test_R02_no_password_stands_in_the_file(app, tmp_path):
    with app.app_context():
        administration.add(app.extensions["tessera_service"], "13900139000", "a very plain password")
    with closing(sqlite3.connect(tmp_path / "tessera.db")) as database, database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert b"plain password" not in (tmp_path / "tessera.db").read_bytes()
