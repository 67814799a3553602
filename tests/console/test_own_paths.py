"""Where a page may send a browser."""

from __future__ import annotations

from urllib.parse import quote, urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_tessera.console.own_paths import is_own_path

from .sites import HOST, Browser

OWN = ("/", "/orders", "/orders/7?page=2&sort=-at#end", "/a%20b/%E4%BD%A0", "/console/devices?ended=1", "/x?next=//y")
BYPASSES = {
    "another scheme": "https://evil.example/",
    "no scheme": "//evil.example/",
    "a backslash for the second slash": "/\\evil.example/",
    "backslashes for both": "\\\\evil.example/",
    "three slashes": "///evil.example/",
    "a scheme without slashes": "https:evil.example",
    "a script": "javascript:alert(1)",
    "data": "data:text/html,<script>alert(1)</script>",
    "a tab that browsers drop": "/\t/evil.example/",
    "a line end that browsers drop": "/\n/evil.example/",
    "a space before it": " //evil.example/",
    "a user before the host": "@evil.example/",
    "a header of its own": "/x\r\nSet-Cookie: a=b",
    "a control before it": "\x01//evil.example/",
    "a slash of another script": "/\uff0fevil.example/",
    "dots and then two slashes": "/.//evil.example/",
    "nothing": "",
    "a name": "orders",
    "too much": "/" + "a" * 4000,
    "a NUL": "/\0",
}


@pytest.mark.parametrize("path", OWN)
def test_B06_a_path_of_this_site_is_gone_to(shop, path):
    browser = Browser(shop.app)
    answer = browser.sign_in(next=path)
    assert (answer.status_code, answer.headers["Location"]) == (303, path)


@pytest.mark.parametrize("target", [pytest.param(text, id=name) for name, text in BYPASSES.items()])
def test_B06_anything_else_is_not(shop, target):
    browser = Browser(shop.app)
    query = "next=" + quote(target.encode("utf-8", "surrogatepass"))
    assert "evil" not in browser.get("/console/sign-in", query_string=query).text
    answer = browser.sign_in(next=target.encode("utf-8", "surrogatepass"))
    assert (answer.status_code, answer.headers["Location"]) == (303, "/console/devices")
    again = browser.get("/console/sign-in", query_string=query)
    assert again.headers["Location"] == "/console/devices"
    assert not is_own_path(target)


@given(st.one_of(st.text(alphabet="/\\:@.?#%ae\t\n \u3002", max_size=12), st.text(max_size=20)))
def test_B06_whatever_is_taken_for_a_path_keeps_to_its_site(text):
    if is_own_path(text):
        # As browsers read it: they drop controls, and "\" is "/".
        read = "".join(each for each in text if each not in "\t\r\n").strip().replace("\\", "/")
        assert urlsplit(urljoin(f"https://{HOST}/console/", read)).netloc == HOST
