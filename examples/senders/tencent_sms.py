"""Sends codes by Tencent Cloud SMS (腾讯云短信): SendSms of 2021-01-11, signed as v3 (TC3-HMAC-SHA256).

Everything but this file is the standard library. Signatures and templates are applied for in their console.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
import time
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from flask_tessera.errors import SendingError

ALGORITHM = "TC3-HMAC-SHA256"
SERVICE = "sms"
SECONDS = 5


class TencentSms:
    """A sender for phones.

    Args:
        secret_id: SecretId, of a sub-user that may do nothing but send messages.
        secret_key: SecretKey.
        app_id: SmsSdkAppId.
        sign_name: the approved signature, which stands in 【】 before the text.
        templates: for each purpose the approved template, and which facts of a message are its {1}, {2} …, as
            `{"login": ("1110", ("code", "minutes"))}`.
        region: one of theirs.
        endpoint: their server.
    """

    def __init__(
        self,
        secret_id,
        secret_key,
        app_id,
        sign_name,
        templates,
        *,
        region="ap-guangzhou",
        endpoint="https://sms.tencentcloudapi.com",
    ):
        self._secret_id = secret_id
        self._secret_key = secret_key
        self._app_id = app_id
        self._sign_name = sign_name
        self._templates = dict(templates)
        self._region = region
        self._endpoint = urlsplit(endpoint)

    def send(self, message):
        if message.kind != "phone" or message.purpose not in self._templates:
            raise SendingError(f"there is no SMS template for {message.purpose}")
        template, names = self._templates[message.purpose]
        answer = self._call(
            "SendSms",
            {
                "PhoneNumberSet": [message.to],
                "SmsSdkAppId": self._app_id,
                "SignName": self._sign_name,
                "TemplateId": template,
                "TemplateParamSet": [message.template.get(name, "") for name in names],
            },
        )
        # Of the request as a whole, or of the one phone. Their text may name the phone; the code says enough.
        code = (answer.get("Error") or (answer.get("SendStatusSet") or [{}])[0]).get("Code")
        if code != "Ok":
            raise SendingError(f"Tencent Cloud SMS answered {code}")

    def _call(self, action, parameters):
        body = json.dumps(parameters).encode()
        connect = HTTPSConnection if self._endpoint.scheme == "https" else HTTPConnection
        connection = connect(self._endpoint.hostname, self._endpoint.port, timeout=SECONDS)
        is_asked = False
        try:
            connection.connect()
            is_asked = True
            connection.request("POST", "/", body, self._headers(action, body, int(time.time())))
            answer = json.loads(connection.getresponse().read(65_536))
        except (OSError, HTTPException) as error:
            # Unless there was no connection, the cloud may have sent it: it counts.
            raise SendingError(f"Tencent Cloud SMS cannot be reached: {error}", may_have_arrived=is_asked) from error
        except ValueError:
            raise SendingError("Tencent Cloud SMS did not answer in JSON", may_have_arrived=True) from None
        finally:
            connection.close()
        return answer.get("Response") or {} if isinstance(answer, dict) else {}

    def _headers(self, action, body, at):
        signed = {
            "content-type": "application/json; charset=utf-8",
            "host": self._endpoint.netloc,
            "x-tc-action": action.lower(),
        }
        names = ";".join(signed)
        lines = "".join(f"{name}:{value}\n" for name, value in signed.items())
        request = "\n".join(["POST", "/", "", lines, names, _sha256(body)])
        scope = f"{dt.datetime.fromtimestamp(at, dt.UTC):%Y-%m-%d}/{SERVICE}/tc3_request"
        key = f"TC3{self._secret_key}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        text = "\n".join([ALGORITHM, str(at), scope, _sha256(request.encode())])
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        return {
            "Content-Type": signed["content-type"],
            "Host": signed["host"],
            "X-TC-Action": action,
            "X-TC-Version": "2021-01-11",
            "X-TC-Region": self._region,
            "X-TC-Timestamp": str(at),
            "Authorization": (
                f"{ALGORITHM} Credential={self._secret_id}/{scope}, SignedHeaders={names}, Signature={signature}"
            ),
        }


def _sha256(data):
    return hashlib.sha256(data).hexdigest()
