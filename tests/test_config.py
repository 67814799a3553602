"""Settings: what is refused, with one sentence that names the setting."""

from __future__ import annotations

import logging
import os

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from flask_tessera import ConfigError, Tessera
from flask_tessera.config import SETTING_NAMES, Settings, jitter_of, read_environment, read_settings
from tests.far import far_storage

STRONG = "hQ5vT2rB8nX0kW7yL3cM9dF6gJ1pZ4sA"
DAY = 86_400
LEGACY = {"secret": "the secret of the old application", "until": 4_000_000_000}

WRONG = [
    # Types
    ("STORE_URL", 5),
    ("STORE_URL", None),
    ("ACCESS_LIFETIME", "900"),
    ("ACCESS_LIFETIME", 900.0),
    ("ACCESS_LIFETIME", True),
    ("ACCESS_LIFETIME", None),
    ("TOKEN_LIFETIME", "1h"),
    ("SESSION_IDLE", 1.5),
    ("SESSION_LIFETIME", [1]),
    ("ISSUER", b"issuer"),
    ("AUDIENCE", 7),
    ("HEADERS", "Authorization"),
    ("HEADERS", {"Authorization"}),
    ("RESPONSE_FORMAT", None),
    ("LEGACY", "the-secret"),
    ("LEGACY", ["secret", 1]),
    ("TRUSTED_PROXIES", "1"),
    ("TRUSTED_PROXIES", True),
    ("HASH_SLOTS", "4"),
    # Ranges
    ("ACCESS_LIFETIME", 0),
    ("ACCESS_LIFETIME", -900),
    ("ACCESS_LIFETIME", DAY + 1),
    ("TOKEN_LIFETIME", 0),
    ("SESSION_IDLE", 0),
    ("SESSION_LIFETIME", 0),
    ("SESSION_LIFETIME", 10**12),
    ("REFRESH_LEEWAY", -1),
    ("REFRESH_LEEWAY", 61),
    ("REVOCATION_BOUND", 0),
    ("REVOCATION_BOUND", 61),
    ("MAX_SESSIONS", -1),
    ("SESSIONS_PER_DEVICE_TYPE", -1),
    ("TRUSTED_PROXIES", -1),
    ("TRUSTED_PROXIES", 17),
    ("PASSWORD_MIN_LENGTH", 7),
    ("HASH_SLOTS", 0),
    ("PUBLIC_URL", "app.example.com"),
    ("PUBLIC_URL", "https://app.example.com/"),
    ("PUBLIC_URL", "https://user@app.example.com"),
    ("PASSKEY_RP_ID", "https://example.com"),
    ("PASSKEY_RP_ID", "example.com:443"),
    # Choices
    ("ALGORITHM", "none"),
    ("ALGORITHM", "hs256"),
    ("ALGORITHM", ""),
    ("TOKEN_FORMAT", "encrypted"),
    ("RESPONSE_FORMAT", "json"),
    ("HTTP_STATUS", "200"),
    ("LOCALE", "zh_CN"),
    ("REVOCATION", "off"),
    ("SESSION_OVERFLOW", "deny"),
    # Headers, prefix, texts
    ("HEADERS", ()),
    ("HEADERS", ("",)),
    ("HEADERS", ("Authorization", 5)),
    ("HEADERS", ("x_token",)),
    ("HEADERS", ("x token",)),
    ("HEADERS", ("x-token\r\n",)),
    ("HEADERS", ("Cookie",)),
    ("HEADERS", ("Host",)),
    ("HEADERS", ("X-Forwarded-For",)),
    ("HEADERS", ("Content-Type",)),
    ("HEADERS", ("z-token", "Z-Token")),
    ("URL_PREFIX", "auth"),
    ("URL_PREFIX", "/auth/"),
    ("URL_PREFIX", "/a//b"),
    ("URL_PREFIX", ""),
    ("URL_PREFIX", "/a\nb"),
    ("ISSUER", " issuer"),
    ("ISSUER", "a\0b"),
    ("ISSUER", "i" * 256),
    ("AUDIENCE", "a\r\nb"),
    # The old application's tokens
    ("LEGACY", {"secret": "x"}),
    ("LEGACY", {"until": 1}),
    ("LEGACY", {**LEGACY, "secret": ""}),
    ("LEGACY", {**LEGACY, "secret": None}),
    ("LEGACY", {**LEGACY, "until": "2030-01-01"}),
    ("LEGACY", {**LEGACY, "until": True}),
    ("LEGACY", {**LEGACY, "algorithm": "none"}),
    ("LEGACY", {**LEGACY, "algorithm": "RS256"}),
    ("LEGACY", {**LEGACY, "user_key": ""}),
    ("LEGACY", {**LEGACY, "usr_key": "id"}),
    ("LEGACY", {**LEGACY, "salt": 5}),
    ("LEGACY", {**LEGACY, "realm": None}),
    ("LEGACY", {**LEGACY, "since": "2026-01-01"}),
    ("LEGACY", {**LEGACY, "since": 0}),
    ("LEGACY", {**LEGACY, "accept_weak_secret": 1}),
    ("LEGACY", {**LEGACY, "accept_weak_secret": "yes"}),
]


