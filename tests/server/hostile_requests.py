"""What a hostile client sends to an endpoint: a hundred and more of bodies, content types and headers."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Change = Callable[[dict[str, Any] | None], "Request"]

JSON = "application/json"
MARK = "hunter2"
"""In every text that a hostile request sends as a secret."""
SECRET = ("password", "old", "new", "code", "totp", "recovery", "ticket", "trust_token", "passkey", "credential")
"""Members whose texts nobody may read in a log."""
VALUES = (
    *(0, -1, 2**80, 1.5e308, True, [], {}, [[]], {"$gt": ""}, "", " ", "\0", "\ud800", f"{MARK}\r\nSet-Cookie: a=b"),
    *(
        f"{MARK}' OR '1'='1",
        "\u202e\u2066\u202e\u0661",
        "%s%n{0}{{7*7}}${jndi:ldap://x}",
        "x" * 15_000,
        "１３８００１３８０００",
    ),
)
"""In place of each member of a good body; that the member is missing comes in addition."""
RAW = (
    *(
        b"",
        b" \n",
        b"{",
        b"{}",
        b"[]",
        b"null",
        b"true",
        b"0",
        b'"text"',
        b"\0" * 100,
        bytes(range(256)),
        b"\xff\xfe{\0}\0",
    ),
    *(
        b"\xef\xbb\xbf{}",
        '{"ticket": "x"}'.encode("utf-16"),
        b'{"ticket": NaN}',
        b'{"ticket": 1e999}',
        b'{"a": 1} {"a": 2}',
    ),
    *(
        b"[" * 16_000,
        b'{"a":' * 3_000,
        b'{"ticket": ' + b"9" * 5_000 + b"}",
        b'{"ticket": "\\ud800"}',
        b'{"ticket": "\xff"}',
    ),
    *(b'{"recipient": "a", "recipient": "b"}', b'{"": ""}', b'{"__proto__": {"a": 1}}', b"x" * 16_385, b"x" * 200_000),
    *(
        b"phone=1&password=x",
        b"<a/>",
        b'{"ticket": /**/ 1}',
        b"{'ticket': 1}",
        b'{"password": "' + MARK.encode() + b'"',
    ),
    json.dumps({str(number): number for number in range(1_000)}).encode(),
)
"""In place of a good body."""
TYPES = (
    *(
        None,
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
    ),
    *(
        "application/json; charset=utf-16",
        "application/json; charset=x\u00ff",
        "application/json, text/html",
        "a" * 9_000,
    ),
    *("APPLICATION/JSON", "application/json;;;=", "application/vnd.api+json"),
)
"""In place of a good body's content type."""
HEADERS: tuple[dict[str, str], ...] = (
    {"Authorization": "Bearer"},
    {"Authorization": "Bearer  "},
    {"Authorization": "Basic aHVudGVyMjpodW50ZXIy"},
    {"Authorization": f"Bearer {MARK}\xff"},
    {"Authorization": "Bearer " + "a" * 9_000},
    {"Authorization": f"Bearer tsk_{MARK}"},
    {"Authorization": "Bearer a.b.c", "z-token": "d.e.f"},
    {"Authorization": "Digest " + "x=" * 500},
    {"z-token": ""},
    {"z-token": MARK},
    {"z-token": "None"},
    {"Cookie": "__Host-tessera=" + MARK},
    {"Cookie": "__Host-tessera=a; __Host-tessera=b; __Secure-tessera-refresh=" + "x" * 3_000},
    {"Cookie": "=; ;;; \xff=\xff"},
    {"X-CSRF-Token": MARK, "Origin": "null"},
    {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    {"Accept-Language": "zz-ZZ;q=nan, " + "en," * 2_000},
    {"Accept": "text/html;q=-1"},
    {"X-Forwarded-For": "1.2.3.4, " * 500},
    {"Forwarded": 'for="[::1', "X-Real-IP": "\xff"},
    {"User-Agent": "\x9b2J\xff" + "x" * 5_000},
    {"X-HTTP-Method-Override": "DELETE"},
    {"Content-Encoding": "gzip"},
    {"Transfer-Encoding": "chunked"},
    {"Expect": "100-continue", "Range": "bytes=0-", "If-None-Match": "*"},
    {"Host": "evil.example:99999"},
    {"Host": "[::1"},
)
"""Beside a good body, each twice: with a token of a session where one is needed, and without."""


@dataclass(frozen=True)
class Request:
    """One request, but for its path: `options` are those of a test client."""

    options: dict[str, Any] = field(repr=False)
    has_token: bool = True


def hostile_requests(body: dict[str, Any] | None) -> Iterator[Change]:
    """What makes each of them of such a good body, which may hold something else every time; None for no body."""
    yield from () if body is None else _changes(body)
    for raw in RAW:
        yield lambda _good, raw=raw: Request({"data": raw, "content_type": JSON})
    for content_type in TYPES:
        yield lambda good, of=content_type: Request({"data": _encoded(good), "content_type": of})
    for headers, has_token in itertools.product(HEADERS, (True, False)):
        yield lambda good, sent=headers, has=has_token: Request(
            {"data": _encoded(good), "content_type": JSON, "headers": sent}, has
        )


def hostile_names() -> Iterator[str]:
    """For a variable part of a path."""
    yield from ("x", "0", "-1", "null", "..%2f..%2fetc", "%00", "%ff", "%e2%80%ae", "a" * 22, "A" * 3_000)
    yield from ("tst_" + "A" * 58, "tst_" + MARK, "*", "%25s", "redeem%2f", "' OR 1=1", "%0d%0aSet-Cookie:a=b", "{}")
    yield from (f"tst_{number}{'A' * 57}" for number in range(10))


def _encoded(body: dict[str, Any] | None) -> bytes:
    return b"" if body is None else json.dumps(body).encode()


def _changes(body: dict[str, Any]) -> Iterator[Change]:
    """The body with each of its members, at any depth, once missing and once of each hostile value."""
    for path in _paths(body):
        mark = MARK if path[-1] in SECRET else "x"
        for value in (..., *(each.replace(MARK, mark) if isinstance(each, str) else each for each in VALUES)):
            yield lambda good, path=path, value=value: Request(
                {"data": _encoded(_changed(good, path, value)), "content_type": JSON}
            )


def _changed(body: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    name, *below = path
    if below:
        return {**body, name: _changed(body[name], tuple(below), value)}
    kept = {other: member for other, member in body.items() if other != name}
    return kept if value is ... else {**kept, name: value}


def _paths(body: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, member in body.items():
        yield (*above, name)
        if isinstance(member, dict):
            yield from _paths(member, (*above, name))
