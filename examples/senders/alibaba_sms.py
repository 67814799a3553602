"""Sends codes by Alibaba Cloud SMS (阿里云短信服务): SendSms of 2017-05-25, signed as V3 (ACS3-HMAC-SHA256).

Everything but this file is the standard library. Signatures and templates are applied for in their console.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
import secrets
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import quote, urlsplit

from flask_tessera.errors import SendingError

ALGORITHM = "ACS3-HMAC-SHA256"
SECONDS = 5


class AlibabaSms:
    """A sender for phones.

    Args:
        key_id: AccessKey ID, of a RAM user that may do nothing but `dysms:SendSms`.
        key_secret: AccessKey Secret.
        sign_name: the approved signature, which stands in 【】 before the text.
        templates: for each purpose the approved template, and which facts of a message are its variables, as
            `{"login": ("SMS_154950909", ("code",))}`.
        endpoint: their server.
    """

    def __init__(self, key_id, key_secret, sign_name, templates, *, endpoint="https://dysmsapi.aliyuncs.com"):
        self._key_id = key_id
        self._key_secret = key_secret
        self._sign_name = sign_name
        self._templates = dict(templates)
        self._endpoint = urlsplit(endpoint)

    def send(self, message):
        if message.kind != "phone" or message.purpose not in self._templates:
            raise SendingError(f"there is no SMS template for {message.purpose}")
        template, names = self._templates[message.purpose]
        variables = {name: message.template.get(name, "") for name in names}
        answer = self._call(
            "SendSms",
            {
                # A Chinese number without, any other with its calling code.
                "PhoneNumbers": message.to.removeprefix("+86").removeprefix("+"),
                "SignName": self._sign_name,
                "TemplateCode": template,
                "TemplateParam": json.dumps(variables, ensure_ascii=False),
            },
        )
        if answer.get("Code") != "OK":
            # Their text may name the phone; the code says enough.
            raise SendingError(f"Alibaba Cloud SMS answered {answer.get('Code')}")

    def _call(self, action, parameters):
        query = "&".join(f"{_quote(name)}={_quote(value)}" for name, value in sorted(parameters.items()))
        connect = HTTPSConnection if self._endpoint.scheme == "https" else HTTPConnection
        connection = connect(self._endpoint.hostname, self._endpoint.port, timeout=SECONDS)
        is_asked = False
        try:
            connection.connect()
            is_asked = True
            connection.request("POST", f"/?{query}", b"", self._headers(action, query))
            answer = json.loads(connection.getresponse().read(65_536))
        except (OSError, HTTPException) as error:
            # Unless there was no connection, the cloud may have sent it: it counts.
            raise SendingError(f"Alibaba Cloud SMS cannot be reached: {error}", may_have_arrived=is_asked) from error
        except ValueError:
            raise SendingError("Alibaba Cloud SMS did not answer in JSON", may_have_arrived=True) from None
        finally:
            connection.close()
        return answer if isinstance(answer, dict) else {}

    def _headers(self, action, query):
        headers = {
            "host": self._endpoint.netloc,
            "x-acs-action": action,
            "x-acs-content-sha256": _sha256(b""),
            "x-acs-date": dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "x-acs-signature-nonce": secrets.token_hex(16),
            "x-acs-version": "2017-05-25",
        }
        names = ";".join(sorted(headers))
        lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
        request = "\n".join(["POST", "/", query, lines, names, headers["x-acs-content-sha256"]])
        signed = f"{ALGORITHM}\n{_sha256(request.encode())}".encode()
        signature = hmac.digest(self._key_secret.encode(), signed, "sha256").hex()
        authorization = f"{ALGORITHM} Credential={self._key_id},SignedHeaders={names},Signature={signature}"
        return {**headers, "Authorization": authorization}


def _quote(text):
    """RFC 3986: all but unreserved characters."""
    return quote(text, safe="-_.~")


def _sha256(data):
    return hashlib.sha256(data).hexdigest()
