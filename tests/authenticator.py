"""An authenticator in software: makes and uses passkeys, as a browser hands it on, rightly or with one thing wrong.

Its CBOR is written by cbor2, its keys are those of `cryptography`. What is wrong is told by changes: `client` of
members of the client data, `flags` and `count` of the authenticator data, `tail` of bytes behind it.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

UP, UV, BE, BS, AT, ED = 0x01, 0x04, 0x08, 0x10, 0x40, 0x80
"""Flags of authenticator data (WebAuthn §6.1)."""
ORIGIN = "https://shop.example"
ALGORITHMS = {"ES256": -7, "EdDSA": -8, "RS256": -257}
_SHORT_RSA = 2048


def text_of(data: bytes) -> str:
    """Base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def bytes_of(text: str) -> bytes:
    """What `text_of` made a text of."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _private_key(algorithm: str) -> Any:
    match algorithm:
        case "ES256":
            return ec.generate_private_key(ec.SECP256R1())
        case "EdDSA":
            return ed25519.Ed25519PrivateKey.generate()
        case _:
            return rsa.generate_private_key(65537, _SHORT_RSA)


@dataclass
class SoftPasskey:
    """One passkey, which can be used."""

    algorithm: str
    rp_id: str
    handle: bytes
    key: Any = field(repr=False)
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    flags: int = UP | UV | BE | BS
    count: int = 0
    step: int = 0
    """By how much it counts on at each use."""

    @property
    def public_key(self) -> dict[int, Any]:
        """As COSE (RFC 9052 §7)."""
        public = self.key.public_key()
        if self.algorithm == "EdDSA":
            return {1: 1, 3: -8, -1: 6, -2: public.public_bytes_raw()}
        numbers = public.public_numbers()
        if self.algorithm == "ES256":
            return {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        return {1: 3, 3: -257, -1: numbers.n.to_bytes(_SHORT_RSA // 8, "big"), -2: b"\x01\x00\x01"}

    def sign(self, data: bytes) -> bytes:
        """A signature by its algorithm."""
        if self.algorithm == "EdDSA":
            return self.key.sign(data)
        if self.algorithm == "ES256":
            return self.key.sign(data, ec.ECDSA(SHA256()))
        return self.key.sign(data, padding.PKCS1v15(), SHA256())

    def use(
        self, options: dict[str, Any], *, origin: str = ORIGIN, tail: bytes = b"", **changes: Any
    ) -> dict[str, Any]:
        """Answer request options, as `PublicKeyCredential.toJSON()` gives it."""
        self.count += self.step
        flags, count = changes.get("flags", self.flags), changes.get("count", self.count)
        client_data = _client_data("webauthn.get", options, origin, changes.get("client", {}))
        data = _authenticator_data(changes.get("rp_id", self.rp_id), flags, count) + tail
        signature = self.sign(data + hashlib.sha256(client_data).digest())
        response = {
            "clientDataJSON": text_of(client_data),
            "authenticatorData": text_of(data),
            "signature": text_of(changes.get("signature", signature)),
            "userHandle": text_of(changes.get("handle", self.handle)),
        }
        return _credential(self.credential_id, response)


@dataclass
class Authenticator:
    """Makes passkeys; `made` are all of them."""

    algorithm: str = "ES256"
    made: list[SoftPasskey] = field(default_factory=list)

    def make(self, options: dict[str, Any], *, origin: str = ORIGIN, **changes: Any) -> dict[str, Any]:
        """Answer creation options, as `PublicKeyCredential.toJSON()` gives it; `made[-1]` is the passkey."""
        known = {each["id"] for each in options["excludeCredentials"]}
        assert not known & {text_of(each.credential_id) for each in self.made}, "a browser would refuse"
        assert {"type": "public-key", "alg": ALGORITHMS[self.algorithm]} in options["pubKeyCredParams"]
        new = SoftPasskey(
            self.algorithm, options["rp"]["id"], bytes_of(options["user"]["id"]), _private_key(self.algorithm)
        )
        for name in ("credential_id", "flags", "count", "step"):
            setattr(new, name, changes.get(name, getattr(new, name)))
        self.made.append(new)
        return attest(new, options, origin=origin, **changes)


def attest(passkey: SoftPasskey, options: dict[str, Any], *, origin: str = ORIGIN, **changes: Any) -> dict[str, Any]:
    """What tells of a new passkey; changes are also `fmt`, `statement`, `key` (CBOR), `length` of the id, `object`."""
    client_data = _client_data("webauthn.create", options, origin, changes.get("client", {}))
    key = changes.get("key", cbor2.dumps(passkey.public_key))
    length = changes.get("length", len(passkey.credential_id)).to_bytes(2, "big")
    rp_id = changes.get("rp_id", passkey.rp_id)
    data = _authenticator_data(rp_id, changes.get("flags", passkey.flags) | AT, passkey.count)
    data += bytes(16) + length + passkey.credential_id + key + changes.get("tail", b"")
    statement = changes.get("statement", {})
    if changes.get("fmt") == "packed" and not statement:
        signature = passkey.sign(data + hashlib.sha256(client_data).digest())
        statement = {"alg": ALGORITHMS[passkey.algorithm], "sig": signature}
    attestation = {"fmt": changes.get("fmt", "none"), "attStmt": statement, "authData": data}
    response = {
        "clientDataJSON": text_of(client_data),
        "attestationObject": text_of(changes.get("object", cbor2.dumps(attestation))),
        "transports": changes.get("transports", ["internal", "hybrid"]),
    }
    return _credential(changes.get("told_id", passkey.credential_id), response)


def _credential(credential_id: bytes, response: dict[str, Any]) -> dict[str, Any]:
    name = text_of(credential_id)
    return {
        "id": name,
        "rawId": name,
        "type": "public-key",
        "authenticatorAttachment": "platform",
        "clientExtensionResults": {},
        "response": response,
    }


def _client_data(kind: str, options: dict[str, Any], origin: str, changes: dict[str, Any]) -> bytes:
    members = {"type": kind, "challenge": options["challenge"], "origin": origin, "crossOrigin": False, **changes}
    return json.dumps(members).encode()


def _authenticator_data(rp_id: str, flags: int, count: int) -> bytes:
    return hashlib.sha256(rp_id.encode()).digest() + bytes([flags]) + count.to_bytes(4, "big")
