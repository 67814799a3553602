"""Reads a request's JSON body, strictly."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from werkzeug.exceptions import RequestEntityTooLarge

from ...errors import InputError
from ..current import current_request_object
from ..malformed import malformed

if TYPE_CHECKING:
    from werkzeug.datastructures import ImmutableMultiDict

Model = TypeVar("Model")
LARGEST_BODY: Final = 16_384
"""Bytes that a request to these routes may carry."""
_DECODE_ERRORS: Final = (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError)
_decode_object: Final = msgspec.json.Decoder(dict[str, Any]).decode


def read(model: type[Model], *, may_be_empty: bool = False) -> Model:
    """The body as `model`; a member that is null counts as absent.

    Args:
        model: a struct, or `dict` for any JSON object.
        may_be_empty: take no body at all for an empty object.

    Raises:
        InputError: another media type (415), too large (413), or malformed (400).
    """
    data = read_bytes()
    if may_be_empty and not data.strip():
        return msgspec.convert({}, model)
    mimetype = current_request_object().mimetype
    if mimetype != "application/json":
        raise InputError(f"the body is {mimetype!r}", slug="media_type_unsupported")
    if not data.strip():
        raise InputError("the body is empty", slug="body_missing")
    try:
        return msgspec.convert(_without_nulls(_decode_object(data)), model)
    except _DECODE_ERRORS as error:
        raise malformed(error) from error


def read_bytes() -> bytes:
    """The body, if it is not too large.

    Raises:
        InputError: it is too large, or cannot be read.
    """
    request = current_request_object()
    # A host's request class may make it read-only; then the host's limit is in force. One more than may be: a chunked
    # body is cut at this limit, not refused.
    with suppress(AttributeError):
        request.max_content_length = LARGEST_BODY + 1
    try:
        data = request.get_data(cache=True)
    except RequestEntityTooLarge as error:
        raise InputError("the body is too large", slug="body_too_large") from error
    except Exception as error:
        # Each server has errors of its own for a client that goes away, or sends less than it has announced.
        raise InputError(f"the body cannot be read: {error}") from error
    if len(data) > LARGEST_BODY:
        raise InputError("the body is too large", slug="body_too_large")
    return data


def read_form() -> ImmutableMultiDict[str, str]:
    """The fields of the form that the present request sends.

    Raises:
        InputError: it is too large, or no form.
    """
    request = current_request_object()
    read_bytes()
    if request.mimetype != "application/x-www-form-urlencoded":
        raise InputError(f"the body is {request.mimetype!r}", slug="media_type_unsupported")
    return request.form


def _without_nulls(value: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _without_nulls(member) if isinstance(member, dict) else member
        for name, member in value.items()
        if member is not None
    }
