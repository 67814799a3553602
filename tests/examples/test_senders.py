"""The senders of examples/senders, against stand-ins that check what they sign."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import socket
from pathlib import Path

import pytest

from flask_tessera.errors import SendingError
from flask_tessera.services.sending import Sending
from flask_tessera.testing import race
from tests.examples.clouds import AlibabaCloud, TencentCloud, acs3_signature, tc3_signature
from tests.services.senders.messages import CODE, LINK
from tests.services.senders.receiver import receiver

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "senders"


def load(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


AlibabaSms, TencentSms = load("alibaba_sms").AlibabaSms, load("tencent_sms").TencentSms


def alibaba(cloud, port, **changes):
    arguments = {"key_id": cloud.key_id, "key_secret": cloud.secret, "sign_name": "阿里云短信测试", **changes}
    templates = {"login": ("SMS_154950909", ("code",)), "bind": ("SMS_2", ())}
    return AlibabaSms(**arguments, templates=templates, endpoint=f"http://127.0.0.1:{port}")


def tencent(cloud, port, **changes):
    arguments = {"secret_id": cloud.secret_id, "secret_key": cloud.secret, "app_id": "1400006666", **changes}
    templates = {"login": ("1110", ("code", "minutes")), "bind": ("2", ())}
    return TencentSms(**arguments, sign_name="腾讯云", templates=templates, endpoint=f"http://127.0.0.1:{port}")


@pytest.fixture(params=[(AlibabaCloud, alibaba), (TencentCloud, tencent)], ids=["alibaba", "tencent"])
def service(request):
    """A cloud, and what makes a sender for it."""
    make_cloud, make_sender = request.param
    with receiver() as server:
        server.answer = cloud = make_cloud()
        yield cloud, lambda **changes: make_sender(cloud, server.port, **changes), server


def test_the_stand_in_signs_alibabas_documented_example_as_they_do():
    headers = {
        "host": "ecs.cn-shanghai.aliyuncs.com",
        "x-acs-action": "RunInstances",
        "x-acs-content-sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "x-acs-date": "2023-10-26T10:22:32Z",
        "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
        "x-acs-version": "2014-05-26",
    }
    target = "/?ImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd&RegionId=cn-shanghai"
    signature = acs3_signature("POST", target, headers, ";".join(headers), b"", "YourAccessKeySecret")
    assert signature == "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"


def test_the_stand_in_signs_tencents_documented_example_as_they_do():
    headers = {"content-type": "application/json; charset=utf-8", "host": "cvm.tencentcloudapi.com"}
    body = rb'{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}'
    secret = "Gu5t9xGARNpq86cd98joQYCN3*******"
    signature = tc3_signature("POST", headers, "content-type;host", body, secret, "cvm", 1_551_113_065)
    assert signature == "2230eefd229f582d8b1b891af7107b91597240707d778ab3738f756258d7652c"


def test_alibaba_gets_the_number_the_template_and_its_variables():
    with receiver() as server:
        server.answer = cloud = AlibabaCloud()
        alibaba(cloud, server.port).send(CODE)
        alibaba(cloud, server.port).send(dataclasses.replace(CODE, to="+85291234567", purpose="bind"))
    first, second = cloud.sent
    assert first == {
        "PhoneNumbers": "13800138000",
        "SignName": "阿里云短信测试",
        "TemplateCode": "SMS_154950909",
        "TemplateParam": '{"code": "493021"}',
    }
    assert (second["PhoneNumbers"], second["TemplateParam"]) == ("85291234567", "{}")


def test_tencent_gets_the_number_the_template_and_its_parameters_in_turn():
    with receiver() as server:
        server.answer = cloud = TencentCloud()
        tencent(cloud, server.port).send(CODE)
    assert cloud.sent == [
        {
            "PhoneNumberSet": ["+8613800138000"],
            "SmsSdkAppId": "1400006666",
            "SignName": "腾讯云",
            "TemplateId": "1110",
            "TemplateParamSet": ["493021", "5"],
        }
    ]


def test_whatever_a_fact_holds_is_signed_as_it_is_read(service):
    cloud, make, _ = service
    for code in ("a b+c&d=e%2F", "验证码 ~*'()!", '\u2028\n\t"\\', "\U0001f600"):
        make().send(dataclasses.replace(CODE, template={"code": code}))
        assert code_of(cloud.sent[-1]) == code


def code_of(sent):
    """The first fact of what a cloud was given."""
    return json.loads(sent["TemplateParam"])["code"] if "TemplateParam" in sent else sent["TemplateParamSet"][0]


def test_many_threads_send_by_one_sender_and_no_nonce_is_used_twice(service):
    cloud, make, _ = service
    sending = Sending(make())
    race(24, lambda number: sending.send(dataclasses.replace(CODE, to=f"+86138{number:08}")))
    assert len(cloud.sent) == 24


def refusal(sender, message=CODE) -> str:
    with pytest.raises(SendingError) as caught:
        sender.send(message)
    text = str(caught.value)
    assert not any(secret in text for secret in ("493021", "13800138000", "secret"))
    return text


def test_a_wrong_key_is_a_sending_error_that_says_so(service):
    cloud, make, _ = service
    if isinstance(cloud, AlibabaCloud):
        assert "SignatureDoesNotMatch" in refusal(make(key_secret="another"))
        assert "InvalidAccessKeyId.NotFound" in refusal(make(key_id="another"))
    else:
        assert "AuthFailure.SignatureFailure" in refusal(make(secret_key="another"))
        assert "AuthFailure.SecretIdNotFound" in refusal(make(secret_id="another"))
    assert cloud.sent == []


@pytest.mark.parametrize("code", ["isv.BUSINESS_LIMIT_CONTROL", "isv.MOBILE_NUMBER_ILLEGAL", "isv.AMOUNT_NOT_ENOUGH"])
def test_what_alibaba_refuses_is_a_sending_error(code):
    with receiver() as server:
        server.answer = cloud = AlibabaCloud(code=code)
        assert code in refusal(alibaba(cloud, server.port))


@pytest.mark.parametrize(
    "code", ["LimitExceeded.PhoneNumberThirtySecondLimit", "InvalidParameterValue.IncorrectPhoneNumber"]
)
def test_what_tencent_refuses_is_a_sending_error_of_the_phone_or_the_request(code):
    with receiver() as server:
        server.answer = TencentCloud(code=code)
        assert code in refusal(tencent(server.answer, server.port))
        server.answer = TencentCloud(error="RequestLimitExceeded")
        assert "RequestLimitExceeded" in refusal(tencent(server.answer, server.port))


@pytest.mark.parametrize("body", [b"", b"<html>502</html>", b"[]", b"null", b"{}", b"\xff", b'{"Response": {}}'])
def test_an_answer_that_is_none_of_theirs_is_a_sending_error(service, body):
    _, make, server = service
    server.answer = lambda _: (502, {}, body)
    refusal(make())


def test_what_has_no_template_is_not_sent(service):
    _, make, server = service
    assert "reset" in refusal(make(), dataclasses.replace(CODE, purpose="reset"))
    refusal(make(), dataclasses.replace(LINK, purpose="login"))
    assert server.requests == []


def test_nobody_listens():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        assert "reached" in refusal(alibaba(AlibabaCloud(), port))
        assert "reached" in refusal(tencent(TencentCloud(), port))