def refusal(**config) -> str:
    with pytest.raises(ConfigError) as caught:
        read_settings({f"TESSERA_{key}": value for key, value in config.items()})
    return str(caught.value)


@pytest.mark.parametrize(("key", "value"), WRONG, ids=lambda value: repr(value)[:40])
def test_X15_a_wrong_value_is_refused_with_one_sentence_that_names_the_setting(key, value):
    text = refusal(**{key: value})
    assert f"TESSERA_{key}" in text
    assert "\n" not in text
    assert len(text) < 400


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"ACCESS_LIFETIME": 45}, ["ACCESS_LIFETIME", "REFRESH_LEEWAY"]),
        ({"ACCESS_LIFETIME": 180, "REFRESH_LEEWAY": 60}, ["ACCESS_LIFETIME", "REFRESH_LEEWAY"]),
        ({"ACCESS_LIFETIME": 900, "SESSION_IDLE": 600}, ["ACCESS_LIFETIME", "SESSION_IDLE"]),
        ({"SESSION_IDLE": 91 * DAY}, ["SESSION_IDLE", "SESSION_LIFETIME"]),
        ({"TOKEN_LIFETIME": 91 * DAY}, ["TOKEN_LIFETIME", "SESSION_LIFETIME"]),
        ({"HTTP_STATUS": "always_200", "RESPONSE_FORMAT": "plain"}, ["HTTP_STATUS", "RESPONSE_FORMAT"]),
    ],
)
def test_X15_settings_that_contradict_each_other_are_refused_and_both_named(config, named):
    text = refusal(**config)
    assert all(f"TESSERA_{name}" in text for name in named)


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("STORE_URI", "STORE_URL"),
        ("STOREURL", "STORE_URL"),
        ("ACCES_LIFETIME", "ACCESS_LIFETIME"),
        ("REFRESH_LEWAY", "REFRESH_LEEWAY"),
        ("MAX_SESSION", "MAX_SESSIONS"),
        ("HEADER", "HEADERS"),
        ("TRUSTED_PROXY", "TRUSTED_PROXIES"),
    ],
)
def test_X15_an_unknown_key_is_refused_with_the_near_name(key, meant):
    assert refusal(**{key: 1}).endswith(f"TESSERA_{key} is not a setting; did you mean TESSERA_{meant}?")


def test_X15_an_unknown_key_without_a_near_name_is_refused_with_all_names():
    text = refusal(QZXW=1)
    assert all(name in text for name in SETTING_NAMES)


def test_of_several_unknown_keys_the_first_by_name_is_told():
    assert refusal(ZZZ=1, AAA=1).startswith("TESSERA_AAA ")


@pytest.mark.parametrize("key", ["LEGACY", "STORE_URL"])
def test_a_value_that_may_hold_a_secret_is_not_repeated(key):
    assert "hunter2" not in refusal(**{key: ("hunter2",)})


