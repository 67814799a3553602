"""What `create_app` reads, makes and refuses."""

from __future__ import annotations

import logging
import os
import stat
from typing import TYPE_CHECKING

import pytest

from flask_tessera.errors import ConfigError, TesseraError
from flask_tessera.server import create_app
from flask_tessera.web.endpoints import ENDPOINTS
from tests.cli.stores import store_url
from tests.length import shortly
from tests.servers import wait_until

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "9b7e40c1f3a85d26e1908c7745bb3f02d6ea914c58f7230b"
OLD_SECRET = "0d7be65f8c21a94370e5d8f1b6c392aa47e01d9853bc6f24"


def sentence_of(folder: Path, **environment: str) -> str:
    """What a start with these settings is refused with."""
    with pytest.raises(TesseraError) as caught:
        create_app(environment={"SECRET_KEY": SECRET, **environment}, data=str(folder))
    text = str(caught.value)
    assert text
    assert "\n" not in text
    return text


# -- The secret --------------------------------------------------------------------------------------------------------


def test_a_service_without_a_secret_makes_one_that_stays(tmp_path):
    first = create_app(environment={}, data=str(tmp_path / "data"))
    second = create_app(environment={}, data=str(tmp_path / "data"))
    assert first.config["SECRET_KEY"] == second.config["SECRET_KEY"]
    assert len(first.config["SECRET_KEY"]) == 64
    assert [path.name for path in (tmp_path / "data").glob("secret*")] == ["secret-key"]


def test_K01_no_second_secret_is_made_beside_a_database_that_was_made_with_another(tmp_path):
    create_app(environment={"SECRET_KEY": SECRET}, data=str(tmp_path))
    with pytest.raises(ConfigError, match="SECRET_KEY is not set") as caught:
        create_app(environment={}, data=str(tmp_path))
    assert "made with one" in str(caught.value)
    assert not list(tmp_path.glob("secret*"))


@pytest.mark.unix("rights by mode")
def test_a_new_folder_and_the_secret_in_it_are_their_owners(tmp_path):
    create_app(environment={}, data=str(tmp_path / "data"))
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "data" / "secret-key").stat().st_mode) == 0o600


@pytest.mark.unix("rights by mode")
def test_the_files_of_the_service_are_its_owners_whatever_the_umask_and_the_folder(tmp_path):
    folder = tmp_path / "shared"
    folder.mkdir(mode=0o755)
    before = os.umask(0)
    try:
        for name in ("one", "two"):
            (folder / name).mkdir(mode=0o755)
        create_app(environment={}, data=str(folder / "one"))
        create_app(environment={"TESSERA_STORE_URL": "memory:"}, data=str(folder / "two"))
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()}
    assert {name: oct(mode) for name, mode in modes.items() if mode & 0o077} == {}
    assert "tessera.db" in modes


STARTING = """
import os, sys
from flask_tessera.server import create_app
from tests.cli.stores import store_url

ready, go = os.pipe()
workers = []
for number in range(8):
    worker = os.fork()
    if worker == 0:
        os.close(go)
        os.read(ready, 1)
        secret = create_app(environment={}, data=sys.argv[1]).config["SECRET_KEY"]
        os.write(1, f"{secret}\\n".encode())
        os._exit(0)
    workers.append(worker)
os.close(go)
for worker in workers:
    assert os.waitpid(worker, 0)[1] == 0
"""


@pytest.mark.slow
@pytest.mark.unix("fork")
@pytest.mark.parametrize("attempt", shortly(range(2)))
def test_eight_processes_that_start_at_once_agree_on_one_secret(tmp_path, run_program, attempt):
    printed = run_program(STARTING, tmp_path / "data").splitlines()
    assert len(printed) == 8
    assert len(set(printed)) == 1
    assert len(printed[0]) == 64


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", b"short\n", b"changeme-changeme-changeme\n"])
def test_K01_a_secret_file_that_was_spoilt_is_refused_and_left_alone(tmp_path, content):
    file = tmp_path / "secret-key"
    file.write_bytes(content)
    file.chmod(0o600)
    with pytest.raises(ConfigError, match="SECRET_KEY"):
        create_app(environment={}, data=str(tmp_path))
    assert file.read_bytes() == content


@pytest.mark.unix("symbolic links for everybody")
def test_a_secret_that_is_a_dangling_link_is_refused(tmp_path):
    (tmp_path / "secret-key").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="SECRET_KEY"):
        create_app(environment={}, data=str(tmp_path))


@pytest.mark.parametrize("secret", ["", "x", "changeme", "a" * 64, "super-secret-key-please-change", "dev", "12345678"])
def test_K01_a_weak_secret_from_the_environment_is_refused(tmp_path, secret):
    assert sentence_of(tmp_path, SECRET_KEY=secret).startswith("SECRET_KEY")
    assert not (tmp_path / "secret-key").exists()


def test_K08_the_sentence_does_not_repeat_the_secret(tmp_path):
    assert "mistakenly" not in sentence_of(tmp_path, SECRET_KEY="mistakenly")
    assert "mistakenly" not in sentence_of(tmp_path, SECRET_KEY_FALLBACKS=f"{OLD_SECRET},mistakenly")


