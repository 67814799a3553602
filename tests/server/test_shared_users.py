"""Users in PostgreSQL: several machines share them, and whatever is wrong with the server is told."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from flask_tessera.errors import ConfigError, StorageUnavailableError
from flask_tessera.server.users import open_users
from tests.servers import PostgresServer, forked, fresh_database, wait_until, why_not

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask_tessera.server.users import Users

PHONE = "13800138000"
OTHER_PHONE = "13900139000"
PASSWORD = "correct horse battery"
"""Seconds for which the other processes of a test run may hold up an answer."""
reason = why_not("postgres")
pytestmark = pytest.mark.skipif(reason is not None, reason=str(reason))


@pytest.fixture
def url() -> Iterator[str]:
    with fresh_database() as url:
        yield url


@pytest.fixture
def users(url, tmp_path) -> Users:
    return open_users(url, tmp_path / "never.db")


def execute(url: str, *statements: str) -> list[tuple[Any, ...]]:
    """Carry out statements as the owner of the database; gives the rows of the last one."""
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        for statement in statements[:-1]:
            connection.execute(statement)
        last = connection.execute(statements[-1])
        return last.fetchall() if last.description else []


def end_other_connections(url: str) -> None:
    execute(
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )


# -- Where they live ---------------------------------------------------------------------------------------------------


def test_they_live_in_the_schema_that_the_url_names_and_no_file_is_made(url, tmp_path):
    for name, number in (("", PHONE), ("?schema=odd%20na.me", OTHER_PHONE)):
        users = open_users(url + name, tmp_path / "never.db")
        users.add(number, "hash")
        assert [user.phone for user in users.all()] == [number]
    query = "SELECT table_schema FROM information_schema.tables WHERE table_name = 'service_users'"
    assert sorted(execute(url, query)) == [("odd na.me",), ("tessera",)]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_any_name_of_the_scheme_leads_to_the_same_users(url, users, tmp_path, scheme):
    added = users.add(PHONE, "hash")
    spelt = f"{scheme}:{url.partition(':')[2]}"
    assert open_users(spelt, tmp_path / "never.db").all() == [added]


def test_X10_threads_that_make_the_table_at_once_all_find_it_made(url, tmp_path):
    def add(number: int) -> int:
        return open_users(url, tmp_path / "never.db").add(f"1380013800{number}", "hash").id

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(add, range(8)))) == 8


def test_more_threads_than_connections_take_turns(users):
    users.add(PHONE, "hash")

    def find(_):
        # On a busy machine somebody may wait for too long, and asks again.
        for _ in range(20):
            with suppress(StorageUnavailableError):
                return users.by_phone(PHONE)
        return None

    with ThreadPoolExecutor(40) as pool:
        found = list(pool.map(find, range(200)))
    assert {user.phone for user in found if user} == {PHONE}
    assert None not in found


# -- Those of the file before ------------------------------------------------------------------------------------------


def test_a_new_table_begins_with_the_users_of_the_file_and_their_ids(url, tmp_path, caplog):
    former = open_users("", tmp_path / "tessera.db")
    texts = {"name": "a\tb\\N\n'\U0001f600", "role": "\\N", "level": 7}
    kept = [former.add(f"1350013500{number}", f"hash {number}", **texts) for number in range(4)]
    former.delete(kept.pop(3).phone)
    former.delete(kept.pop(0).phone)
    kept[0] = former.change(kept[0].phone, disabled=True)
    users = open_users(url, tmp_path / "tessera.db")
    assert users.all() == kept == former.all()
    assert f"begins with the 2 users of {tmp_path / 'tessera.db'}" in caplog.text
    users.add(PHONE, "hash")
    former.add(OTHER_PHONE, "hash")
    assert open_users(url, tmp_path / "tessera.db").by_phone(OTHER_PHONE) is None


def test_X10_of_processes_that_make_the_table_at_once_one_brings_the_users_of_the_file(url, tmp_path):
    kept = open_users("", tmp_path / "tessera.db").add(OTHER_PHONE, "hash")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: open_users(url, tmp_path / "tessera.db").all(), range(8)))
    assert found == [[kept]] * 8


def test_F02_a_file_that_cannot_be_read_makes_no_table_without_its_users(url, tmp_path):
    (tmp_path / "tessera.db").write_bytes(b"no database at all" * 100)
    users = open_users(url, tmp_path / "tessera.db")
    for _ in range(2):
        with pytest.raises(StorageUnavailableError):
            users.all()
    (tmp_path / "tessera.db").unlink()
    assert users.all() == []


# -- Two machines ------------------------------------------------------------------------------------------------------


def command(folder, environment, url, *words: str, sent: str = "") -> str:
    return forked.run("flask_tessera.cli", [*words, "--data", str(folder), "--store", url], environment(), sent)


@pytest.mark.slow
def test_S03_two_machines_share_users_and_sessions(url, serve_from, tmp_path, environment):
    folders = [tmp_path / name for name in ("one", "two")]
    first, second = (serve_from(folder)("--store", url) for folder in folders)
    token = first.log_in()
    assert second.call("GET", "/user/detail", token=token).json["data"]["name"] == "Ada"
    added = command(folders[1], environment, url, "users", "add", OTHER_PHONE, "--password-stdin", sent=PASSWORD)
    assert added.endswith(f" with phone {OTHER_PHONE}\n")
    assert second.call("GET", "/user/detail", token=first.log_in(OTHER_PHONE)).json["code"] == 0
    assert command(folders[0], environment, url, "users", "disable", PHONE).startswith(f"disabled {PHONE}; 1 sessions")
    for server in (first, second):
        wait_until(lambda: server.call("GET", "/user/detail", token=token).json["code"] == 4101, "refused")  # noqa: B023
        refused = server.call("POST", "/login", {"phone": PHONE, "password": PASSWORD})
        assert refused.json["error"] == "login_refused"
    assert [path.name for folder in folders if folder.exists() for path in folder.iterdir()] == []


def test_S03_a_disabled_user_is_refused_by_the_very_next_request_to_another_machine(url, tmp_path, make_service):
    apps = [make_service(tmp_path / name, TESSERA_STORE_URL=url) for name in ("one", "two")]
    first, second = (app.extensions["tessera_service"] for app in apps)
    user = first.users.add(PHONE, "hash")
    with apps[0].app_context():
        token = first.tessera.create_token(user)
    detail = {"headers": {"z-token": token}}
    assert [app.test_client().get("/user/detail", **detail).json["code"] for app in apps] == [0, 0]
    # Its row alone, without its sessions: as long as the other machine has not heard, that must do.
    second.users.change(PHONE, disabled=True)
    assert [app.test_client().get("/user/detail", **detail).json["code"] for app in apps] == [4101, 4101]
    for app in apps:
        app.extensions["tessera_service"].tessera.close(app)


# -- When something is wrong -------------------------------------------------------------------------------------------


def test_F02_lost_connections_are_replaced_without_a_word(url, users):
    users.add(PHONE, "hash")
    for act in (lambda: users.by_phone(PHONE), lambda: users.change(PHONE, name="Bob"), users.all):
        end_other_connections(url)
        assert act()


def test_F02_a_table_that_vanishes_is_not_made_anew_and_works_again_once_it_is_back(url, users, tmp_path):
    added = users.add(PHONE, "hash")
    execute(url, "ALTER TABLE tessera.service_users RENAME TO aside")
    for _ in range(2):
        with pytest.raises(StorageUnavailableError):
            users.by_phone(PHONE)
        end_other_connections(url)
    execute(url, "ALTER TABLE tessera.aside RENAME TO service_users")
    assert users.by_phone(PHONE) == added


def test_F02_a_schema_that_is_dropped_is_a_fault_and_not_nobody(url, users, tmp_path):
    users.add(PHONE, "hash")
    execute(url, "DROP SCHEMA tessera CASCADE")
    for act in (users.all, lambda: users.by_phone(PHONE), lambda: users.add(PHONE, "hash")):
        with pytest.raises(StorageUnavailableError):
            act()
    # Whoever starts now has a table without anybody; and with it, all the others.
    assert open_users(url, tmp_path / "never.db").all() == users.all() == []


def test_F02_a_database_that_is_read_only_can_be_read_and_a_write_says_that_it_failed(url, users):
    added = users.add(PHONE, "hash")
    database = url.rpartition("/")[2]
    execute(url, f"ALTER DATABASE {database} SET default_transaction_read_only TO on")
    end_other_connections(url)
    assert users.by_phone(PHONE) == added
    for act in (lambda: users.add(OTHER_PHONE, "hash"), lambda: users.change(PHONE, name="Bob")):
        with pytest.raises(StorageUnavailableError) as caught:
            act()
        assert caught.value.slug == "storage_write_failed"
    execute(url, "SET default_transaction_read_only TO off", f"ALTER DATABASE {database} RESET ALL")
    end_other_connections(url)
    assert users.change(PHONE, name="Bob").name == "Bob"


@pytest.mark.slow
def test_F02_a_locked_table_can_be_read_and_a_write_gives_up(url, users):
    users.add(PHONE, "hash")
    with closing(psycopg.connect(url)) as other:
        other.execute("SELECT * FROM tessera.service_users FOR UPDATE")
        with pytest.raises(StorageUnavailableError):
            users.change(PHONE, name="Bob")
        assert users.by_phone(PHONE) is not None
    assert users.change(PHONE, name="Bob").name == "Bob"


@pytest.fixture
def restricted(url) -> Iterator[tuple[str, str]]:
    """A role that may use the schema and what is in it, and make nothing; and the URL with which it connects."""
    role = f"r{url.rpartition('/')[2]}"
    yield role, url.replace("postgres@", f"{role}@")
    execute(url, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def test_F02_a_role_that_may_not_make_the_table_is_told_what_to_run(url, restricted, make_service, tmp_path):
    role, restricted_url = restricted
    app = make_service(tmp_path, TESSERA_STORE_URL=url)
    app.extensions["tessera_service"].tessera.close(app)
    execute(
        url,
        "DROP TABLE tessera.service_users",
        f"CREATE ROLE {role} LOGIN",
        f"GRANT USAGE ON SCHEMA tessera TO {role}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA tessera TO {role}",
    )
    users = open_users(restricted_url, tmp_path / "never.db")
    with pytest.raises(ConfigError) as caught:
        users.all()
    remedy = str(caught.value).partition(" run: ")[2]
    assert remedy == f'GRANT CREATE ON SCHEMA "tessera" TO "{role}"'
    execute(url, remedy)
    assert users.all() == []
    assert [users.add(PHONE, "hash")] == users.all()


def test_F02_a_role_that_may_not_complete_the_table_is_told_what_to_run(url, restricted, users, tmp_path):
    role, restricted_url = restricted
    added = users.add(PHONE, "hash")
    execute(
        url,
        "ALTER TABLE tessera.service_users DROP COLUMN scope",
        f"CREATE ROLE {role} LOGIN",
        f"GRANT USAGE ON SCHEMA tessera TO {role}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA tessera TO {role}",
    )
    theirs = open_users(restricted_url, tmp_path / "never.db")
    with pytest.raises(ConfigError) as caught:
        theirs.all()
    remedy = str(caught.value).partition(" run: ")[2]
    assert remedy == 'ALTER TABLE "tessera".service_users ADD COLUMN scope TEXT'
    execute(url, remedy)
    assert theirs.all() == [added]


@pytest.mark.parametrize("right", ["USAGE ON SCHEMA tessera", "SELECT ON tessera.service_users"])
def test_F02_a_right_that_is_taken_away_closes_the_door_until_it_is_given_back(url, restricted, tmp_path, users, right):
    role, restricted_url = restricted
    added = users.add(PHONE, "hash")
    execute(
        url,
        f"CREATE ROLE {role} LOGIN",
        f"GRANT USAGE ON SCHEMA tessera TO {role}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA tessera TO {role}",
    )
    theirs = open_users(restricted_url, tmp_path / "never.db")
    assert theirs.all() == [added]
    theirs.add(OTHER_PHONE, "hash")
    execute(url, f"REVOKE {right} FROM {role}")
    for _ in range(2):
        with pytest.raises(StorageUnavailableError):
            theirs.by_phone(PHONE)
        end_other_connections(url)
    execute(url, f"GRANT {right} TO {role}")
    assert theirs.by_phone(PHONE) == added


@pytest.mark.long
def test_F02_the_service_answers_503_while_the_server_hangs_or_is_gone_and_works_again(serve):
    with PostgresServer(fsync=True) as store:
        # No limit: one login after another must not take the place of the first.
        server = serve("--store", store.url, TESSERA_HTTP_STATUS="semantic", TESSERA_MAX_SESSIONS="0")
        token = server.log_in()

        def statuses() -> set[int]:
            return {
                status(server, "POST", "/login", {"phone": PHONE, "password": PASSWORD}),
                status(server, "GET", "/user/detail", token=token),
                status(server, "GET", "/healthz"),
            }

        for break_it, mend_it in ((store.stop, store.cont), (store.kill, store.restart)):
            break_it()
            assert statuses() == {503}
            assert statuses() == {503}
            mend_it()
            wait_until(lambda: statuses() == {200}, "it works again")
        code, errors = server.stop()
    assert (code, "Traceback" in errors) == (0, False)


def status(server: Any, *request: Any, **more: Any) -> int:
    """The status of an answer, which must be of the two kinds that there are."""
    reply = server.call(*request, **more)
    assert reply.status in (200, 503), reply.body
    assert reply.status == 200 or reply.headers["retry-after"] == "1"
    answered: int = reply.status
    return answered