def test_K08_secrets_stay_out_of_the_settings_text():
    shown = repr(Settings(LEGACY=LEGACY, STORE_URL="redis://:hunter2@localhost"))
    assert LEGACY["secret"] not in shown
    assert "hunter2" not in shown


@pytest.mark.parametrize("more", [{"realm": ""}, {"realm": "staff", "since": 1}, {"accept_weak_secret": False}])
def test_further_members_of_the_old_tokens_setting(more):
    assert {**LEGACY, **more} == read_settings({"TESSERA_LEGACY": {**LEGACY, **more}}).LEGACY


def test_the_defaults_are_those_of_the_design():
    made = read_settings({})
    assert (made.ACCESS_LIFETIME, made.TOKEN_LIFETIME, made.REFRESH_LEEWAY) == (900, 3600, 15)
    assert (made.SESSION_IDLE, made.SESSION_LIFETIME) == (30 * DAY, 90 * DAY)
    assert (made.ALGORITHM, made.TOKEN_FORMAT, made.REVOCATION) == ("HS256", "signed", "bounded")
    assert (made.RESPONSE_FORMAT, made.HTTP_STATUS, made.LOCALE) == ("envelope", "semantic", "auto")
    assert made.HEADERS == ("Authorization", "z-token")
    assert (made.URL_PREFIX, made.MAX_SESSIONS, made.TRUSTED_PROXIES) == ("/auth", 10, 0)
    assert (os.cpu_count() or 1) == made.HASH_SLOTS
    assert (made.COOKIES, made.COOKIE_SECURE, made.CSRF_ORIGINS) == (False, True, ())
    assert len(SETTING_NAMES) <= 40


def test_keys_of_others_are_left_alone_and_lists_are_taken_as_tuples():
    made = read_settings({"SECRET_KEY": "x", "SQLALCHEMY_URI": "y", "TESSERA_HEADERS": ["X-Token"]})
    assert made.HEADERS == ("X-Token",)


@pytest.mark.parametrize(
    ("lifetime", "leeway", "jitter"), [(900, 15, 90), (300, 15, 45), (3600, 0, 360), (100, 0, 15), (600, 60, 180)]
)
def test_the_jitter_is_a_tenth_but_at_least_three_times_the_leeway_or_the_mark_delay(lifetime, leeway, jitter):
    assert jitter_of(lifetime, leeway) == jitter
    assert Settings(ACCESS_LIFETIME=lifetime, REFRESH_LEEWAY=leeway).jitter == jitter


def test_the_environment_gives_values_of_the_right_type_and_the_unknown_names():
    environment = {
        "TESSERA_ACCESS_LIFETIME": "600",
        "TESSERA_HEADERS": "Authorization, X-Token",
        "TESSERA_LOCALE": "en",
        "TESSERA_SERVICE_HOST": "10.0.0.1",
        "TESSERA_LEGACY": "{}",
        "HOME": "/",
    }
    values, unknown = read_environment(environment)
    assert values == {
        "TESSERA_ACCESS_LIFETIME": 600,
        "TESSERA_HEADERS": ("Authorization", "X-Token"),
        "TESSERA_LOCALE": "en",
    }
    assert unknown == ["TESSERA_LEGACY", "TESSERA_SERVICE_HOST"]


@pytest.mark.parametrize(("text", "value"), [("true", True), ("1", True), ("On", True), ("no", False), ("0", False)])
def test_the_environment_says_yes_or_no(text, value):
    assert read_environment({"TESSERA_COOKIES": text}) == ({"TESSERA_COOKIES": value}, [])


@pytest.mark.parametrize("text", ["", "2", "ja", "none"])
def test_what_is_neither_yes_nor_no_is_refused(text):
    with pytest.raises(ConfigError, match="TESSERA_COOKIES must be true or false"):
        read_environment({"TESSERA_COOKIES": text})


