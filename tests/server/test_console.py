"""The service's pages: on by default, off with its cookies."""

from __future__ import annotations

import pytest

from .conftest import PASSWORD, PHONE

BROWSER = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin", "Accept-Language": "zh"}


def test_whoever_has_a_phone_number_and_a_password_signs_in_and_sees_his_devices(app):
    client = app.test_client()
    form = {"account": PHONE, "password": PASSWORD}
    answer = client.post("/console/sign-in", data={**form, "password": "wrong"}, headers=BROWSER)
    assert (answer.status_code, "账号或密码错误" in answer.text) == (401, True)
    answer = client.post("/console/sign-in", data={**form, "account": "123"}, headers=BROWSER)
    assert (answer.status_code, "手机号或邮箱有误" in answer.text) == (400, True)
    answer = client.post("/console/sign-in", data=form, headers=BROWSER)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/console/devices")
    names = [line.partition("=")[0] for line in answer.headers.getlist("Set-Cookie")]
    assert names == ["__Host-tessera", "__Secure-tessera-refresh", "__Host-tessera-csrf"]


def test_the_first_page_leads_to_them(app):
    page = app.test_client().get("/", headers={"Accept": "text/html"})
    assert '<a href="/console/">' in page.text


@pytest.mark.parametrize("off", ["false", "0"])
def test_without_cookies_there_are_no_pages(tmp_path, make_service, off):
    client = make_service(tmp_path, TESSERA_COOKIES=off).test_client()
    assert client.get("/console/sign-in").status_code == 404
    assert "/console" not in client.get("/", headers={"Accept": "text/html"}).text
    told = client.post("/auth/login", json={"phone": PHONE, "password": PASSWORD, "transport": "cookie"})
    assert (told.status_code, told.headers.getlist("Set-Cookie")) == (400, [])
