"""TOTP: the codes of RFC 6238, addresses that apps read, and QR codes that hold nothing else."""

from __future__ import annotations

import base64
import sys
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree as ET

import pyotp
import pytest

from flask_tessera.accounts.totp import SECRET_BYTES, STEP, match, qr_of, secret_of, uri_of
from flask_tessera.errors import ConfigError

RFC_6238_SECRET = secret_of(b"12345678901234567890")
# Appendix B, of which six digits are the last six of eight.
RFC_6238_SHA1 = {
    59: "94287082",
    1_111_111_109: "07081804",
    1_111_111_111: "14050471",
    1_234_567_890: "89005924",
    2_000_000_000: "69279037",
    20_000_000_000: "65353130",
}


@pytest.mark.parametrize(("at", "code"), RFC_6238_SHA1.items())
def test_the_codes_are_those_of_rfc_6238(at, code):
    assert match(RFC_6238_SECRET, code[2:], at) == at // STEP
    assert match(RFC_6238_SECRET, code[2:], at + 86_400) is None


def test_one_step_before_and_after_count_and_no_more():
    code = pyotp.HOTP(RFC_6238_SECRET).at(1000)
    steps = {step: match(RFC_6238_SECRET, code, step * STEP) for step in range(997, 1004)}
    assert steps == {997: None, 998: None, 999: 1000, 1000: 1000, 1001: 1000, 1002: None, 1003: None}
    assert match(RFC_6238_SECRET, code, 1001 * STEP + STEP - 1) == 1000
    assert match(RFC_6238_SECRET, pyotp.HOTP(RFC_6238_SECRET).at(0), 0) == 0


@pytest.mark.parametrize(
    "code",
    [
        *("", "28708", "2870821", "287 082", " 287082", "287082 ", "287082\n", "+28708", "0x1234", "28708a"),
        *("２８７０８２", "٢٨٧٠٨٢", "²87082", 287082, 287082.0, b"287082", None, True, ["287082"], {"code": "287082"}),
    ],
)
def test_nothing_but_six_ascii_digits_is_a_code(code):
    assert match(RFC_6238_SECRET, "287082", 59) == 1
    assert match(RFC_6238_SECRET, code, 59) is None


def test_a_secret_has_160_bits_in_base32_without_padding():
    secret = secret_of(bytes(range(SECRET_BYTES)))
    assert (len(secret), base64.b32decode(secret)) == (32, bytes(range(20)))
    with pytest.raises(ValueError, match="20 random bytes"):
        secret_of(b"short")


@pytest.mark.parametrize(
    ("account", "issuer"),
    [
        ("13800138000", "Shop"),
        ("ada@example.com", "Ada & Söhne / 100%"),
        ("名字", "商店"),
        ("a?secret=X&issuer=Y#z", "b"),
        ("", ""),
        ("a b", ""),
    ],
)
def test_an_address_holds_both_names_and_nothing_that_they_could_add(account, issuer):
    uri = uri_of(RFC_6238_SECRET, account=account, issuer=issuer)
    assert uri.isascii()
    parts = urlsplit(uri)
    assert (parts.scheme, parts.netloc, parts.fragment) == ("otpauth", "totp", "")
    label = unquote(parts.path[1:])
    assert label == ":".join(filter(None, (issuer, account)))
    expected = {"secret": [RFC_6238_SECRET]} | ({"issuer": [issuer]} if issuer else {})
    assert parse_qs(parts.query, strict_parsing=True) == expected
    if account and issuer:
        read = pyotp.parse_uri(uri)
        assert (read.secret, read.name, read.issuer) == (RFC_6238_SECRET, account, issuer)


def test_a_colon_and_control_characters_of_a_name_do_not_reach_the_address():
    uri = uri_of(RFC_6238_SECRET, account="a:b\x00c\r\nd\u2028e", issuer="x:y" + "z" * 100)
    assert unquote(urlsplit(uri).path[1:]) == f"x y{'z' * 37}:a bcde"


@pytest.mark.parametrize("account", ["ada", "<script>alert(1)</script>" * 3, "名" * 200])
def test_B07_a_qr_code_is_an_svg_of_paths_and_nothing_else(account):
    svg = qr_of(uri_of(RFC_6238_SECRET, account=account, issuer="商" * 200))
    root = ET.fromstring(svg)
    assert {each.tag.rpartition("}")[2] for each in root.iter()} == {"svg", "g", "path"}
    assert "http://www.w3.org/2000/svg" in root.tag
    attributes = {name for each in root.iter() for name in each.attrib}
    assert attributes <= {"width", "height", "class", "transform", "stroke", "fill", "d"}
    assert len(svg) < 40_000


@pytest.mark.parametrize(
    ("module", "call"), [("segno", lambda: qr_of("x")), ("pyotp", lambda: match(RFC_6238_SECRET, "287082", 59))]
)
def test_without_the_extra_the_remedy_is_told(monkeypatch, module, call):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=rf"{module}.*\[accounts\]"):
        call()
