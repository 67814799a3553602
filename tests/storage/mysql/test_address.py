"""URLs of MySQL and MariaDB."""

from __future__ import annotations

import pytest
import sqlalchemy

from flask_tessera.errors import ConfigError
from flask_tessera.storage.from_url import open_engine, open_storage
from flask_tessera.storage.sql.mysql import MySQLStorage, address
from flask_tessera.storage.sql.url import POOL, url_of_engine


@pytest.mark.parametrize("scheme", ["mysql", "mariadb", "mysql+pymysql", "mariadb+pymysql"])
def test_any_name_of_the_scheme_leads_to_the_same_place(scheme):
    place = address.parse(f"{scheme}://ada:p%40ss@db.internal:3307/shop")
    own = {"host": "db.internal", "port": 3307, "user": "ada", "password": "p@ss", "database": "shop"}
    assert place == (own, POOL)
    assert isinstance(open_storage(f"{scheme}://h/shop"), MySQLStorage)


def test_options_are_those_of_the_driver_that_undo_no_promise():
    query = "pool=4&ssl_ca=ca.pem&ssl_verify_identity=0&unix_socket=/run/s&charset=utf8"
    place = address.parse(f"mysql://h/x?{query}")
    tls = {"ssl_ca": "ca.pem", "ssl_verify_cert": True, "ssl_verify_identity": False}
    assert place == ({"host": "h", "database": "x", "unix_socket": "/run/s", **tls}, 4)


def test_what_a_host_tells_its_driver_is_not_for_us():
    url = sqlalchemy.make_url("mysql+mysqldb://h/x?read_timeout=60&ssl_ca=ca.pem&charset=latin1")
    tls = {"ssl_ca": "ca.pem", "ssl_verify_cert": True, "ssl_verify_identity": True}
    assert address.of_host(url) == ({"host": "h", "database": "x", **tls}, POOL)


@pytest.mark.parametrize(
    ("given", "tls"),
    [
        ({"ssl": {"ca": "a.pem"}}, {"ssl_ca": "a.pem", "ssl_verify_cert": True, "ssl_verify_identity": True}),
        (
            {"ssl": {"ca": "a.pem", "cert": "c.pem", "key": "k.pem", "check_hostname": False}},
            {
                "ssl_ca": "a.pem",
                "ssl_cert": "c.pem",
                "ssl_key": "k.pem",
                "ssl_verify_cert": True,
                "ssl_verify_identity": False,
            },
        ),
        (
            {"ssl_verify_cert": True, "ssl_ca": "a.pem"},
            {"ssl_ca": "a.pem", "ssl_verify_cert": True, "ssl_verify_identity": True},
        ),
    ],
)
def test_what_a_hosts_engine_was_given_beside_its_url_counts(given, tls):
    engine = sqlalchemy.create_engine(
        "mysql+pymysql://me:pw@h/x", connect_args={**given, "read_timeout": 60, "port": 3307}
    )
    own = {"host": "h", "port": 3307, "user": "me", "password": "pw", "database": "x"}
    assert address.of_host(url_of_engine(engine)) == ({**own, **tls}, POOL)


@pytest.mark.parametrize(
    ("query", "given", "name"),
    [
        ("?ssl_mode=REQUIRED", {}, "ssl_mode"),
        ("", {"ssl": {"fake_flag_to_enable_tls": True}}, "ssl_fake_flag_to_enable_tls"),
        ("", {"ssl": object()}, "ssl"),
    ],
)
def test_an_option_about_tls_that_is_not_known_is_not_left_out_in_silence(query, given, name):
    engine = sqlalchemy.create_engine(f"mysql+pymysql://me:pw@h/x{query}", connect_args=given)
    with pytest.raises(ConfigError, match=f"option {name} is not understood"):
        open_engine(engine)


@pytest.mark.parametrize(
    ("rest", "text"),
    [
        ("u:hunter2@h:port/x", "this is not mysql://user:password@host:port/database"),
        ("u:hunter2@h", "must name a database"),
        ("u:hunt@er2@h/x", "write @ as %40"),
        ("u:hunter2@h/x?read_timeout=60", "a mysql URL has no option 'read_timeout'"),
        ("u:hunter2@h/x?ssl_cat=ca.pem", "do you mean 'ssl_ca'?"),
        ("u:hunter2@h/x?pool=0", "pool= must be a number of connections from 1 to 100"),
        ("u:hunter2@h/x?pool=x", "pool= must be a number of connections from 1 to 100"),
        ("u:hunter2@h/x?ssl_disabled=maybe", "ssl_disabled must be true or false"),
    ],
)
def test_K08_a_url_that_is_none_is_refused_without_its_password(rest, text):
    with pytest.raises(ConfigError) as caught:
        open_storage(f"mysql://{rest}")
    assert str(caught.value).startswith("STORE_URL: ")
    assert text in str(caught.value)
    assert "hunt" not in str(caught.value)
