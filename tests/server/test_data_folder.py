"""The data folder: made only where something must be written, and not taken from another user of the machine."""

from __future__ import annotations

import logging
import os
import stat

import pytest

from flask_tessera.errors import ConfigError
from flask_tessera.server import create_app, data_folder
from tests.cli.stores import store_url

SECRET = "9b7e40c1f3a85d26e1908c7745bb3f02d6ea914c58f7230b"
root_only = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")


def start(folder, **environment):
    return create_app(environment=environment, data=str(folder))


def warnings_in(caplog):
    texts = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    # Applications of other tests may still be trying to write something.
    return [text for text in texts if text.startswith("SECRET_KEY")]


@pytest.mark.repeats("kind")
@pytest.mark.parametrize("kind", ["postgres", "redis8"])
def test_X15_a_service_on_a_server_with_a_secret_of_its_own_starts_where_nothing_can_be_written(tmp_path, kind):
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "data"
    with store_url(kind, tmp_path) as url:
        app = start(folder, SECRET_KEY=SECRET, TESSERA_STORE_URL=url)
        client = app.test_client()
        assert 200 in (client.get("/healthz").status_code for _ in range(20))
        unknown = {"phone": "13800138000", "password": "correct horse battery"}
        assert client.post("/login", json=unknown).json["code"] == 4103
        app.extensions["tessera_service"].tessera.close(app)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_service_that_keeps_nothing_in_the_folder_makes_none(tmp_path):
    start(tmp_path / "data", SECRET_KEY=SECRET, TESSERA_STORE_URL="memory:")
    assert list(tmp_path.iterdir()) == []


@root_only
@pytest.mark.parametrize("name", ["", "secret-key", "tessera.db"])
def test_K08_what_another_user_has_put_there_is_refused_in_one_sentence(tmp_path, name):
    start(tmp_path)
    os.chown(tmp_path / name, 4242, -1)
    with pytest.raises(ConfigError, match=r"belongs to the user with the id 4242.*chown") as caught:
        start(tmp_path)
    assert "\n" not in str(caught.value)


@root_only
def test_K08_a_link_of_another_user_is_refused_though_it_leads_to_our_own_folder(tmp_path):
    start(tmp_path / "ours")
    (tmp_path / "link").symlink_to(tmp_path / "ours")
    start(tmp_path / "link")
    os.chown(tmp_path / "link", 4242, -1, follow_symlinks=False)
    with pytest.raises(ConfigError, match="4242"):
        start(tmp_path / "link")


@pytest.mark.unix("owner to compare")
def test_K08_the_owner_is_compared_with_the_user_of_the_service(tmp_path, monkeypatch):
    """Also where the tests do not run as root: to the service, it is then another user who owns the folder."""
    start(tmp_path)
    if tmp_path.stat().st_uid == 0:
        os.chown(tmp_path, 4242, -1)
    monkeypatch.setattr(data_folder.os, "geteuid", lambda: 4243)
    with pytest.raises(ConfigError, match="belongs to the user"):
        start(tmp_path)


@pytest.mark.unix("rights by mode")
@pytest.mark.parametrize("name", ["", "tessera.db"])
def test_K08_what_everybody_can_write_to_is_refused_in_one_sentence(tmp_path, name):
    start(tmp_path)
    path = tmp_path / name
    path.chmod(stat.S_IMODE(path.stat().st_mode) | 0o002)
    with pytest.raises(ConfigError, match=r"everybody on this machine can write to .*chmod o-w") as caught:
        start(tmp_path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.unix("rights by mode")
def test_K08_a_folder_that_everybody_can_write_to_gets_no_secret(tmp_path):
    tmp_path.chmod(0o777)
    with pytest.raises(ConfigError, match="everybody"):
        start(tmp_path)
    assert list(tmp_path.iterdir()) == []
    start(tmp_path / "new")
    assert (tmp_path / "new" / "secret-key").exists()


@pytest.mark.unix("rights by mode")
@pytest.mark.parametrize("mode", [0o1777, 0o770, 0o2775])
def test_K08_a_sticky_folder_and_that_of_a_group_are_good(tmp_path, mode):
    tmp_path.chmod(mode)
    start(tmp_path)
    start(tmp_path)


@pytest.mark.unix("rights by mode")
@pytest.mark.parametrize("mode", [0o604, 0o602, 0o644, 0o666])
def test_K08_a_secret_that_everybody_can_get_at_is_refused(tmp_path, mode):
    start(tmp_path)
    (tmp_path / "secret-key").chmod(mode)
    with pytest.raises(ConfigError, match=r"SECRET_KEY.*chmod 600"):
        start(tmp_path)


@pytest.mark.unix("rights by mode")
@pytest.mark.parametrize("mode", [0o640, 0o620, 0o660])
def test_K08_a_secret_that_a_group_can_get_at_is_warned_about(tmp_path, caplog, mode):
    """Kubernetes gives the files of a volume to the group `fsGroup`, each time it is mounted."""
    first = start(tmp_path)
    assert warnings_in(caplog) == []
    (tmp_path / "secret-key").chmod(mode)
    assert start(tmp_path).config["SECRET_KEY"] == first.config["SECRET_KEY"]
    (warned,) = warnings_in(caplog)
    assert warned == f"SECRET_KEY: the group with the id {tmp_path.stat().st_gid} has access to {tmp_path}/secret-key"
    assert stat.S_IMODE((tmp_path / "secret-key").stat().st_mode) == mode
