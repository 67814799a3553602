"""What a URL of Redis may say."""

from __future__ import annotations

import subprocess
import sys

import pytest

from flask_tessera.errors import ConfigError
from flask_tessera.storage.from_url import open_storage
from flask_tessera.storage.redis.address import Address, parse

PASSWORD = "hunter2/?@#"
GOOD = {
    "redis://localhost": Address("single", (("localhost", 6379),)),
    "redis://localhost/": Address("single", (("localhost", 6379),)),
    "redis://10.0.0.1:7000/3": Address("single", (("10.0.0.1", 7000),), options={"db": 3}),
    "redis://[::1]:7000": Address("single", (("::1", 7000),)),
    "redis://:p%40ss@h": Address("single", (("h", 6379),), options={"password": "p@ss"}),
    "redis://u%3A:p:q@h/0": Address("single", (("h", 6379),), options={"username": "u:", "password": "p:q"}),
    "redis://h?prefix=my-app.1": Address("single", (("h", 6379),), prefix="my-app.1"),
    "redis://h?pool=4": Address("single", (("h", 6379),), pool=4),
    "unix:///run/redis.sock": Address("unix", (("/run/redis.sock", 0),)),
    "redis+unix://u:p%2F@/run/redis.sock?db=2&prefix=x": Address(
        "unix", (("/run/redis.sock", 0),), prefix="x", options={"db": 2, "username": "u", "password": "p/"}
    ),
    "redis+cluster://a?remap=10.0.0.1:1=b:2,10.0.0.2:1=[::1]:3": Address(
        "cluster",
        (("a", 6379),),
        remap={("10.0.0.1", 1): ("b", 2), ("10.0.0.2", 1): ("::1", 3)},
    ),
    "rediss://h:1": Address("single", (("h", 1),), is_encrypted=True),
    "redis+cluster://a:1,b,[::1]:3/0": Address("cluster", (("a", 1), ("b", 6379), ("::1", 3))),
    "rediss+cluster://u:p@a": Address(
        "cluster", (("a", 6379),), options={"username": "u", "password": "p"}, is_encrypted=True
    ),
    "redis+sentinel://a,b:5/mymaster": Address("sentinel", (("a", 26379), ("b", 5)), service="mymaster"),
    "rediss+sentinel://:x@a/m/2?sentinel_username=s&sentinel_password=%26": Address(
        "sentinel",
        (("a", 26379),),
        service="m",
        options={"db": 2, "password": "x"},
        sentinel_options={"username": "s", "password": "&"},
        is_encrypted=True,
    ),
}
BAD = {
    "redis:localhost": "redis://host",
    "redis://": "redis://host",
    "redis+ring://h": "redis\\+cluster://",
    "redis://h#x": "redis://host",
    "redis://:1": "host:port",
    "redis://h:0": "host:port",
    "redis://h:65536": "host:port",
    "redis://h:port": "host:port",
    "redis://a,b": "one host",
    "redis://h/x": "number of a Redis database",
    "redis://h/-1": "number of a Redis database",
    "redis://h/٣": "number of a Redis database",
    "redis://h/1/2": "number of a Redis database",
    "redis+cluster://a,,b": "host:port",
    "redis+cluster://a/1": "database 0 only",
    "redis+sentinel://a": "name of the master",
    "redis+sentinel://a/m/x": "number of a Redis database",
    "redis://h?prefx=x": "did you mean prefix",
    "redis://h?what=x": "use prefix",
    "redis://h?prefix=a&prefix=b": "stands twice",
    "redis://h?prefix=": "prefix takes",
    "redis://h?prefix={x}": "prefix takes",
    "redis://h?prefix=a*": "prefix takes",
    "redis://h?ca=/x": "needs TLS",
    "redis://h?pool=0": "pool takes",
    "redis://h?pool=many": "pool takes",
    "redis://h?pool=99999": "pool takes",
    "redis://h?remap=a:1=b:2": "no option",
    "redis+cluster://h?remap=a:1": "remap takes",
    "redis+cluster://h?remap=a:1=": "remap takes",
    "redis+cluster://h?remap=a:1=b:x": "host:port",
    "redis+unix://": "redis://host",
    "redis+unix://host/run/redis.sock": "needs its path",
    "redis+unix:///": "needs its path",
    "redis+unix:///run/redis.sock?db=x": "number of a Redis database",
    "rediss+unix:///run/redis.sock": "redis://host",
    "redis://h?sentinel_password=x": "no option",
    "rediss://h?ca=/does/not/exist": "ca names no file",
    "rediss://h?ssl_cert_reqs=none": "always verified",
    "rediss://h?ssl_check_hostname=false": "always verified",
    f"redis://:{PASSWORD}@h": "redis://host",
    "redis://:hunter2/x@h": "host:port",
    "redis://:hunter2?x@h": "host:port",
}


@pytest.mark.parametrize(("url", "address"), GOOD.items(), ids=GOOD)
def test_a_url_is_read(url, address):
    assert parse(url) == address


@pytest.mark.parametrize(("url", "text"), BAD.items(), ids=BAD)
def test_X15_a_malformed_url_is_refused_with_the_remedy(url, text):
    """And what could be a password is not repeated."""
    with pytest.raises(ConfigError, match=text) as caught:
        open_storage(url)
    assert "STORE_URL" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "option",
    [
        "socket_timeout=60",
        "socket_connect_timeout=60",
        "retry_on_timeout=1",
        "max_connections=5",
        "health_check_interval=1",
        "timeout=20",
        "protocol=3",
    ],
)
@pytest.mark.parametrize("url", ["redis://h", "redis+cluster://h", "redis+sentinel://h/m", "unix:///s"])
def test_X6_no_option_undoes_the_bounds_of_a_call(url, option):
    """redis-py itself lets what stands in a URL win over what the program says."""
    with pytest.raises(ConfigError, match="time-outs are fixed"):
        parse(f"{url}?{option}")


def test_an_address_has_no_text_form_that_would_show_its_password():
    assert "hunter2" not in repr(parse("redis://:hunter2@h"))


def test_files_for_tls_are_given_by_short_names_or_by_those_of_the_driver(tmp_path):
    file = tmp_path / "file.pem"
    file.touch()
    short = parse(f"rediss://h?ca={file}&cert={file}&key={file}")
    long = parse(f"rediss://h?ssl_ca_certs={file}&ssl_certfile={file}&ssl_keyfile={file}")
    assert short == long
    assert short.options == dict.fromkeys(("ssl_ca_certs", "ssl_certfile", "ssl_keyfile"), str(file))


def test_P11_the_driver_is_imported_by_its_storage_only():
    script = "import sys, flask_tessera, flask_tessera.storage.from_url; print('redis' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"


def test_a_missing_driver_is_named():
    script = """
import sys
sys.modules["redis"] = None
from flask_tessera.errors import ConfigError
from flask_tessera.storage.from_url import open_storage
try:
    open_storage("redis://localhost")
except ConfigError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert "add the extra [redis] " in done.stdout