@pytest.mark.parametrize(
    "origin",
    [
        *("app.example", "https://app.example/", "https://*.example", "null", "*", "", None, 1),
        *("https://app.example:99999", "https://[::::::]"),
    ],
)
def test_what_is_no_origin_is_refused(origin):
    with pytest.raises(ConfigError, match="TESSERA_CSRF_ORIGINS must hold origins"):
        Settings(CSRF_ORIGINS=(origin,))
    if isinstance(origin, str) and origin:
        with pytest.raises(ConfigError, match="TESSERA_PUBLIC_URL must be an origin"):
            Settings(PUBLIC_URL=origin)


def test_an_origin_may_have_a_port_and_be_an_address():
    Settings(CSRF_ORIGINS=("https://app.example:8443", "http://[::1]:5000", "http://127.0.0.1"))


@pytest.mark.parametrize("text", ["", "x", "1.5", "-5", " 5", "٣", "1e3", "0x10"])
def test_a_number_in_the_environment_that_is_none_is_refused(text):
    with pytest.raises(ConfigError, match="TESSERA_MAX_SESSIONS"):
        read_environment({"TESSERA_MAX_SESSIONS": text})


@given(st.dictionaries(st.sampled_from(sorted(SETTING_NAMES)), st.none() | st.text() | st.integers() | st.booleans()))
def test_whatever_is_set_gives_settings_or_a_config_error(config):
    try:
        made = read_settings({f"TESSERA_{key}": value for key, value in config.items()})
    except ConfigError:
        return
    assert made.jitter < made.ACCESS_LIFETIME <= made.SESSION_IDLE <= made.SESSION_LIFETIME


# What only the assembly of an application can tell.


def use(app: Flask, **options) -> None:
    Tessera(app, **options)
    with app.app_context():
        assert app.extensions["tessera"].runtime("")


def app_with(**config) -> Flask:
    app = Flask("app")
    app.config.update({"SECRET_KEY": STRONG, "TESSERA_STORE_URL": "memory:", **config})
    return app


def test_X15_without_a_storage_the_message_shows_both_lines():
    with pytest.raises(ConfigError) as caught:
        use(app_with(TESSERA_STORE_URL=""))
    assert "TESSERA_STORE_URL = 'sqlite:///tessera.db'" in str(caught.value)
    assert "Tessera(app, storage='sqlite:///tessera.db')" in str(caught.value)


def test_under_testing_the_storage_is_memory_where_none_is_given():
    use(app_with(TESSERA_STORE_URL="", TESTING=True))


def test_X15_two_storages_are_refused():
    with pytest.raises(ConfigError, match="TESSERA_STORE_URL and Tessera"):
        use(app_with(), storage="memory:")


@pytest.mark.parametrize(
    "url", ["oracle://u:hunter2@host/db", "nonsense", "sqlite://", "sqlite:///:memory:", "memory:x"]
)
def test_X15_a_storage_url_that_nothing_opens_is_refused_without_repeating_its_password(url):
    with pytest.raises(ConfigError, match="STORE_URL") as caught:
        use(app_with(TESSERA_STORE_URL=url))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("storage", [5, object(), ["memory:"]])
def test_X15_a_storage_that_is_none_is_refused(storage):
    with pytest.raises(ConfigError, match="storage"):
        use(app_with(TESSERA_STORE_URL=""), storage=storage)


@pytest.mark.parametrize(
    ("secret", "says"),
    [
        (None, "SECRET_KEY is not set"),
        ("", "SECRET_KEY is not set"),
        (b"", "SECRET_KEY is not set"),
        (5, "SECRET_KEY must be text or bytes"),
        ("short", "SECRET_KEY has 5 bytes"),
        ("a" * 40, "SECRET_KEY has fewer than"),
        ("this is a very secret key", "SECRET_KEY is a textbook example"),
        ("192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf", "SECRET_KEY is a textbook example"),
    ],
)
def test_K01_a_secret_that_must_not_sign_is_refused_with_the_command_for_a_better_one(secret, says):
    with pytest.raises(ConfigError) as caught:
        use(app_with(SECRET_KEY=secret))
    assert says in str(caught.value)
    assert isinstance(secret, int) or "secrets.token_hex()" in str(caught.value)


