"""The address a request came from: hearsay, believed as far as the settings say."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from flask_tessera.web.client import address, clean


@pytest.mark.parametrize(
    ("proxies", "forwarded", "found"),
    [
        (0, None, "10.0.0.1"),
        (0, "1.2.3.4", "10.0.0.1"),
        (1, None, "10.0.0.1"),
        (1, "", "10.0.0.1"),
        (1, " , ,", "10.0.0.1"),
        (1, "1.2.3.4", "1.2.3.4"),
        (1, "6.6.6.6, 1.2.3.4", "1.2.3.4"),
        (1, "6.6.6.6,1.2.3.4 ", "1.2.3.4"),
        (2, "1.2.3.4, 10.0.0.2", "1.2.3.4"),
        (2, "6.6.6.6, 7.7.7.7, 1.2.3.4, 10.0.0.2", "1.2.3.4"),
        (2, "1.2.3.4", "10.0.0.1"),
        (3, "1.2.3.4, 10.0.0.3", "10.0.0.1"),
        (1, "2001:db8::7", "2001:db8::7"),
        (1, "[2001:db8::7]", "2001:db8::7"),
        (1, "[2001:db8::7]:443", "2001:db8::7"),
        (1, "1.2.3.4:5678", "1.2.3.4"),
        (1, "::ffff:1.2.3.4", "::ffff:1.2.3.4"),
        (1, "unknown", "unknown"),
    ],
)
def test_L08_the_address_is_what_the_farthest_trusted_proxy_saw(new_site, proxies, forwarded, found):
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    environ = {"REMOTE_ADDR": "10.0.0.1"}
    with new_site().app.test_request_context("/", headers=headers, environ_base=environ):
        assert address(proxies) == found


@pytest.mark.parametrize(("proxies", "found"), [(0, "127.0.0.1"), (1, "1.2.3.4")])
def test_L08_sessions_keep_the_address_that_the_setting_believes(new_site, proxies, found):
    site = new_site(TESSERA_TRUSTED_PROXIES=proxies)
    site.app.add_url_rule("/signin", "signin", lambda: site.tessera.login(7).to_response(), methods=["POST"])
    site.post(
        "/signin", headers={"X-Forwarded-For": "9.9.9.9, 1.2.3.4", "X-Real-IP": "8.8.8.8", "Forwarded": "for=7.7.7.7"}
    )
    with site.app.app_context():
        assert [each.ip for each in site.tessera.sessions(7)] == [found]


@pytest.mark.parametrize("hostile", ["\x00" * 100, "x" * 100_000, "<script>", "\u202e\u2066", "1.2.3.4\x1b[31m"])
def test_G02_a_forged_address_is_bounded_and_without_control_characters(new_site, hostile):
    site = new_site(TESSERA_TRUSTED_PROXIES=1)
    with site.app.test_request_context("/", environ_overrides={"HTTP_X_FORWARDED_FOR": hostile}):
        site.tessera.login(7)
        (session,) = site.tessera.sessions(7)
    assert len(session.ip) <= 64
    assert session.ip.isprintable()


def test_outside_a_request_nobody_called(new_site):
    site = new_site()
    pair = site.login()
    assert (pair.issued.session.ip, pair.issued.session.user_agent) == ("", "")


def test_without_an_address_of_the_peer_there_is_none(new_site):
    site = new_site()
    with site.app.test_request_context("/", environ_overrides={"REMOTE_ADDR": None}):
        assert site.tessera.login(7).issued.session.ip == ""


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("abc", "abc"),
        ("a\r\nb", "ab"),
        ("\u202ea\u2069", "a"),
        ("\ud800x", "x"),
        ("x" * 99, "x" * 10),
        ("小明", "小明"),
        # Persian, a family, an end of a verse.
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("👩\u200d👧", "👩\u200d👧"),
        ("\u06dd", "\u06dd"),
    ],
)
def test_B08_texts_of_clients_are_cleaned(text, cleaned):
    assert clean(text, 10) == cleaned


def test_B08_what_shows_nothing_or_turns_the_direction_is_cut_out_of_texts_of_clients():
    """All of Unicode's format characters but the two joiners and the signs of numbers and verses, which are seen."""
    seen = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD, *range(0x13430, 0x13440)}
    kept = {
        number
        for number in range(sys.maxunicode + 1)
        if unicodedata.category(chr(number)) == "Cf" and clean(f"a{chr(number)}b", 10) != "ab"
    }
    assert kept <= {0x200C, 0x200D, *seen}
    assert {0x200C, 0x200D} <= kept