def test_K03_tokens_of_a_fallback_stay_good_and_new_ones_are_under_the_new_secret(tmp_path):
    old = create_app(environment={"SECRET_KEY": OLD_SECRET}, data=str(tmp_path))
    both = create_app(
        environment={"SECRET_KEY": SECRET, "SECRET_KEY_FALLBACKS": f" {OLD_SECRET} ,"}, data=str(tmp_path)
    )
    new = create_app(environment={"SECRET_KEY": SECRET}, data=str(tmp_path))
    user = old.extensions["tessera_service"].users.add("13800138000", "hash")

    def issued_by(app) -> str:
        with app.app_context():
            return app.extensions["tessera_service"].tessera.create_token(user)

    def takes(app, token: str) -> bool:
        return app.test_client().get("/user/detail", headers={"z-token": token}).json["code"] == 0

    assert [takes(app, issued_by(old)) for app in (old, both, new)] == [True, True, False]
    assert [takes(app, issued_by(both)) for app in (old, both, new)] == [False, True, True]


def warnings_in(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


@pytest.mark.parametrize("kind", ["postgres", "redis8"])
def test_K01_a_secret_that_other_machines_do_not_have_is_warned_about_where_they_share_a_storage(
    tmp_path, caplog, kind
):
    with store_url(kind, tmp_path) as url:
        app = create_app(environment={"TESSERA_STORE_URL": url}, data=str(tmp_path))
        (warned,) = (text for text in warnings_in(caplog) if text.startswith("SECRET_KEY is not set"))
        assert str(tmp_path / "secret-key") in warned
        assert app.config["SECRET_KEY"] not in caplog.text
        app.extensions["tessera_service"].tessera.close(app)
    with store_url(kind, tmp_path) as url:
        caplog.clear()
        app = create_app(environment={"SECRET_KEY": SECRET}, data=str(tmp_path), store=url)
        assert "SECRET_KEY" not in caplog.text
        app.extensions["tessera_service"].tessera.close(app)


@pytest.mark.parametrize("url", ["", "sqlite:///other.db", "memory:"])
def test_K01_it_is_not_where_no_other_machine_can_reach_the_storage(tmp_path, caplog, url):
    create_app(environment={"TESSERA_STORE_URL": url}, data=str(tmp_path))
    assert warnings_in(caplog) == []


# -- The environment ---------------------------------------------------------------------------------------------------


def test_an_unknown_name_in_the_environment_is_warned_about_and_no_more(tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "flask_tessera"):
        create_app(
            environment={"SECRET_KEY": SECRET, "TESSERA_PORT_8000_TCP": "tcp://10.0.0.1:8000", "TESSERA_LOCAL": "en"},
            data=str(tmp_path),
        )
    # Applications of other tests may still be trying to write something.
    named = [text.partition(" ")[0] for text in warnings_in(caplog) if text.startswith("TESSERA_")]
    assert named == ["TESSERA_LOCAL", "TESSERA_PORT_8000_TCP"]


WRONG = {
    "TESSERA_ACCESS_LIFETIME": ["abc", "", "-1", "1.5", "0", "١٥", "9" * 40, " 900"],
    "TESSERA_TOKEN_LIFETIME": ["0", "99999999999"],
    "TESSERA_HTTP_STATUS": ["", "200", "Semantic"],
    "TESSERA_LOCALE": ["fr", "ZH"],
    "TESSERA_RESPONSE_FORMAT": ["xml"],
    "TESSERA_STORE_URL": ["oracle://x", "nonsense", "sqlite://", "sqlite:///:memory:", "memory:x", "sqlite:///a?b=c"],
    "TESSERA_HEADERS": ["", "Cookie", "a b", "z-token,"],
    "TESSERA_URL_PREFIX": ["auth", "/auth/", "//", "/"],
    "TESSERA_HASH_SLOTS": ["0", "100000"],
    "TESSERA_PASSWORD_MIN_LENGTH": ["4"],
    "TESSERA_TRUSTED_PROXIES": ["99", "yes"],
    "TESSERA_REVOCATION": ["never"],
    "TESSERA_ALGORITHM": ["none", "RS256"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_X15_a_wrong_value_is_refused_with_one_sentence_that_names_the_setting(tmp_path, name, value):
    assert name.removeprefix("TESSERA_") in sentence_of(tmp_path, **{name: value})


def test_X15_settings_that_contradict_each_other_are_refused(tmp_path):
    text = sentence_of(tmp_path, TESSERA_HTTP_STATUS="always_200", TESSERA_RESPONSE_FORMAT="plain")
    assert "TESSERA_HTTP_STATUS" in text
    assert "TESSERA_RESPONSE_FORMAT" in text


def test_a_database_password_is_not_repeated(tmp_path):
    assert "hunter2" not in sentence_of(tmp_path, TESSERA_STORE_URL="mysql://root:hunter2@db/x")


# -- The data folder ---------------------------------------------------------------------------------------------------


def test_a_data_folder_that_cannot_be_made_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    assert "TESSERA_DATA_DIR" in sentence_of(tmp_path / "file")
    assert "TESSERA_DATA_DIR" in sentence_of(tmp_path / "file" / "below")


@pytest.mark.unix("rights by mode")
def test_a_data_folder_that_cannot_be_written_is_refused_in_one_sentence(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root writes everywhere")
    folder = tmp_path / "data"
    folder.mkdir(mode=0o500)
    assert str(folder) in sentence_of(folder, SECRET_KEY=SECRET)


def test_a_database_that_is_none_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "tessera.db").write_bytes(b"no database at all" * 100)
    assert sentence_of(tmp_path)


def test_the_data_folder_is_named_by_argument_then_environment_then_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for given in (
        {"data": "one", "environment": {"SECRET_KEY": SECRET, "TESSERA_DATA_DIR": "two"}},
        {"environment": {"SECRET_KEY": SECRET, "TESSERA_DATA_DIR": "two"}},
        {"environment": {"SECRET_KEY": SECRET}},
        {"environment": {"SECRET_KEY": SECRET, "TESSERA_DATA_DIR": ""}},
    ):
        create_app(**given)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "tessera-data", "two"]


def test_the_storage_is_named_by_argument_then_environment_then_lies_in_the_folder(tmp_path):
    def url(store: str = "", **environment: str) -> str:
        app = create_app(environment={"SECRET_KEY": SECRET, **environment}, data=str(tmp_path), store=store)
        with app.app_context():
            return app.extensions["tessera_service"].tessera.runtime.settings.STORE_URL

    assert url("memory:", TESSERA_STORE_URL="sqlite:///other.db") == "memory:"
    assert url(TESSERA_STORE_URL="sqlite:///other.db") == "sqlite:///other.db"
    assert (tmp_path / "other.db").exists()
    assert url() == f"sqlite:///{tmp_path / 'tessera.db'}"


@pytest.mark.parametrize("name", ["with blank", "名字", "a%41b", "a&b"])
def test_a_data_folder_may_have_any_name(tmp_path, name):
    app = create_app(environment={"SECRET_KEY": SECRET}, data=str(tmp_path / name))
    wait_until(lambda: app.test_client().get("/healthz").status_code == 200, "it is well")
    assert (tmp_path / name / "tessera.db").exists()


# -- What is there -----------------------------------------------------------------------------------------------------


def test_L17_there_is_no_user_that_nobody_added(tmp_path):
    app = create_app(environment={"SECRET_KEY": SECRET}, data=str(tmp_path))
    assert app.extensions["tessera_service"].users.all() == []


def test_the_service_registers_its_routes_and_no_others(tmp_path):
    app = create_app(environment={"SECRET_KEY": SECRET, "TESSERA_URL_PREFIX": "/api/v1"}, data=str(tmp_path))
    ours = [f"/api/v1{row.rule}" for rows in ENDPOINTS.values() for row in rows]
    rules = [rule.rule for rule in app.url_map.iter_rules() if not rule.rule.startswith("/console/")]
    assert sorted(rules) == sorted(
        [
            *ours,
            "/",
            "/docs",
            "/docs/static/<path:filename>",
            "/healthz",
            "/login",
            "/openapi.json",
            "/user/detail",
        ]
    )


FACTORY = """
# What gunicorn does with 'flask_tessera.server:create_app()'.
import importlib

module, _, call = "flask_tessera.server:create_app()".partition(":")
app = eval(call, vars(importlib.import_module(module)))
print(app.test_client().get("/").status_code)
"""


@pytest.mark.slow
def test_a_wsgi_server_finds_the_factory_by_its_name(tmp_path, run_program):
    assert run_program(FACTORY, TESSERA_DATA_DIR=str(tmp_path)) == "200\n"


PRELOADED = """
import logging, os, sys, warnings
# Python 3.12 warns of each fork beside threads; that they do no harm is what is tried here.
warnings.filterwarnings("ignore", ".*multi-threaded.*fork", DeprecationWarning)
from flask_tessera.server import administration, create_app

logging.getLogger("flask_tessera.audit").setLevel(logging.WARNING)
app = create_app(data=sys.argv[1])
good = {"phone": "13800138000", "password": "correct horse battery"}
with app.app_context():
    administration.add(app.extensions["tessera_service"], **good)


def works():
    client = app.test_client()
    token = client.post("/login", json=good).json["data"]
    return client.get("/user/detail", headers={"z-token": token}).json["code"] == 0


assert works()
workers = []
for number in range(3):
    worker = os.fork()
    if worker == 0:
        os._exit(0 if works() else 1)
    workers.append(worker)
print([os.waitpid(worker, 0)[1] for worker in workers], works())
"""


@pytest.mark.slow
@pytest.mark.unix("fork")
def test_X12_a_service_that_was_used_before_the_fork_works_in_its_workers(tmp_path, run_program):
    assert run_program(PRELOADED, tmp_path) == "[0, 0, 0] True\n"
