"""Where a page may send a browser afterwards: paths of this site, and nothing else (requirement B06)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from flask import url_for

from ..web.current import current_request_object
from ..web.endpoints.body import read_form

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST: Final = 2048
# An allow-list. Browsers take "\" for "/" and drop tabs and line ends before they look at what is left (WHATWG URL
# §4.4), so only printable ASCII without "\" passes; a second "/" would begin a host.
_OWN: Final = re.compile(r"/(?!/)[!-\[\]-~]*")


def is_own_path(text: str) -> bool:
    """Whether `text` is a path of this site, with or without a query, for every browser."""
    path = re.split(r"[?#]", text, maxsplit=1)[0]
    return len(text) <= _LONGEST and "//" not in path and _OWN.fullmatch(text) is not None


def own_path(text: str, default: str) -> str:
    """`text` if it is a path of this site, else `default`."""
    return text if is_own_path(text) else default


def next_of(fields: Mapping[str, str]) -> str:
    """Where a query or a form says to go afterwards; empty where it does not, or where that is not ours."""
    return own_path(fields.get("next", ""), "")


def present_path() -> str:
    """Path and query of the present request, as the browser sees them."""
    request = current_request_object()
    query = request.query_string.decode("ascii", "replace")
    return quote(f"{request.root_path}{request.path}") + (f"?{query}" if query else "")


def page_of_form() -> str:
    """The page that has the form which the present request sends."""
    name = str(current_request_object().endpoint).rpartition(".")[2]
    if name == "stepped_up":
        return with_query(url_for(".step_up"), next=next_of(read_form()))
    if "passkey" in name and not name.startswith("security"):
        return url_for(".sign_in")
    return url_for(".security" if name.startswith("security") else ".devices")


def with_query(place: str, **arguments: str) -> str:
    """A URL with those of the arguments that are not empty."""
    given = {name: value for name, value in arguments.items() if value}
    if not given:
        return place
    return f"{place}{'&' if '?' in place else '?'}{urlencode(given)}"
