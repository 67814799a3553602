"""A token that was verified before costs less, and nothing else about it is different."""

from __future__ import annotations

import secrets

import pytest

from flask_tessera import SessionEndedError, TokenExpiredError, TokenInvalidError
from flask_tessera.services.access import AccessPolicy, AccessTokens
from flask_tessera.services.keys import Keys
from flask_tessera.web.readers.access_token import AccessTokenReader

from .conftest import SECRET, age


def _reader(tessera, realm, **how):
    runtime = tessera.runtime
    return AccessTokenReader(
        AccessTokens(Keys.from_secret(SECRET), AccessPolicy(), secrets.token_bytes),
        realm,
        "bounded",
        view=runtime.shared.view,
        follower=runtime.shared.follower,
        sessions=runtime.sessions,
        activity=runtime.shared.activity,
        user_id_of=str,
        **how,
    )


@pytest.fixture
def tessera(site):
    age(site)
    with site.app.app_context():
        yield site.tessera


def test_S07_a_token_that_was_good_is_refused_once_its_session_has_ended(site, tessera):
    pair = tessera.login(7)
    for _ in range(3):
        assert tessera.verify(pair.access_token).user_id == 7
    tessera.revoke_session(pair.session_id)
    with pytest.raises(SessionEndedError):
        tessera.verify(pair.access_token)


def test_T10_a_token_that_was_good_is_refused_on_the_second_it_names(site, tessera):
    pair = tessera.login(7)
    end = tessera.verify(pair.access_token).expires_at
    site.clock.set(end - 1)
    assert tessera.verify(pair.access_token)
    site.clock.set(end)
    with pytest.raises(TokenExpiredError) as caught:
        tessera.verify(pair.access_token)
    assert caught.value.claims.sub == "7"


def test_T11_a_token_that_was_good_is_refused_when_the_clock_has_gone_back_too_far(site, tessera):
    pair = tessera.login(7)
    assert tessera.verify(pair.access_token)
    site.clock.advance(-30)
    assert tessera.verify(pair.access_token)
    site.clock.advance(-1)
    with pytest.raises(TokenInvalidError):
        tessera.verify(pair.access_token)


def test_H08_what_a_view_does_to_an_identity_stays_with_it(tessera):
    pair = tessera.login(7)
    first = tessera.verify(pair.access_token)
    with pytest.raises(TypeError):
        first.claims["is_admin"] = True
    assert tessera.verify(pair.access_token).claims == {}


def test_T04_only_the_very_text_that_was_verified_is_known(tessera):
    token = tessera.login(7).access_token
    assert tessera.verify(token)
    for other in (token + "=", token + " ", token.upper(), token[:-1], token.encode(), [token]):
        with pytest.raises(TokenInvalidError):
            tessera.verify(other)


def test_what_is_remembered_is_bounded_and_holds_no_bad_token(site, tessera):
    tokens = _reader(tessera, "", most=3)
    issued = [tessera.login(8).access_token for _ in range(5)]
    for token in issued * 2:
        assert tokens.identify(token, at=site.clock(), strict=False).user_id == "8"
        assert tokens.identify("bad" + token, at=site.clock(), strict=False) is None
        with pytest.raises(TokenInvalidError):
            tokens.identify(token + "bad", at=site.clock(), strict=False)
        assert set(tokens._known) <= set(issued)
        assert len(tokens._known) <= 3


def test_a_token_of_another_realm_is_neither_good_nor_remembered(site, tessera):
    tokens = _reader(tessera, "admin")
    with pytest.raises(TokenInvalidError):
        tokens.identify(tessera.login(8).access_token, at=site.clock(), strict=False)
    assert tokens._known == {}


def test_T18_a_text_that_lies_about_what_it_is_is_neither_an_error_nor_remembered(tessera):
    class Liar(str):
        __slots__ = ()
        __hash__ = None

        def encode(self, *_: object) -> bytes:
            return token.encode()

    token = tessera.login(7).access_token
    with pytest.raises(TokenInvalidError):
        tessera.verify(Liar("x"))
    with pytest.raises(TokenInvalidError):
        tessera.verify("x")
    assert tessera.verify(Liar(token)).user_id == 7
