"""Hostile signed tokens, most of them under the right key: none is accepted, none raises anything undocumented."""

from __future__ import annotations

import hmac
import json
import os
import random

import pytest

from flask_tessera.errors import TokenExpiredError, TokenInvalidError
from flask_tessera.tokens import access, refresh
from flask_tessera.tokens.claims import DEEPEST, LARGEST_COUNTER, LAST_SECOND, MOST_MEMBERS
from flask_tessera.tokens.encoding import URL_ALPHABET
from flask_tessera.tokens.keys import KeyRing
from tests.tokens.forging import (
    CLAIMS,
    EXPIRES,
    HONEST,
    HONEST_SEALED,
    ISSUED,
    KEY,
    MEMBERS,
    NOW,
    PLACE,
    REFUSALS,
    RING,
    SEALED_KEY,
    SECRET,
    b64,
    misspelled,
    payload,
    refusal,
    sign,
    sign_under,
)

HEADER = {"alg": "HS256", "kid": KEY.kid, "typ": "at+jwt"}
BODY = HONEST.split(".")[1]
MAC = HONEST.split(".")[2]


def nested(depth, opening='{"a":', closing="}", core="1"):
    return opening * depth + core + closing * depth


NUMBERS = {  # what a time or counter may not be
    "a text": '"7"',
    "empty": '""',
    "a float": "7.0",
    "an exponent": "7e0",
    "7E0": "7E0",
    "a large exponent": "1e400",
    "negative": "-1",
    "minus zero": "-0",
    "a leading zero": "07",
    "a plus": "+7",
    "hexadecimal": "0x7",
    "a dot": "7.",
    "true": "true",
    "false": "false",
    "null": "null",
    "an array": "[7]",
    "an object": "{}",
    "NaN": "NaN",
    "Infinity": "Infinity",
    "-Infinity": "-Infinity",
    "after the year 9999": str(LAST_SECOND + 1),
    "2**63": str(2**63),
    "2**64": str(2**64),
    "20 digits": "1" + "0" * 19,
    "5000 digits": "1" * 5000,
    "a blank before": " 7",
    "underscored": "1_0",
    "Arabic digits": "٧",
    "nothing": "",
}
TEXTS = {  # what a text may not be
    "empty": '""',
    "a number": "7",
    "true": "true",
    "null": "null",
    "an array": '["42"]',
    "an object": '{"a":1}',
    "NUL escaped": '"4\\u00002"',
    "NUL raw": '"4\x002"',
    "newline escaped": '"4\\n2"',
    "newline raw": '"4\n2"',
    "CR": '"4\\r2"',
    "tab": '"4\\t2"',
    "ESC": '"4\\u001b2"',
    "DEL": '"4\x7f2"',
    "DEL escaped": '"4\\u007f2"',
    "NEL": '"4\x852"',
    "CSI": '"4\x9b2"',
    "line separator": '"4\u20282"',
    "paragraph separator": '"4\u20292"',
    "high surrogate escaped": '"4\\ud8002"',
    "low surrogate escaped": '"4\\udc002"',
    "surrogate raw": '"4\ud8002"',
    "swapped surrogates": '"\\udc00\\ud800"',
    "a digit escaped": '"\\u0034\\u0032"',
    "a slash escaped": '"4\\/2"',
    "an escaped astral character": '"\\ud83d\\ude00"',
    "an unknown escape": '"4\\x2"',
    "unterminated": '"42',
    "unquoted": "42a",
    "single quotes": "'42'",
    "a blank before": ' "42"',
}
PAYLOADS = {  # whole payloads, spelled otherwise; `ok` is the right one
    "T06 empty": b"",
    "T06 null": b"null",
    "T06 true": b"true",
    "T06 number": b"1",
    "T06 text": b'"42"',
    "T06 array": b"[]",
    "T06 array of claims": b"[" + payload() + b"]",
    "T06 object without members": b"{}",
    "T06 BOM": b"\xef\xbb\xbf" + payload(),
    "T06 UTF-16 with BOM": payload().decode().encode("utf-16"),
    "T06 UTF-16-LE": payload().decode().encode("utf-16-le"),
    "T06 UTF-16-BE": payload().decode().encode("utf-16-be"),
    "T06 UTF-32": payload().decode().encode("utf-32"),
    "T06 overlong UTF-8": payload(sub='"@"').replace(b"@", b"\xc0\xb4"),
    "T06 CESU-8": payload(sub='"@"').replace(b"@", b"\xed\xa0\xbd\xed\xb8\x80"),
    "T06 latin-1": payload(sub='"@"').replace(b"@", b"\xe9"),
    "T06 cut UTF-8": payload(sub='"@"').replace(b"@", b"\xe2\x82"),
    "T06 beyond Unicode": payload(sub='"@"').replace(b"@", b"\xf4\x90\x80\x80"),
    "T06 blank after": payload() + b" ",
    "T06 blank before": b" " + payload(),
    "T06 newline after": payload() + b"\n",
    "T06 NUL after": payload() + b"\0",
    "T06 twice": payload() * 2,
    "T06 brace after": payload() + b"}",
    "T06 brace missing": payload()[:-1],
    "T06 comma after the last": payload()[:-1] + b",}",
    "T06 comment": payload()[:-1] + b"/**/}",
    "T06 blank after a colon": payload().replace(b":", b": ", 1),
    "T06 blank after a comma": payload().replace(b",", b", ", 1),
    "T06 Python": str(json.loads(payload())).encode(),
    "T06 indented": json.dumps(json.loads(payload()), indent=1).encode(),
    "T06 name escaped": payload().replace(b'"sub"', b'"s\\u0075b"'),
    "T06 name in capitals": payload().replace(b'"sub"', b'"SUB"'),
    "T06 form-encoded": b"sub=42&exp=9999999999",
    "T06 key order": json.dumps(dict(sorted(json.loads(payload()).items())), separators=(",", ":")).encode(),
    "T06 reversed": json.dumps(dict(reversed(json.loads(payload()).items())), separators=(",", ":")).encode(),
    "T06 base64 within": b64(payload()).encode(),
    "T06 a token within": HONEST.encode(),
    "T07 sub twice": payload()[:-1] + b',"sub":"1"}',
    "T07 sub twice, the same": payload()[:-1] + b',"sub":"42"}',
    "T07 sub first": b'{"sub":"1",' + payload()[1:],
    "T07 exp twice": payload()[:-1] + b',"exp":9999999999}',
    "T07 escaped": payload()[:-1] + b',"\\u0073ub":"1"}',
    "T07 in ext": payload(ext='{"a":1,"a":2}'),
    "T07 in ext, the same": payload(ext='{"a":1,"a":1}'),
    "T07 in ext, escaped": payload(ext='{"a":1,"\\u0061":2}'),
    "T07 deep in ext": payload(ext='{"a":[{"b":1,"b":1}]}'),
    "T07 in act": payload(act='{"sub":"1","sub":"2"}'),
    "T07 ext twice": payload(ext='{"a":1}')[:-1] + b',"ext":{"a":1}}',
    "T09 no sub": payload(sub=None),
    "T09 no sid": payload(sid=None),
    "T09 no gen": payload(gen=None),
    "T09 no ep": payload(ep=None),
    "T09 no iat": payload(iat=None),
    "T09 no exp": payload(exp=None),
    "T12 no iss": payload(iss=None),
    "T12 no aud": payload(aud=None),
    "T09 exp is iat": payload(exp=str(ISSUED)),
    "T09 exp before iat": payload(exp=str(ISSUED - 1)),
    "T09 auth_time after iat": payload(auth_time=str(ISSUED + 1)),
    "T09 auth_time spelled out as 0": payload(auth_time="0"),
    "T09 gen over four bytes": payload(gen=str(LARGEST_COUNTER + 1)),
    "T09 ep over four bytes": payload(ep=str(LARGEST_COUNTER + 1)),
    "T10 lives a second too long": payload(exp=str(ISSUED + 7_776_001)),
    "T10 lives for ever": payload(exp=str(LAST_SECOND)),
    "T10 expired this second": payload(exp=str(NOW)),
    "T10 expired": payload(exp=str(NOW - 1)),
    "T11 from the future": payload(iat=str(NOW + 31), exp=str(NOW + 900)),
    "T11 from next year": payload(iat=str(NOW + 3 * 10**7), exp=str(NOW + 3 * 10**7 + 9)),
    "T11 nbf": payload(nbf=str(ISSUED)),
    "T11 nbf to come": payload(nbf=str(NOW + 1000)),
    "T12 iss longer": payload(iss='"https://a.example.evil"'),
    "T12 iss shorter": payload(iss='"https://a.exampl"'),
    "T12 iss with a slash": payload(iss='"https://a.example/"'),
    "T12 iss in capitals": payload(iss='"HTTPS://A.EXAMPLE"'),
    "T12 iss in an array": payload(iss='["https://a.example"]'),
    "T12 iss with blanks": payload(iss='" https://a.example"'),
    "T12 aud longer": payload(aud='"shopping"'),
    "T12 aud shorter": payload(aud='"sho"'),
    "T12 aud in an array": payload(aud='["shop"]'),
    "T12 aud in two": payload(aud='["other","shop"]'),
    "T12 aud with a blank": payload(aud='"shop "'),
    "T12 aud in capitals": payload(aud='"SHOP"'),
    "T12 aud as object": payload(aud='{"shop":true}'),
    "T12 aud *": payload(aud='"*"'),
    "an unknown member": payload(admin="true"),
    "jti": payload(jti='"1"'),
    "role": payload(role='"admin"'),
    "__proto__": payload(__proto__="{}"),
    "amr empty": payload(amr="[]"),
    "amr null": payload(amr="null"),
    "amr a text": payload(amr='"pwd"'),
    "amr of numbers": payload(amr="[1]"),
    "amr of empty texts": payload(amr='[""]'),
    "T08 amr with NUL": payload(amr='["\\u0000"]'),
    "T08 amr with DEL": payload(amr='["pwd","\x7f"]'),
    "amr nested": payload(amr='[["pwd"]]'),
    "amr an object": payload(amr='{"pwd":1}'),
    "realm empty": payload(realm='""'),
    "scope empty": payload(scope='""'),
    "iss empty": payload(iss='""'),
    "aud empty": payload(aud='""'),
    "act null": payload(act="null"),
    "act a text": payload(act='"1"'),
    "act an array": payload(act="[]"),
    "act after ext": payload(ext='{"a":1}')[:-1] + b',"act":{"b":1}}',
    "cnf null": payload(cnf="null"),
    "cnf a number": payload(cnf="0"),
    "cnf an array": payload(cnf="[]"),
    "ext empty": payload(ext="{}"),
    "ext null": payload(ext="null"),
    "ext an array": payload(ext="[]"),
    "ext a text": payload(ext='"{}"'),
    "ext false": payload(ext="false"),
    "T06 ext holds NaN": payload(ext='{"a":NaN}'),
    "T06 ext holds Infinity": payload(ext='{"a":Infinity}'),
    "T06 ext overflows": payload(ext='{"a":1e400}'),
    "T06 ext holds 1.00": payload(ext='{"a":1.00}'),
    "T06 ext holds 1e3": payload(ext='{"a":1e3}'),
    "T06 ext holds 1E3": payload(ext='{"a":1E3}'),
    "T06 ext holds -0": payload(ext='{"a":-0}'),
    "T06 ext holds 1.10": payload(ext='{"a":1.10}'),
    "T06 ext holds 17 digits too many": payload(ext='{"a":0.1000000000000000055511151231257827}'),
    "T06 ext holds a blank": payload(ext='{"a": 1}'),
    "T06 ext holds an escaped slash": payload(ext='{"a":"\\/"}'),
    "T06 ext holds a raw newline": payload(ext='{"a":"\n"}'),
    "T06 ext holds a capital escape": payload(ext='{"a":"\\u001B"}'),
    "T06 ext holds a denormal to zero": payload(ext='{"a":1e-400}'),
    "T08 ext holds NUL": payload(ext='{"a":"\\u0000"}'),
    "T08 ext names NUL": payload(ext='{"\\u0000":1}'),
    "T08 act names NUL": payload(act='{"\\u0000":1}'),
    "T08 cnf holds NUL": payload(cnf='{"a":["\\u0000"]}'),
    "T08 ext holds a surrogate": payload(ext='{"a":"\\ud800"}'),
    "T08 NUL deep in ext": payload(ext='{"a":[{"b":"\\u0000"}]}'),
    "T08 ext names a surrogate": payload(ext='{"\\udfff":1}'),
    "T17 ext holds 2**63": payload(ext=f'{{"a":{2**63}}}'),
    "T17 ext holds -2**63": payload(ext=f'{{"a":{-(2**63)}}}'),
    "T17 ext holds 2**64": payload(ext=f'{{"a":[{2**64}]}}'),
    "T17 ext holds 4301 digits": payload(ext=f'{{"a":{"1" * 4301}}}'),
    "T17 cnf holds 100 digits": payload(cnf=f'{{"a":{"1" * 100}}}'),
    "T16 ext one too deep": payload(ext=nested(DEEPEST)),
    "T16 ext one too deep, empty": payload(ext=nested(DEEPEST - 1, core="{}")),
    "T16 ext one too deep, arrays": payload(ext='{"a":' + nested(DEEPEST - 1, "[", "]") + "}"),
    "T08 ext holds NUL as deep as can be": payload(ext=nested(DEEPEST - 1, core='"\\u0000"')),
    "T16 ext 100 deep": payload(ext=nested(100)),
    "T16 ext 1000 deep": payload(ext=nested(1000)),
    "T16 act one too deep": payload(act=nested(DEEPEST)),
    "T16 cnf one too deep": payload(cnf=nested(DEEPEST)),
    "T16 arrays 2800 deep": payload(ext='{"a":' + nested(2800, "[", "]") + "}"),
    "T16 arrays never closed": b'{"ext":' + b"[" * 5000,
    "T16 objects never closed": b'{"a":' * 1000,
    "T16 one member too many": payload(ext="{" + ",".join(f'"{n}":1' for n in range(MOST_MEMBERS + 1)) + "}"),
    "T16 one item too many": payload(ext='{"a":[' + ",".join("1" * MOST_MEMBERS) + "]}"),
    "T16 too many in all": payload(
        act='{"a":[' + ",".join("1" * 200) + "]}", ext='{"a":[' + ",".join("1" * 100) + "]}"
    ),
}
HEADERS = {  # other headers, under the right key
    **{
        f"T01 alg {alg!r}": HEADER | {"alg": alg}
        for alg in (
            "none",
            "None",
            "NONE",
            "nOnE",
            "none ",
            " none",
            "non\0e",
            "noné",
            "hs256",
            "Hs256",
            "HS256 ",
            "HS-256",
            "HS384",
            "HS512",
            "RS256",
            "PS256",
            "ES256",
            "ES256K",
            "EdDSA",
            "Ed25519",
            "dir",
            "A256GCMKW",
            "PBES2-HS256+A128KW",
            "",
            0,
            1,
            True,
            None,
            ["HS256"],
            {"alg": "HS256"},
        )
    },
    **{
        f"T20 kid {kid!r:.40}": HEADER | {"kid": kid}
        for kid in (
            "",
            "0",
            KEY.kid + "A",
            KEY.kid[:-1],
            KEY.kid.swapcase(),
            SEALED_KEY.kid,
            "../../../../dev/null",
            "/dev/null",
            "file:///etc/passwd",
            "' OR 1=1 --",
            "| id",
            "${jndi:ldap://a}",
            "*",
            KEY.kid + "\0",
            "é",
            "A" * 200,
            "A" * 5000,
            0,
            None,
            [KEY.kid],
            {"a": 1},
            True,
        )
    },
    **{
        f"T13 typ {typ!r}": HEADER | {"typ": typ}
        for typ in (
            "JWT",
            "jwt",
            "AT+JWT",
            "at+JWT",
            "application/at+jwt",
            "refresh+jwt",
            "csrf+jwt",
            "logout+jwt",
            "dpop+jwt",
            "id+jwt",
            "at",
            "",
            None,
            1,
            ["at+jwt"],
        )
    },
    "T14 crit exp": HEADER | {"crit": ["exp"]},
    "T14 crit empty": HEADER | {"crit": []},
    "T14 crit b64": HEADER | {"crit": ["b64"], "b64": False},
    "T14 crit null": HEADER | {"crit": None},
    "T14 crit a text": HEADER | {"crit": "exp"},
    "T14 crit unknown": HEADER | {"crit": ["http://example.com/UNDEFINED"]},
    "T14 b64 false": HEADER | {"b64": False},
    "T14 b64 true": HEADER | {"b64": True},
    "T14 zip": HEADER | {"zip": "DEF"},
    "T14 zip NONE": HEADER | {"zip": "NONE"},
    "T19 jku": HEADER | {"jku": "https://evil.example/jwks.json"},
    "T19 x5u": HEADER | {"x5u": "https://evil.example/x.pem"},
    "T19 x5c": HEADER | {"x5c": ["MIIB"]},
    "T19 x5t": HEADER | {"x5t": "A" * 27},
    "T19 jwk": HEADER | {"jwk": {"kty": "oct", "k": b64(KEY.secret)}},
    "T19 jwk alone": {"alg": "HS256", "jwk": {"kty": "oct", "k": b64(KEY.secret)}},
    "T13 nested": HEADER | {"cty": "JWT"},
    "T22 enc": HEADER | {"enc": "A256GCM"},
    "T09 times in the header": HEADER | {"iat": ISSUED, "exp": EXPIRES},
    "no alg": {"kid": KEY.kid, "typ": "at+jwt"},
    "no kid": {"alg": "HS256", "typ": "at+jwt"},
    "no typ": {"alg": "HS256", "kid": KEY.kid},
    "no members": {},
    "T06 other order": dict(reversed(HEADER.items())),
    "an unknown member": HEADER | {"x": 1},
}
RAW_HEADERS = {
    "T06 empty": b"",
    "T06 null": b"null",
    "T06 array": b"[]",
    "T06 text": b'"HS256"',
    "T06 no JSON": b"HS256",
    "T06 blanks": json.dumps(HEADER).encode(),
    "T06 BOM": b"\xef\xbb\xbf" + json.dumps(HEADER, separators=(",", ":")).encode(),
    "T06 UTF-16": json.dumps(HEADER).encode("utf-16"),
    "T06 trailing": json.dumps(HEADER, separators=(",", ":")).encode() + b"}",
    "T06 newline": json.dumps(HEADER, separators=(",", ":")).encode() + b"\n",
    "T07 alg twice": b'{"alg":"none",' + json.dumps(HEADER, separators=(",", ":")).encode()[1:],
    "T07 escaped": b'{"\\u0061lg":"none",' + json.dumps(HEADER, separators=(",", ":")).encode()[1:],
    "T06 escaped": json.dumps(HEADER, separators=(",", ":")).replace("alg", "\\u0061lg").encode(),
    "T16 deep": b'{"a":' * 900 + b"1" + b"}" * 900,
    "T16 arrays": b"[" * 5000,
    "T17 digits": b'{"alg":' + b"1" * 5000 + b"}",
    "T06 not UTF-8": b'{"alg":"\xff"}',
}
WHOLE = {  # texts that are no token at all, or a token in other clothes
    **{
        f"T05 {text!r}": text
        for text in (
            "",
            ".",
            "..",
            "...",
            "....",
            ".....",
            "a",
            "a.b",
            "a.b.c",
            "null",
            "undefined",
            "{}",
            "\0",
            "。。",
            "Bearer",
            "-",
            "=" * 20,
        )
    },
    "T05 two segments": HONEST.rpartition(".")[0],
    "T05 header alone": KEY.header,
    "T05 header and dot": KEY.header + ".",
    "T05 payload left out": f"{KEY.header}.{MAC}",
    "T05 detached": f"{KEY.header}..{MAC}",
    "T05 detached, signed": sign(b""),
    "T05 no MAC": f"{KEY.header}.{BODY}.",
    "T05 no header": f".{BODY}.{MAC}",
    "T05 four segments": HONEST + ".",
    "T05 four segments more": HONEST + "." + MAC,
    "T05 dot before": "." + HONEST,
    "T05 five segments": HONEST + "..",
    "T05 dot in the payload": sign(BODY[:8] + "." + BODY[8:]),
    "T05 dot after the payload": sign(BODY + "."),
    "T05 dot before the payload": sign("." + BODY),
    "T05 payload twice": sign(BODY + "." + BODY),
    "T05 other dots": HONEST.replace(".", "。"),
    "T05 commas": HONEST.replace(".", ","),
    "T05 encoded dots": HONEST.replace(".", "%2e"),
    "T05 flattened JSON": json.dumps({"protected": KEY.header, "payload": BODY, "signature": MAC}),
    "T05 general JSON": json.dumps({"payload": BODY, "signatures": [{"protected": KEY.header, "signature": MAC}]}),
    "T05 polyglot": json.dumps({"a": HONEST}),
    "T05 twice": HONEST + HONEST,
    "T05 twice with a blank": f"{HONEST} {HONEST}",
    "T05 two with a comma": f"{HONEST},{HONEST}",
    "T04 blank before": " " + HONEST,
    "T04 blank after": HONEST + " ",
    "T04 newline after": HONEST + "\n",
    "T04 CRLF after": HONEST + "\r\n",
    "T04 NUL after": HONEST + "\0",
    "T04 BOM": "\ufeff" + HONEST,
    "T04 quoted": f'"{HONEST}"',
    "T04 Bearer": "Bearer " + HONEST,
    "T04 as Python bytes": repr(HONEST.encode()),
    "T04 in capitals": HONEST.upper(),
    "T04 lower": HONEST.lower(),
    "T04 swapped": HONEST.swapcase(),
    "T04 reversed": HONEST[::-1],
    "T04 surrogate": HONEST + "\udcff",
    "T04 zero-width": HONEST + "\u200b",
    "T04 full-width dot": HONEST.replace(".", "\uff0e"),
    "T04 base64 of it": b64(HONEST),
    "T04 header padded": HONEST.replace(".", "==.", 1),
    "T04 header with a newline": HONEST.replace(".", "\n.", 1),
    "T15 one too long": sign("A" * (8193 - len(sign("")))),
    "T15 1 MB of one letter": "a" * 2**20,
    "T15 1 MB of dots": "." * 2**20,
    "T15 1 MB of payload": sign("A" * 2**20),
    "T15 1 MB of header": "A" * 2**20 + "." + BODY + "." + MAC,
    "T15 1 MB of MAC": HONEST + "A" * 2**20,
    "T15 1 MB of 中": "中" * 2**20,
    "T15 1 MB of surrogates": "\ud800" * 2**20,
    "T15 1 MB of braces": "{" * 2**20,
    "T15 1 MB of blanks before": " " * 2**20 + HONEST,
    "T13 refresh token": refresh.render(bytes(16), 7, KeyRing.from_secret(SECRET, purpose="refresh").active),
    "T13 sealed token": HONEST_SEALED,
    "T13 API key": "tsk_" + "A" * 43,
    "T13 csrf token": sign(
        payload(),
        header=KeyRing.from_secret(SECRET, purpose="csrf").active.header,
        secret=KeyRing.from_secret(SECRET, purpose="csrf").active.secret,
    ),
    "T22 sealed header, right MAC": sign(payload(), header=SEALED_KEY.header),
    "T22 sealed header, its MAC": sign(payload(), header=SEALED_KEY.header, secret=SEALED_KEY.secret),
}
SIGNATURES = {  # MACs over the right text
    "T01 none": "",
    "T25 zeros": b64(bytes(32)),
    "T25 ones": b64(b"\xff" * 32),
    "T01 HS384": sign(BODY, digest="sha384").split(".")[2],
    "T01 HS512": sign(BODY, digest="sha512").split(".")[2],
    "T01 HS512 cut": b64(hmac.digest(KEY.secret, HONEST.rpartition(".")[0].encode(), "sha512")[:32]),
    "T01 SHA-1": sign(BODY, digest="sha1").split(".")[2],
    "T02 empty key": sign(BODY, secret=b"").split(".")[2],
    "T02 SECRET_KEY itself": sign(BODY, secret=SECRET.encode()).split(".")[2],
    "T02 key in base64": sign(BODY, secret=b64(KEY.secret).encode()).split(".")[2],
    "T02 key in hex": sign(BODY, secret=KEY.secret.hex().encode()).split(".")[2],
    "T02 kid as key": sign(BODY, secret=KEY.kid.encode()).split(".")[2],
    "T02 header as key": sign(BODY, secret=KEY.header.encode()).split(".")[2],
    "K02 sealed key": sign(BODY, secret=SEALED_KEY.secret).split(".")[2],
    "K02 other realm": sign(BODY, secret=KeyRing.from_secret(SECRET, realm="admin").active.secret).split(".")[2],
    "K02 key with a NUL": sign(BODY, secret=KEY.secret + b"\0" * 33).split(".")[2],
    "of the payload alone": b64(hmac.digest(KEY.secret, BODY.encode(), "sha256")),
    "of the bytes": b64(hmac.digest(KEY.secret, payload(), "sha256")),
    "of header and bytes": b64(hmac.digest(KEY.secret, KEY.header.encode() + b"." + payload(), "sha256")),
    "of another token": sign(payload(sub='"1"')).split(".")[2],
    "T23 64 bytes": b64(bytes(64)),
    "T23 DER": b64(b"\x30\x44" + bytes(68)),
    "in hex": hmac.digest(KEY.secret, HONEST.rpartition(".")[0].encode(), "sha256").hex(),
    **{
        f"T21 cut to {size} bytes": b64(hmac.digest(KEY.secret, HONEST.rpartition(".")[0].encode(), "sha256")[:size])
        for size in (1, 2, 4, 8, 16, 24, 31)
    },
    "a byte more": b64(hmac.digest(KEY.secret, HONEST.rpartition(".")[0].encode(), "sha256") + b"\0"),
}

