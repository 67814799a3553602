"""Flask-Caching: what one user was given is given to nobody else, wherever the guard stands."""

from __future__ import annotations

import pytest
from flask_caching import Cache

from flask_tessera import current_user, login_required

from .refusals import make


def below(cache):
    return login_required(
        cache.cached(60, make_cache_key=lambda *_, **__: str(current_user))(lambda: str(current_user))
    )


@pytest.fixture(params=[below], ids=lambda place: place.__name__)
def host(request):
    host = make(CACHE_TYPE="SimpleCache")
    host.app.add_url_rule("/x", "x", request.param(Cache(host.app)))
    return host


def test_T10_what_one_user_was_given_is_given_to_nobody_else(host):
    assert host.get(host.log_in("7")).text == "7"
    assert host.get(host.log_in("8")).text == "8"
    assert host.get({}).json["error"] == "token_missing"


def test_a_refusal_is_not_kept_for_who_is_logged_in(host):
    assert host.get({}).json["error"] == "token_missing"
    assert host.get(host.log_in("7")).text == "7"


def test_answers_of_guarded_views_are_kept_by_no_proxy(host):
    assert "no-store" in host.get({}).headers["Cache-Control"]
