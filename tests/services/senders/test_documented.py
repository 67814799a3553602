"""What docs/senders.md shows, beyond what the tests of the documents run."""

import hashlib
import hmac
import re
import sys
import time
from pathlib import Path

import pytest

from flask_tessera.services.senders.from_url import open_sender
from flask_tessera.services.senders.webhook import SIGNATURE, signature_of
from flask_tessera.services.sending_limits import (
    PER_CALLING_CODE,
    PER_CALLING_CODE_AND_NETWORK,
    PER_NETWORK,
    PER_PURPOSE,
    PER_RECIPIENT,
    PER_RECIPIENT_IN_ALL,
    TO_CHINA,
)
from tests.docs.documents import ROOT, blocks_of

PAGES = [ROOT / "docs" / name for name in ("senders.md", "senders.zh-CN.md")]
LINE = re.compile(r"`TESSERA_SENDER=([^`]+)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_line_to_paste_names_a_sender(page):
    urls = LINE.findall(page.read_text("utf-8"))
    assert [url.partition(":")[0] for url in urls] == ["console", "file", "smtp", "smtps", "webhook"]
    for url in urls:
        assert callable(open_sender(url).send)


def block_with(text):
    (block,) = [block.text for block in blocks_of(PAGES[0]) if text in block.text]
    return block


@pytest.fixture(scope="module")
def service():
    namespace = {"__name__": "service"}
    exec(block_with("X-Tessera-Signature"), namespace)
    return namespace["app"].test_client()


def post(service, body=b'{"to": "a", "text": "b"}', **headers):
    return service.post("/messages", data=body, content_type="application/json", headers=headers).status_code


def test_the_service_takes_what_is_signed_and_nothing_else(service):
    secret, body, now = b"a-long-random-text", b'{"to": "a", "text": "b"}', int(time.time())
    good = signature_of(body, secret, now)
    assert post(service, **{SIGNATURE: good}) == 204
    for bad in (
        "",
        "t=,v1=",
        "t=x,v1=y",
        "t=é,v1=é",
        good.replace("v1=", "v2="),
        signature_of(body, b"another", now),
        signature_of(b"{}", secret, now),
        signature_of(body, secret, now - 400),
        f"t={now + 1}," + good.partition(",")[2],
        f"t={now},v1={hmac.digest(secret, body, hashlib.sha256).hex()}",
    ):
        assert post(service, **{SIGNATURE: bad}) == 403, bad


def test_the_senders_of_the_clouds_are_made_as_shown(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT / "examples" / "senders"), *sys.path])
    for name in ("ALIBABA_KEY_ID", "ALIBABA_KEY_SECRET", "TENCENT_SECRET_ID", "TENCENT_SECRET_KEY"):
        monkeypatch.setenv(name, "secret")
    namespace = {}
    exec(block_with("alibaba_sms"), namespace)
    assert callable(namespace["alibaba"].send)
    assert callable(namespace["tencent"].send)


def test_the_limits_are_those_of_the_document():
    text = Path(PAGES[0]).read_text("utf-8")
    assert (*PER_PURPOSE, *PER_RECIPIENT, *PER_RECIPIENT_IN_ALL) == ((1, 60), (10, 3600), (20, 86_400), (60, 86_400))
    assert "| one recipient, whoever asks, for each purpose | 1 in 60 seconds |" in text
    assert "| one recipient, asked for by strangers | 10 in an hour, 20 in a day |" in text
    assert "| one recipient, whoever asks | 60 in a day |" in text
    for (amount, seconds), of in (
        (*PER_NETWORK, "one network"),
        (*TO_CHINA, "phones of +86"),
        (*PER_CALLING_CODE, "calling"),
        (*PER_CALLING_CODE_AND_NETWORK, "same network"),
    ):
        assert seconds == 3600
        (row,) = [line for line in text.splitlines() if line.startswith("|") and of in line]
        assert row.endswith(f"| {amount:,} in an hour |")