HOSTILE = {
    **{
        f"T09 {name}: {what}": sign(payload(**{name: raw}))
        for name in ("gen", "ep", "iat", "exp", "auth_time")
        for what, raw in NUMBERS.items()
    },
    **{
        f"T08 {name}: {what}": sign(payload(**{name: raw}))
        for name in ("sub", "sid", "realm", "iss", "aud", "scope")
        for what, raw in TEXTS.items()
    },
    **{f"payload {name}": sign(data) for name, data in PAYLOADS.items()},
    **{f"header {name}": sign_under(header) for name, header in HEADERS.items()},
    **{
        f"header without MAC {name}": sign_under(header).rpartition(".")[0] + "."
        for name, header in HEADERS.items()
        if "alg" in name
    },
    **{f"raw header {name}": sign_under(raw) for name, raw in RAW_HEADERS.items()},
    **{f"whole {name}": text for name, text in WHOLE.items()},
    **{f"MAC {name}": f"{KEY.header}.{BODY}.{mac}" for name, mac in SIGNATURES.items()},
    **{f"T04 payload {name}": sign(text) for name, text in misspelled(b64(payload(sub='"424"'))).items()},
    **{f"T04 payload of two more {name}": sign(text) for name, text in misspelled(b64(payload(sub='"4242"'))).items()},
    **{
        f"T04 payload of three more {name}": sign(text)
        for name, text in misspelled(b64(payload(sub='"42>?~"'))).items()
    },
    **{f"T04 MAC {name}": f"{KEY.header}.{BODY}.{text}" for name, text in misspelled(MAC).items()},
    **{f"T04 header {name}": sign(BODY, header=text) for name, text in misspelled(KEY.header).items()},
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_T18_a_hostile_token_is_refused_with_a_documented_error(text):
    expected = "TokenExpiredError" if text in EXPIRED else "TokenInvalidError"
    assert refusal(access.verify, text, RING) == expected


EXPIRED = {HOSTILE["payload T10 expired this second"], HOSTILE["payload T10 expired"]}


def test_the_table_holds_what_it_promises():
    assert len(HOSTILE) >= 500
    assert len(set(HOSTILE.values())) >= 450
    genuine = [text for text in HOSTILE.values() if isinstance(text, str) and text.startswith(KEY.header + ".")]
    assert len(genuine) >= 300
    assert refusal(access.verify, HONEST, RING) == ""


@pytest.mark.parametrize(
    "name", ["T09 gen: a text", "T04 payload padded", "payload T07 in ext", "payload T16 ext 100 deep"]
)
def test_a_token_of_the_table_is_refused_for_what_it_says_and_not_for_its_MAC(name):
    header, segment, mac = HOSTILE[name].split(".")
    assert mac == b64(hmac.digest(KEY.secret, f"{header}.{segment}".encode(), "sha256"))


def test_T04_each_payload_that_was_misspelled_is_accepted_when_spelled_rightly():
    for sub in ("424", "4242", "42>?~"):
        assert access.verify(sign(payload(sub=f'"{sub}"')), RING, **PLACE).sub == sub


@pytest.mark.parametrize("name", ["iss", "aud", "realm", "scope", "sub", "sid", "amr"])
@pytest.mark.parametrize("text", ["\0", "\n", "\x1b", "\x7f", "\x85", "\x9f", "\u2028", "\u2029"], ids=ascii)
def test_T08_a_control_character_is_refused_even_where_the_issuer_or_audience_asked_for_holds_it(name, text):
    raw = json.dumps("a" + text, ensure_ascii=text in "\0\n\x1b")
    data = payload(**{name: f"[{raw}]" if name == "amr" else raw})
    place = {"issuer": "a" + text} if name == "iss" else {"audience": "a" + text} if name == "aud" else {}
    assert refusal(access.verify, sign(data), RING, **place) == "TokenInvalidError"
    honest = data.replace(raw.encode(), '"aé"'.encode())
    assert refusal(access.verify, sign(honest), RING, **dict.fromkeys(place, "aé")) == ""


NO_TEXTS = [
    None,
    True,
    0,
    1.5,
    float("nan"),
    b"",
    HONEST.encode(),
    bytearray(HONEST.encode()),
    memoryview(HONEST.encode()),
    [],
    [HONEST],
    (HONEST,),
    {},
    {HONEST: 1},
    {HONEST},
    object(),
    str,
    len,
    Exception(HONEST),
    CLAIMS,
    KEY,
    RING,
    ...,
    range(3),
]


@pytest.mark.parametrize("text", NO_TEXTS, ids=lambda value: type(value).__name__)
def test_T18_what_is_no_text_is_refused(text):
    assert refusal(access.verify, text, RING) == "TokenInvalidError"


class Treacherous(str):
    """A text that lies about itself and explodes when touched."""

    __slots__ = ()

    def _explode(self, *args, **kwargs):
        raise RuntimeError

    __len__ = encode = isascii = partition = split = startswith = __str__ = __eq__ = __hash__ = _explode


class Liar:
    """No text, though it says so."""

    __class__ = str

    def __len__(self):
        raise RuntimeError


def test_T18_a_text_that_fights_back_is_read_as_the_text_it_is():
    assert access.verify(Treacherous(HONEST), RING, **PLACE) == CLAIMS
    assert refusal(access.verify, Treacherous(HONEST + "A"), RING) == "TokenInvalidError"
    assert refusal(access.verify, Liar(), RING) == "TokenInvalidError"


@pytest.mark.parametrize("purpose", ["sealed", "refresh", "csrf", "sid", "legacy", "at"])
def test_T13_a_ring_for_another_purpose_accepts_nothing_even_under_its_own_key(purpose):
    ring = KeyRing.from_secret(SECRET, purpose=purpose)
    forged = sign(payload(), header=ring.active.header, secret=ring.active.secret)
    assert refusal(access.verify, forged, ring) == "TokenInvalidError"
    assert refusal(access.verify, HONEST, ring) == "TokenInvalidError"


def edits(token, rng, count, alphabet):
    for _ in range(count):
        text = list(token)
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            at = rng.randrange(len(text) + 1)
            match rng.randrange(5):
                case 0:
                    text.insert(at, rng.choice(alphabet))
                case 1:
                    del text[at : at + rng.choice((1, 1, 2, 10))]
                case 2:
                    text[at : at + 1] = rng.choice(alphabet)
                case 3:
                    text[at : at + 4] = reversed(text[at : at + 4])
                case 4:
                    text = text[at:] + text[:at]
        yield "".join(text)


def test_T18_of_random_edits_only_the_unedited_token_is_accepted():
    count = 1_000_000 if os.environ.get("TESSERA_LONG") == "1" else 20_000
    alphabet = URL_ALPHABET.decode() + '.=+/ \n\0é中\ud800"\\{'
    accepted = set()
    for text in edits(HONEST, random.Random(18), count, alphabet):
        try:
            access.verify(text, RING, **PLACE)
        except REFUSALS:
            continue
        accepted.add(text)
    assert accepted <= {HONEST}


def test_T04_every_edit_of_a_single_character_is_refused():
    for at, right in enumerate(HONEST):
        for wrong in "A-_.=+/ Q9":
            if wrong != right:
                assert refusal(access.verify, HONEST[:at] + wrong + HONEST[at + 1 :], RING) == "TokenInvalidError"
        assert refusal(access.verify, HONEST[:at] + HONEST[at + 1 :], RING) == "TokenInvalidError"


def random_json(rng, depth=0):
    match rng.randrange(9 if depth < 4 else 6):
        case 0:
            return rng.choice(list(NUMBERS.values()))
        case 1:
            return rng.choice(list(TEXTS.values()))
        case 2:
            return str(rng.randrange(-5, 2**70))
        case 3:
            return repr(rng.uniform(-1e3, 1e3))
        case 4 | 5:
            return json.dumps(rng.choice(list(MEMBERS)))
        case 6:
            return "[" + ",".join(random_json(rng, depth + 1) for _ in range(rng.randrange(3))) + "]"
        case _:
            return "{" + ",".join(f'"{n}":{random_json(rng, depth + 1)}' for n in range(rng.randrange(3))) + "}"


def test_T18_random_claims_under_the_right_key_raise_only_documented_errors():
    rng = random.Random(9)
    count = 200_000 if os.environ.get("TESSERA_LONG") == "1" else 5_000
    for _ in range(count):
        name = rng.choice([*MEMBERS, "realm", "act", "cnf", "ext"])
        data = payload(**{name: random_json(rng)})
        try:
            claims = access.verify(sign(data), RING, **PLACE)
        except REFUSALS:
            continue
        # Accepted: then it is the one text that says this.
        assert access.mint(claims, KEY) == sign(data)


def test_T10_errors_are_told_apart_only_for_tokens_that_are_ours():
    with pytest.raises(TokenExpiredError) as caught:
        access.verify(HONEST, RING, **{**PLACE, "at": EXPIRES})
    assert caught.value.claims == CLAIMS
    for change in ({"issuer": "b"}, {"audience": "b"}):
        with pytest.raises(TokenInvalidError):
            access.verify(HONEST, RING, **{**PLACE, "at": EXPIRES, **change})
