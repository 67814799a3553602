"""What a browser sends of a passkey (`PublicKeyCredential.toJSON()`, WebAuthn §5.1.4), read strictly."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, NamedTuple, TypeVar

import msgspec

from ..accounts.passkeys import LONGEST_ID, Assertion, Attestation
from ..errors import CodeWrongError, TokenInvalidError
from ..tokens.encoding import decode

Model = TypeVar("Model")
_Text = Annotated[str, msgspec.Meta(max_length=12_288)]
_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_ID * 4 // 3 + 1)]
_MOST_TRANSPORTS: Final = 8
_TRANSPORT: Final = re.compile("[a-z-]{1,32}")


class MadePasskey(NamedTuple):
    """A passkey that a browser says it has made, for this challenge."""

    attestation: Attestation
    challenge: bytes
    transports: tuple[str, ...]


class UsedPasskey(NamedTuple):
    """A passkey that a browser says was used, for this challenge; no user handle is empty bytes."""

    assertion: Assertion
    challenge: bytes
    user_handle: bytes


class _Made(msgspec.Struct, rename={"client_data": "clientDataJSON", "attestation": "attestationObject"}):
    client_data: _Text
    attestation: _Text
    transports: list[str] = []


class _Used(
    msgspec.Struct,
    rename={"client_data": "clientDataJSON", "authenticator_data": "authenticatorData", "user_handle": "userHandle"},
):
    client_data: _Text
    authenticator_data: _Text
    signature: _Text
    user_handle: _Text = ""


class _Credential(msgspec.Struct):
    id: _Id
    type: Literal["public-key"]


class _MadeCredential(_Credential):
    response: _Made


class _UsedCredential(_Credential):
    response: _Used


class _ClientData(msgspec.Struct, rename={"cross_origin": "crossOrigin"}):
    """The part of the client data that the library does not look at, or that must be known before it is asked."""

    challenge: str
    cross_origin: bool = False


_decode_client_data: Final = msgspec.json.Decoder(_ClientData).decode
# msgspec 0.22 crashes where several threads are the first to convert to a type; a decoder has looked at it before.
_LOOKED_AT: Final = (msgspec.json.Decoder(_MadeCredential), msgspec.json.Decoder(_UsedCredential))


def read_made(credential: object) -> MadePasskey:
    """What was sent of a new passkey.

    Raises:
        CodeWrongError: that is none.
    """
    found = _converted(credential, _MadeCredential)
    given, client_data = found.response, _bytes(found.response.client_data)
    attestation = Attestation(_bytes(found.id), client_data, _bytes(given.attestation))
    # Those that are not known (yet) are kept as well (WebAuthn §5.2.1); they are hearsay.
    transports = tuple(dict.fromkeys(each for each in given.transports if _TRANSPORT.fullmatch(each)))
    return MadePasskey(attestation, _challenge_in(client_data), transports[:_MOST_TRANSPORTS])


def read_used(credential: object) -> UsedPasskey:
    """What was sent of a passkey that was used.

    Raises:
        CodeWrongError: that is none.
    """
    found = _converted(credential, _UsedCredential)
    given, client_data = found.response, _bytes(found.response.client_data)
    assertion = Assertion(_bytes(found.id), client_data, _bytes(given.authenticator_data), _bytes(given.signature))
    return UsedPasskey(assertion, _challenge_in(client_data), _bytes(given.user_handle))


def _converted(credential: object, model: type[Model]) -> Model:
    try:
        return msgspec.convert(credential, model)
    except (msgspec.ValidationError, UnicodeError) as error:
        raise CodeWrongError(f"no passkey: {error}") from error


def _bytes(text: str) -> bytes:
    try:
        # Some libraries pad what they encode.
        return decode(text.rstrip("=").encode())
    except (TokenInvalidError, UnicodeEncodeError) as error:
        raise CodeWrongError("no base64url") from error


def _challenge_in(client_data: bytes) -> bytes:
    """The challenge that is answered; not yet known to be one of ours.

    Raises:
        CodeWrongError: there is none, or a page of another site has this one in a frame (WebAuthn §13.4.9).
    """
    try:
        found = _decode_client_data(client_data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise CodeWrongError(f"no client data: {error}") from error
    if found.cross_origin:
        raise CodeWrongError("a page of another site has framed the one that asked")
    return _bytes(found.challenge)
