"""Flask-Limiter: each user has his own count."""

from __future__ import annotations

import pytest
from flask_limiter import Limiter

from flask_tessera import current_user, login_required

from .refusals import make


def above(limiter):
    return limiter.limit("2 per hour")(login_required(lambda: str(current_user)))


def below(limiter):
    return login_required(limiter.limit("2 per hour")(lambda: str(current_user)))


@pytest.mark.parametrize("place", [above, below], ids=lambda place: place.__name__)
def test_each_user_has_his_own_count(place):
    host = make()
    limiter = Limiter(lambda: str(current_user), app=host.app, storage_uri="memory://")
    host.app.add_url_rule("/x", "x", place(limiter))
    first, second = host.log_in("7"), host.log_in("8")
    assert [host.get(first).status_code for _ in range(3)] == [200, 200, 429]
    assert host.get(second).status_code == 200


def test_without_a_token_the_refusal_is_ours():
    host = make(TESSERA_HTTP_STATUS="semantic")
    limiter = Limiter(lambda: str(current_user), app=host.app, storage_uri="memory://")
    host.app.add_url_rule("/x", "x", below(limiter))
    assert host.get({}).json["error"] == "token_missing"
