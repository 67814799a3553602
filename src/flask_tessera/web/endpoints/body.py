"""Reads a request's JSON body, strictly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from flask import request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from ...errors import InputError

if TYPE_CHECKING:
    from msgspec.json import Decoder

Model = TypeVar("Model")
LARGEST_BODY: Final = 16_384
"""Bytes that a request to these routes may carry."""
_DECODE_ERRORS: Final = (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError)


def read(decoder: Decoder[Model]) -> Model:
    """The body as the decoder's type.

    Raises:
        InputError: another media type (415), too large (413), or malformed (400).
    """
    if request.mimetype != "application/json":
        raise InputError(f"the body is {request.mimetype!r}", slug="media_type_unsupported")
    data = read_bytes()
    if not data.strip():
        raise InputError("the body is empty", slug="body_missing")
    try:
        return decoder.decode(data)
    except _DECODE_ERRORS as error:
        raise InputError(str(error)) from error


def read_bytes() -> bytes:
    """The body, if it is not too large.

    Raises:
        InputError: it is too large, or ends early.
    """
    # One more: a chunked body is cut at this limit, not refused.
    request.max_content_length = LARGEST_BODY + 1
    try:
        data = request.get_data(cache=True)
    except RequestEntityTooLarge as error:
        raise InputError("the body is too large", slug="body_too_large") from error
    except HTTPException as error:
        raise InputError("the body ends early") from error
    if len(data) > LARGEST_BODY:
        raise InputError("the body is too large", slug="body_too_large")
    return data


def read_object() -> dict[str, Any]:
    """The body as a JSON object; errors as of `read`."""
    return read(_OBJECT)


_OBJECT: Final = msgspec.json.Decoder(dict[str, Any])
