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
from typing import TYPE_CHECKING

import pytest

from flask_tessera.errors import AlreadyExistsError, InputError, NotFoundError, StorageUnavailableError
from flask_tessera.server import administration
from flask_tessera.server.users import open_users

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flask_tessera.server.app import Service
    from flask_tessera.server.users import Users

PHONE = "13800138000"
PASSWORD = "correct horse battery"


@pytest.fixture
def service(tmp_path, clock, make_service, password_hash, users_url) -> Iterator[Service]:
    app = make_service(tmp_path, clock, TESSERA_STORE_URL=users_url)
    app.extensions["tessera_service"].users.add(PHONE, password_hash, name="Ada", level=3)
    with app.app_context():
        yield app.extensions["tessera_service"]
        app.extensions["tessera_service"].tessera.close(app)


def in_file(path: Path) -> Users:
    return open_users("", path)


# -- The table ---------------------------------------------------------------------------------------------------------


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


def test_the_id_of_a_deleted_user_never_becomes_anothers(users):
    first = users.add(PHONE, "hash")
    users.delete(PHONE)
    assert users.add(PHONE, "hash").id > first.id


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
    assert users.add("13900139000", "hash").id > first.id


def test_a_hash_is_upgraded_only_if_it_is_still_the_same(users):
    old = users.add(PHONE, "weak")
    users.upgrade_hash(old, "strong")
    assert users.get(PHONE).password_hash == "strong"
    users.upgrade_hash(old, "another")
    assert users.get(PHONE).password_hash == "strong"


def test_one_hash_of_each_kind_is_given(users):
    assert users.some_hashes() == []
    argon2 = "$argon2id$v=19$m=8,t={},p=1$c2FsdA$aGFzaA"
    stored = [argon2.format(1), argon2.format(1) + "x", argon2.format(2), "scrypt:1024:8:1$s$h", "scrypt:1024:8:1$t$h"]
    for number, each in enumerate([*stored, "no hash at all", "", "%s $"]):
        users.add(f"1350013500{number}", each)
    assert sorted(users.some_hashes()) == sorted(["", "%s $", argon2.format(1), argon2.format(2), stored[3]])


@pytest.mark.parametrize("text", ["%s %(key)s %", "'; DROP TABLE service_users; --", "\U0001f600", "a\\b"])
def test_any_text_is_kept_as_it_is(users, text):
    assert users.add(PHONE, text, name=text, role=text) == users.get(PHONE)
    assert users.get(PHONE).name == text
    assert users.by_phone(text) is None


@pytest.mark.parametrize("text", ["13800138000\0", "\ud800", "\udcff13800138000"])
def test_F02_a_text_that_a_database_cannot_keep_leaves_it_as_no_error_but_ours(users, text):
    users.add(PHONE, "hash")
    with suppress(StorageUnavailableError):
        assert users.by_phone(text) is None
    with suppress(StorageUnavailableError):
        users.change(PHONE, name=text)
    with suppress(StorageUnavailableError):
        users.upgrade_hash(users.get(PHONE), text)
    assert users.by_phone(PHONE) is not None


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


# -- Administration ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "phone", ["", "1380013800", "+8613800138000", "13800138000\n", "\udcff", "１３８００１３８０００"]
)
@pytest.mark.parametrize("act", ["disable", "enable", "delete"])
def test_what_is_no_phone_number_names_nobody(service, act, phone):
    with pytest.raises(InputError):
        getattr(administration, act)(service, phone)


@pytest.mark.parametrize("act", ["disable", "enable", "delete"])
def test_an_unknown_phone_is_told_to_an_administrator(service, act):
    with pytest.raises(NotFoundError):
        getattr(administration, act)(service, "13900139000")


@pytest.mark.parametrize("password", ["", "seven!!", "x" * 1025, "with a NUL \0", "a surrogate \ud800"])
def test_L03_L04_a_password_that_cannot_be_one_adds_nobody(service, password):
    with pytest.raises(InputError):
        administration.add(service, "13900139000", password)
    assert service.users.by_phone("13900139000") is None


@pytest.mark.parametrize("name", ["a\nb", "\x1b[2Jgone", "a\tb", "\u202ebackwards", "\udcff", "\x00"])
def test_G02_a_name_that_a_terminal_could_not_show_adds_nobody(service, name):
    with pytest.raises(InputError):
        administration.add(service, "13900139000", PASSWORD, name=name)
    with pytest.raises(InputError):
        administration.add(service, "13900139000", PASSWORD, role=name)


def test_S03_disabling_ends_all_sessions_and_enabling_revives_none(service):
    tokens = [service.tessera.create_token(1) for _ in range(3)]
    assert administration.disable(service, PHONE) == 3
    administration.enable(service, PHONE)
    assert [service.tessera.verify_token(token) for token in tokens] == [None] * 3
    assert service.tessera.verify_token(service.tessera.create_token(1)) is not None


def test_S03_disabling_twice_is_as_good_as_once(service):
    administration.disable(service, PHONE)
    assert administration.disable(service, PHONE) == 0
    administration.enable(service, PHONE)
    administration.enable(service, PHONE)
    assert service.tessera.verify_token(service.tessera.create_token(1)) is not None


def test_S03_deleting_ends_all_sessions_and_the_phone_is_free_again(service):
    token = service.tessera.create_token(1)
    assert administration.delete(service, PHONE) == 1
    assert service.tessera.verify_token(token) is None
    assert administration.add(service, PHONE, PASSWORD).id != 1
    assert service.tessera.verify_token(token) is None


def test_S04_a_new_password_ends_all_sessions(service):
    token = service.tessera.create_token(1)
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
