"""TLS to a server, as PyMySQL speaks it: verified where the URL says so."""

from __future__ import annotations

from contextlib import closing

import pytest

from flask_tessera.errors import StorageUnavailableError
from flask_tessera.storage.from_url import open_storage
from tests.servers import MariaDBServer
from tests.servers.certificates import write_certificates

CIPHER = "SHOW SESSION STATUS LIKE 'Ssl_cipher'"


@pytest.fixture(scope="module")
def secure():
    """A server that lets nobody in but by TLS, and the file of the authority that vouches for it."""
    server = MariaDBServer()
    server.folder.mkdir()
    authority, certificate = server.folder / "authority.pem", server.folder / "server.pem"
    write_certificates(authority, certificate)
    for file in (authority, certificate):
        file.chmod(0o644)  # the server runs as somebody else
    both = {"ssl-cert": str(certificate), "ssl-key": str(certificate), "require-secure-transport": "1"}
    server._settings |= both
    with server:
        yield server, authority


def cipher_of(storage):
    storage.check()
    (((_, cipher),),) = storage._database.read((CIPHER, ()))
    return cipher


@pytest.mark.slow
def test_a_server_that_its_authority_vouches_for_is_spoken_to(secure):
    server, authority = secure
    with closing(open_storage(f"{server.url}?ssl_ca={authority}")) as storage:
        assert cipher_of(storage).startswith("TLS_")


def assert_refused(url, words=None):
    with closing(open_storage(url)) as storage, pytest.raises(StorageUnavailableError, match=words):
        storage.check()


def test_one_that_nobody_vouches_for_is_not(secure, tmp_path):
    server, _ = secure
    write_certificates(tmp_path / "other.pem", tmp_path / "unused.pem")
    assert_refused(f"{server.url}?ssl_ca={tmp_path / 'other.pem'}", r"(?i)certificate verify failed")


def test_K08_an_authority_alone_is_enough_to_verify_the_name_too(secure):
    """PyMySQL by itself would verify nothing then."""
    server, authority = secure
    url = server.url.replace("127.0.0.1", "localhost")
    assert_refused(f"{url}?ssl_ca={authority}", r"(?i)certificate verify failed")


def test_a_server_that_wants_tls_lets_nobody_in_without(secure):
    server, _ = secure
    assert_refused(f"{server.url}?ssl_disabled=true")
