"""What the library `webauthn` is asked: whether a passkey was made, or used, for this site (WebAuthn Level 3 §7)."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ..errors import CodeWrongError, missing_extra
from .plain_cbor import refuse_odd_authenticator_data, refuse_odd_item

if TYPE_CHECKING:
    from collections.abc import Iterator

ALGORITHMS: Final = (-7, -8, -257)
"""ES256, EdDSA, RS256: those that WebAuthn §5.4 advises to ask for, the most usual first (COSE, RFC 9053)."""
LONGEST_ID: Final = 1023
"""Bytes of a credential id (WebAuthn §7.1, step 25)."""
_LONGEST_KEY: Final = 1024
"""Bytes: a larger RSA key costs more to verify with than anybody needs."""
_SHORTEST_RSA: Final = 2048
_FORMATS: Final = ("none", "packed")
"""Of attestation: none is asked for, and some authenticators sign with the new key all the same."""


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """The site that passkeys are for.

    Attributes:
        id: its domain (RP ID); browsers show it as its name.
        origins: of its pages, as `https://app.example.com`.
    """

    id: str
    origins: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Attestation:
    """What a browser sends of a passkey that was made."""

    credential_id: bytes
    client_data: bytes
    attestation_object: bytes


@dataclass(frozen=True, slots=True)
class Assertion:
    """What a browser sends of a passkey that was used."""

    credential_id: bytes
    client_data: bytes
    authenticator_data: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class NewCredential:
    """What is known of a passkey once it was made.

    Attributes:
        public_key: as COSE (RFC 9052 §7).
        sign_count: how often it was used, by its own count; always 0 for those that are copied between devices.
        aaguid: the model of the authenticator, all zeros where it does not tell.
        may_be_backed_up: whether it can be copied to other devices.
        is_backed_up: whether it is.
    """

    public_key: bytes
    sign_count: int
    aaguid: str
    may_be_backed_up: bool
    is_backed_up: bool


@dataclass(frozen=True, slots=True)
class Use:
    """What an assertion says, once it was verified; `is_user_verified`: by a PIN or a finger, say."""

    sign_count: int
    is_user_verified: bool
    may_be_backed_up: bool
    is_backed_up: bool


def verify_attestation(given: Attestation, challenge: bytes, party: RelyingParty) -> NewCredential:
    """Check that a passkey was made for this site and this challenge (WebAuthn §7.1).

    Raises:
        CodeWrongError: it was not, or nothing could be verified with its key.
        ConfigError: the module webauthn is missing.
    """
    with _asking_the_library():
        from webauthn import verify_registration_response
        from webauthn.helpers import parse_cbor
        from webauthn.helpers.structs import AuthenticatorAttestationResponse, RegistrationCredential

        refuse_odd_item(given.attestation_object)
        read = parse_cbor(given.attestation_object)
        if read["fmt"] not in _FORMATS:
            raise ValueError("an attestation that nobody has asked for")
        refuse_odd_authenticator_data(read["authData"])
        response = AuthenticatorAttestationResponse(given.client_data, given.attestation_object)
        found = verify_registration_response(
            credential=RegistrationCredential(_text(given.credential_id), given.credential_id, response),
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=list(party.origins),
            supported_pub_key_algs=[_algorithm(each) for each in ALGORITHMS],
        )
        _refuse_unusable_key(found.credential_public_key)
        if found.credential_id != given.credential_id or len(found.credential_id) > LONGEST_ID:
            raise ValueError("another credential id than that of the attestation")
    return NewCredential(
        found.credential_public_key,
        found.sign_count,
        found.aaguid,
        found.credential_device_type == "multi_device",
        found.credential_backed_up,
    )


def verify_assertion(given: Assertion, challenge: bytes, party: RelyingParty, public_key: bytes) -> Use:
    """Check that a passkey was used for this site and this challenge (WebAuthn §7.2).

    What the authenticator has counted is the caller's to compare: others may use the passkey meanwhile.

    Raises:
        CodeWrongError: it was not.
        ConfigError: the module webauthn is missing.
    """
    with _asking_the_library():
        from webauthn import verify_authentication_response
        from webauthn.helpers.structs import AuthenticationCredential, AuthenticatorAssertionResponse

        refuse_odd_authenticator_data(given.authenticator_data)
        response = AuthenticatorAssertionResponse(given.client_data, given.authenticator_data, given.signature)
        found = verify_authentication_response(
            credential=AuthenticationCredential(_text(given.credential_id), given.credential_id, response),
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=list(party.origins),
            credential_public_key=public_key,
            credential_current_sign_count=0,
        )
    return Use(
        found.new_sign_count,
        found.user_verified,
        found.credential_device_type == "multi_device",
        found.credential_backed_up,
    )


@contextmanager
def _asking_the_library() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise missing_extra("passkeys need the module webauthn", "accounts") from error
    except Exception as error:
        # Not only its own errors: of hostile input come those of whatever it is built of.
        raise CodeWrongError(f"webauthn: {type(error).__name__}: {error}") from error


def _refuse_unusable_key(public_key: bytes) -> None:
    """Go on only if signatures can be verified with a key, and quickly.

    Raises:
        ValueError: it is of another kind than its algorithm, or too large or small an RSA key.
    """
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from webauthn.helpers import decode_credential_public_key, decoded_public_key_to_cryptography

    if len(public_key) > _LONGEST_KEY:
        raise ValueError("the public key is too large")
    decoded = decode_credential_public_key(public_key)
    match int(decoded.alg), decoded_public_key_to_cryptography(decoded):
        case -7, EllipticCurvePublicKey() as key if key.curve.name == "secp256r1":
            return
        case -8, Ed25519PublicKey():
            return
        case -257, RSAPublicKey() as key if key.key_size >= _SHORTEST_RSA:
            return
    raise ValueError("a public key of another kind than its algorithm, or too small a one")


def _algorithm(number: int) -> Any:
    from webauthn.helpers.cose import COSEAlgorithmIdentifier

    return COSEAlgorithmIdentifier(number)


def _text(credential_id: bytes) -> str:
    from webauthn.helpers import bytes_to_base64url

    return bytes_to_base64url(credential_id)
