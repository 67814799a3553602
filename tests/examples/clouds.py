"""Stand-ins for two clouds: they check signatures by the documented algorithms and answer with the documented errors.

Nothing here is shared with the examples that they check; the documents' own examples check these.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.services.senders.receiver import Request

Answer = tuple[int, dict[str, str], bytes]


def acs3_signature(method: str, target: str, headers: Mapping[str, str], names: str, body: bytes, secret: str) -> str:
    """Of a request as it was received; `names` are those of the signed headers."""
    path, _, query = target.partition("?")
    pairs = sorted(parse_qsl(query, keep_blank_values=True))
    canonical_query = "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in pairs)
    canonical = f"{method}\n{path}\n{canonical_query}\n"
    for name in names.split(";"):
        canonical += f"{name}:{headers[name].strip()}\n"
    canonical += f"\n{names}\n{hashlib.sha256(body).hexdigest()}"
    hashed = hashlib.sha256(canonical.encode("utf-8")).hexdigest()
    return hmac.new(secret.encode(), f"ACS3-HMAC-SHA256\n{hashed}".encode(), hashlib.sha256).hexdigest()


def tc3_signature(
    method: str, headers: Mapping[str, str], names: str, body: bytes, secret: str, service: str, at: int
) -> str:
    """Of a request as it was received, at Unix second `at`; `names` are those of the signed headers."""
    canonical = f"{method}\n/\n\n"
    for name in names.split(";"):
        canonical += f"{name}:{headers[name].strip().lower()}\n"
    canonical += f"\n{names}\n{hashlib.sha256(body).hexdigest()}"
    day = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
    hashed = hashlib.sha256(canonical.encode("utf-8")).hexdigest()
    text = f"TC3-HMAC-SHA256\n{at}\n{day}/{service}/tc3_request\n{hashed}"

    def mac(key: bytes, message: str) -> bytes:
        return hmac.new(key, message.encode(), hashlib.sha256).digest()

    signing = mac(mac(mac(b"TC3" + secret.encode(), day), service), "tc3_request")
    return mac(signing, text).hex()


@dataclass
class AlibabaCloud:
    """Their SMS service, with one user.

    Attributes:
        sent: the parameters of what was sent.
        nonces: those that were used.
        code: what is answered to a request that is well signed.
    """

    key_id: str = "LTAI5tExample"
    secret: str = "alibaba secret"
    sent: list[dict[str, str]] = field(default_factory=list)
    nonces: set[str] = field(default_factory=set)
    code: str = "OK"

    def __call__(self, request: Request) -> Answer:
        """Check a request as they do."""
        status, code = self._refusal(request)
        if not code:
            status, code = 200, self.code
        if code == "OK":
            self.sent.append(dict(parse_qsl(request.path.partition("?")[2])))
        answer = {"Code": code, "Message": f"about {request.path}", "RequestId": "F655A8D5-B967-440B-8683-DAD6FF8DE990"}
        return status, {"Content-Type": "application/json"}, json.dumps(answer).encode()

    def _refusal(self, request: Request) -> tuple[int, str]:
        headers = request.headers
        found = re.fullmatch(
            r"ACS3-HMAC-SHA256 Credential=([^,]+),SignedHeaders=([^,]+),Signature=([0-9a-f]{64})",
            headers["authorization"],
        )
        if found is None:
            return 400, "IncompleteSignature"
        key_id, names, signature = found.groups()
        if key_id != self.key_id:
            return 404, "InvalidAccessKeyId.NotFound"
        # All of these, wherever they stand in a request, have to be signed.
        if {name for name in headers if name == "host" or name.startswith("x-acs-")} - set(names.split(";")):
            return 400, "SignatureDoesNotMatch"
        if headers["x-acs-content-sha256"] != hashlib.sha256(request.body).hexdigest():
            return 400, "SignatureDoesNotMatch"
        if signature != acs3_signature("POST", request.path, headers, names, request.body, self.secret):
            return 400, "SignatureDoesNotMatch"
        return self._refusal_of_what_is_signed(headers)

    def _refusal_of_what_is_signed(self, headers: Mapping[str, str]) -> tuple[int, str]:
        sent_at = datetime.strptime(headers["x-acs-date"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
        if abs(sent_at - time.time()) > 15 * 60:
            return 400, "InvalidTimeStamp.Expired"
        if headers["x-acs-signature-nonce"] in self.nonces:
            return 400, "SignatureNonceUsed"
        self.nonces.add(headers["x-acs-signature-nonce"])
        if (headers["x-acs-action"], headers["x-acs-version"]) != ("SendSms", "2017-05-25"):
            return 404, "InvalidAction.NotFound"
        return 200, ""


@dataclass
class TencentCloud:
    """Their SMS service, with one user.

    Attributes:
        sent: the parameters of what was sent.
        code: what is answered to a request that is well signed, of its one phone.
        error: what is answered to it as a whole, if anything.
    """

    secret_id: str = "AKIDExample"
    secret: str = "tencent secret"
    sent: list[dict[str, object]] = field(default_factory=list)
    code: str = "Ok"
    error: str = ""

    def __call__(self, request: Request) -> Answer:
        """Check a request as they do; the status is always 200."""
        if code := self._refusal(request) or self.error:
            answer: dict[str, object] = {"Error": {"Code": code, "Message": f"about {request.body!r}"}}
        else:
            parameters = json.loads(request.body)
            if self.code == "Ok":
                self.sent.append(parameters)
            (phone,) = parameters["PhoneNumberSet"]
            status = {"SerialNo": "5000:1", "PhoneNumber": phone, "Fee": 1, "SessionContext": "", "IsoCode": "CN"}
            answer = {"SendStatusSet": [{**status, "Code": self.code, "Message": f"about {phone}"}]}
        body = json.dumps({"Response": {**answer, "RequestId": "a0aabda6-cf91-4f3e-a81f-9198114a2279"}})
        return 200, {"Content-Type": "application/json"}, body.encode()

    def _refusal(self, request: Request) -> str:
        headers = request.headers
        found = re.fullmatch(
            r"TC3-HMAC-SHA256 Credential=([^/]+)/([^/]+)/([^/]+)/tc3_request, SignedHeaders=([^,]+), "
            r"Signature=([0-9a-f]{64})",
            headers["authorization"],
        )
        if found is None:
            return "AuthFailure.InvalidAuthorization"
        secret_id, _, service, names, signature = found.groups()
        at = int(headers["x-tc-timestamp"])
        if secret_id != self.secret_id:
            return "AuthFailure.SecretIdNotFound"
        if abs(at - time.time()) > 5 * 60:
            return "AuthFailure.SignatureExpire"
        if service != "sms" or {"content-type", "host"} - set(names.split(";")):
            return "AuthFailure.SignatureFailure"
        if signature != tc3_signature("POST", headers, names, request.body, self.secret, service, at):
            return "AuthFailure.SignatureFailure"
        if (headers["x-tc-action"], headers["x-tc-version"]) != ("SendSms", "2021-01-11"):
            return "InvalidAction"
        return "" if headers.get("x-tc-region") else "MissingParameter"
