"""S04, L15: whatever ends a person's logins ends all that was given out to them, in every process, on every storage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.stores import store_url
from tests.length import shortly
from tests.servers import wait_until

from .service_processes import ask, command, make_shared
from .test_account_races import CODE, PASSWORD, generator_of, keep, link, phones, second_step

if TYPE_CHECKING:
    from flask import Flask

STORES = shortly(("sqlite", "redis8", "postgres", "mariadb", "redis8-cluster"), always=2)
ENDINGS = ("disable", "delete", "set_password", "change", "reset", "reset by a link")
DEVICE = {"type": "phone", "id": "id-1", "name": "phone"}


class Surely:
    """An application that is asked again where a busy storage gave no answer in time."""

    def __init__(self, app: Flask) -> None:
        self.app = app

    def __call__(self, method: str, path: str, body: Any = None, token: str = "") -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        while True:
            status, answer = ask(self.app, (method, path, body, headers))
            if status != 503:
                return status, answer

    def data(self, *asked: Any) -> Any:
        status, answer = self(*asked)
        assert status == 200, answer
        return answer["data"]


class Held:
    """All that a person, or a thief, may hold; `uses` are requests that must be refused once all of it has ended."""

    def __init__(self, app: Flask, user: Any) -> None:
        on = Surely(app)
        self.app, self.user = app, user
        login = {"phone": user.phone, "password": PASSWORD}
        mine, theirs = (on.data("POST", "/auth/login", login) for _ in range(2))
        self.mine = mine["access_token"]
        key = on.data("POST", "/auth/api-keys", {"name": "key"}, self.mine)["key"]
        _, codes = generator_of(app, user)
        step = {"ticket": second_step(app, user), "recovery": codes[0], "trust": True}
        trusted = on.data("POST", "/auth/second-factor", step)
        self.trusted_login = {**login, "trust_token": trusted["trust_token"]}
        assert on("POST", "/auth/login", self.trusted_login)[0] == 200
        self.uses: dict[str, tuple[Any, ...]] = {
            "access token": ("GET", "/auth/me", None, theirs["access_token"]),
            "access token of two steps": ("GET", "/auth/me", None, trusted["access_token"]),
            "API key": ("GET", "/auth/me", None, key),
            "refresh token": ("POST", "/auth/refresh", {"refresh_token": theirs["refresh_token"]}),
            "second step": ("POST", "/auth/second-factor", {"ticket": second_step(app, user), "recovery": codes[1]}),
            "link to log in": ("POST", "/auth/links/redeem", {"ticket": link(app, user, "login")}),
            "link to confirm": ("POST", "/auth/links/redeem", {"ticket": link(app, user, "confirm")}),
            "link for a password": (
                *("POST", "/auth/password/reset"),
                {"ticket": link(app, user, "reset"), "password": "another nine herons"},
            ),
        }

    def end(self, ending: str) -> None:
        """As one process does it."""
        on, new = Surely(self.app), "nine purple herons"
        if ending == "change":
            on.data("POST", "/auth/password", {"old": PASSWORD, "new": new}, self.mine)
        elif ending == "reset":
            keep(self.app, "reset", self.user.phone)
            on.data("POST", "/auth/password/reset", {"recipient": self.user.phone, "code": CODE, "password": new})
        elif ending == "reset by a link":
            body = {"ticket": link(self.app, self.user, "reset"), "password": new}
            on.data("POST", "/auth/password/reset", body)
        else:
            command(self.app, ending, self.user.phone, *([new] if ending == "set_password" else []))
        if ending in ("set_password", "change", "reset", "reset by a link"):
            self.trusted_login["password"] = new


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["strict", "bounded"])
@pytest.mark.parametrize("kind", STORES)
def test_S04_L15_all_that_was_given_out_is_refused_by_another_process_of_the_service(
    kind, mode, tmp_path, password_hash
):
    with store_url(kind, tmp_path) as url:
        here, there = (make_shared(str(tmp_path), url, TESSERA_REVOCATION=mode) for _ in range(2))
        for ending in ENDINGS:
            held = Held(here, here.extensions["tessera_service"].users.add(next(phones), password_hash))
            other = Surely(there)
            assert other(*held.uses["access token"])[0] == 200
            held.end(ending)
            for name, use in held.uses.items():
                refuse(other, use, f"{name} after {ending}", at_once=mode == "strict")
            status, answer = other("POST", "/auth/login", held.trusted_login)
            assert status in (401, 403), f"{ending}: the device is trusted still"
            assert ending in ("disable", "delete") or answer["error"] == "second_factor_required", answer


def refuse(asked: Surely, use: tuple[Any, ...], what: str, *, at_once: bool) -> None:
    """It is refused, by the very next request or by one within the bound, and not with an error of ours."""
    if at_once:
        assert asked(*use)[0] == 401, what
    else:
        wait_until(lambda: asked(*use)[0] == 401, what)