@pytest.mark.parametrize("flag", ["DEBUG", "TESTING"])
@pytest.mark.parametrize("secret", ["dev", "a" * 40])
def test_K01_in_debug_and_testing_a_weak_secret_is_only_warned_about(flag, secret, caplog):
    with caplog.at_level(logging.WARNING, "flask_tessera"):
        use(app_with(SECRET_KEY=secret, **{flag: True}))
    assert "SECRET_KEY" in caplog.text
    assert secret not in caplog.text


@pytest.mark.parametrize("flag", ["DEBUG", "TESTING"])
def test_K01_without_a_secret_not_even_debug_and_testing_go(flag):
    with pytest.raises(ConfigError, match="SECRET_KEY is not set"):
        use(app_with(SECRET_KEY=None, **{flag: True}))


def test_K01_a_short_secret_is_warned_about(caplog):
    with caplog.at_level(logging.WARNING, "flask_tessera"):
        use(app_with(SECRET_KEY=STRONG[:20]))
    assert "SECRET_KEY has 20 bytes, 32 are recommended" in caplog.text


def test_a_strong_secret_is_not_warned_about(caplog):
    with caplog.at_level(logging.WARNING, "flask_tessera"):
        use(app_with(SECRET_KEY_FALLBACKS=[STRONG[::-1]]))
    assert "SECRET_KEY" not in caplog.text


@pytest.mark.parametrize("fallbacks", [STRONG, STRONG.encode(), [""], [None], [STRONG, 5], 5, {"a": STRONG}, ["weak"]])
def test_X15_fallbacks_that_are_no_list_of_strong_secrets_are_refused(fallbacks):
    with pytest.raises(ConfigError, match="SECRET_KEY_FALLBACKS"):
        use(app_with(SECRET_KEY_FALLBACKS=fallbacks))


@pytest.mark.parametrize("realm", [None, 5, "a\0b", "a\n", "r" * 65])
def test_X15_a_realm_that_no_token_could_carry_is_refused(realm):
    with pytest.raises(ConfigError, match="realm"):
        Tessera(realm=realm)


def test_X15_a_setting_that_became_wrong_stops_the_request_and_is_read_again_the_next_time():
    app = app_with()
    tessera: Tessera = Tessera(app)
    app.config["TESSERA_LOCALE"] = "fr"
    with app.app_context():
        with pytest.raises(ConfigError, match="TESSERA_LOCALE"):
            tessera.login(7)
        app.config["TESSERA_LOCALE"] = "en"
        assert tessera.login(7).access_token


def test_X15_a_bound_that_the_storage_cannot_keep_is_refused():
    storage = far_storage(5)
    with pytest.raises(ConfigError, match="TESSERA_REVOCATION_BOUND must be at least 5"):
        use(app_with(TESSERA_STORE_URL=""), storage=storage)


def test_settings_freeze_at_first_use_and_not_before():
    app = app_with()
    tessera: Tessera = Tessera(app, clock=lambda: 1_000_000)
    app.config["TESSERA_TOKEN_LIFETIME"] = 60
    with app.app_context():
        first = tessera.create_token(7)
        app.config["TESSERA_TOKEN_LIFETIME"] = 600
        assert tessera.verify(first).expires_at == tessera.verify(tessera.create_token(7)).expires_at == 1_000_060


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"CSRF_ORIGINS": "https://app.example"}, "a JSON list for Flask's from_prefixed_env, separated by commas"),
        ({"LOGIN_LIMIT_ACCOUNT": 10}, "must be a text such as '10 per 5 minutes', not 10"),
        ({"AUDIT": True}, "TESSERA_AUDIT is not a setting; the audit trail is turned on by Tessera(audit=True)"),
    ],
)
def test_a_refusal_shows_the_form_that_is_taken(given, said):
    assert said in refusal(**given)
