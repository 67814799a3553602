"""The table of errors: complete, unambiguous and the same for years."""

from __future__ import annotations

import copy
import pickle

import pytest

from flask_tessera import errors
from flask_tessera.errors import REGISTRY, ErrorRow, InputError, SessionEndedError, TesseraError

MEANINGS = {
    4001: {503},
    4002: {404},
    4003: {409},
    4004: {503},
    4101: {401},
    4102: {403},
    4103: {400, 401, 405, 413, 415},
    4105: {403},
    4106: {403},
    4107: {401},
    4201: {429},
    4301: {502},
    4500: {500},
}
TEXTS = {
    "token_missing": (4103, 401, "缺少参数token"),
    "token_invalid": (4101, 401, "登录已过期"),
    "token_expired": (4101, 401, "登录已过期"),
    "user_gone": (4101, 401, "登录已过期"),
    "credentials_wrong": (4103, 401, "账号或密码错误"),
    "credentials_missing": (4103, 400, "请填写手机号或密码"),
    "phone_malformed": (4103, 400, "手机号有误"),
    "body_missing": (4103, 400, "未接收到参数"),
    "login_refused": (4102, 403, "登录失败"),
    "scope_missing": (4105, 403, "权限不足"),
    "step_up_required": (4107, 401, "需要再次验证"),
    "too_many_requests": (4201, 429, "请求受限"),
    "not_found": (4002, 404, "无数据"),
    "already_exists": (4003, 409, "数据已存在"),
    "storage_write_failed": (4001, 503, "数据库错误"),
    "storage_read_failed": (4004, 503, "获取信息失败"),
    "internal_error": (4500, 500, "内部错误"),
}
SAMPLES: list[TesseraError] = [
    errors.ConfigError("TESSERA_X"),
    errors.OutsideRequestError(),
    errors.ClaimsInvalidError("sub"),
    errors.ClockJumpError("a day"),
    errors.TokenMissingError(),
    errors.TokenAmbiguousError("two"),
    errors.TokenInvalidError(),
    errors.TicketInvalidError("used up"),
    errors.TokenExpiredError("old", claims={"sub": "7"}),
    *map(SessionEndedError, SessionEndedError.REASONS),
    errors.UserGoneError(),
    errors.LoginRefusedError(),
    errors.SessionLimitError(),
    errors.CredentialsError(),
    errors.CodeWrongError(),
    errors.SecondFactorRequiredError({"ticket": "tst_x", "expires_in": 300, "factors": ["totp"]}),
    errors.OldPasswordError(),
    errors.ChallengeError(),
    errors.SendingError("no answer"),
    InputError("bad"),
    InputError(slug="body_too_large"),
    errors.ScopeMissingError(),
    errors.StepUpRequiredError(),
    errors.CsrfError(),
    errors.ThrottledError(17),
    errors.NotFoundError(),
    errors.AlreadyExistsError(),
    errors.StorageUnavailableError("away"),
    errors.StorageUnavailableError("away", writing=True),
]


def kinds(root: type = TesseraError) -> set[type]:
    below = {kind for kind in root.__subclasses__() if kind.__module__ == errors.__name__}
    return below.union(*map(kinds, below))


def test_every_kind_of_error_has_a_sample_here():
    assert kinds() == {type(sample) for sample in SAMPLES}


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: f"{type(error).__name__}-{error.slug}")
def test_every_error_has_its_row(error):
    assert error.row is REGISTRY[error.slug]


def test_every_row_is_reached_by_an_error():
    by_slug = {"credentials_missing", "phone_malformed", "body_missing", "media_type_unsupported", "method_not_allowed"}
    by_slug |= {"email_malformed", "password_too_short", "password_common", "password_breached"}
    by_slug |= {"api_key_limit_reached"}
    assert set(REGISTRY) - {error.slug for error in SAMPLES} == by_slug


@pytest.mark.parametrize("row", REGISTRY.values(), ids=lambda row: row.slug)
def test_a_code_keeps_the_meaning_of_the_ret_table(row: ErrorRow):
    assert row.status in MEANINGS[row.code]


@pytest.mark.parametrize(("slug", "told"), TEXTS.items())
def test_the_tutorials_texts_are_kept_to_the_letter(slug, told):
    row = REGISTRY[slug]
    assert (row.code, row.status, row.zh) == told


@pytest.mark.parametrize("row", REGISTRY.values(), ids=lambda row: row.slug)
def test_texts_are_one_sentence_that_a_header_can_carry(row: ErrorRow):
    assert row.en.endswith(".")
    assert row.en.isascii()
    assert not set(row.en) & set('"\\\r\n')
    assert row.zh
    assert not row.zh.isascii()


@pytest.mark.parametrize("row", REGISTRY.values(), ids=lambda row: row.slug)
def test_H01_only_a_missing_token_and_what_is_no_oauth_error_go_without_an_oauth_code(row: ErrorRow):
    assert bool(row.oauth) == (row.slug not in ("token_missing", "not_found", "already_exists", "sending_failed"))


def test_H03_every_token_that_is_not_genuine_gets_one_answer_and_no_reason():
    assert str(errors.TokenInvalidError()) == ""
    assert errors.TokenInvalidError.slug == "token_invalid"


def test_an_expired_token_says_so_to_the_developer_unless_it_is_told_more():
    assert str(errors.TokenExpiredError()) == str(errors.TokenExpiredError(claims=1)) == "the token has expired"
    assert str(errors.TokenExpiredError("the API key has expired")) == "the API key has expired"


def test_slugs_are_unique_and_the_table_cannot_be_changed():
    assert len(REGISTRY) == len(errors._ROWS)
    with pytest.raises(TypeError):
        REGISTRY["x"] = errors._ROWS[0]  # type: ignore[index]


def test_a_reason_that_a_newer_release_has_stored_is_told_as_an_expired_session():
    error = SessionEndedError("moved_to_mars")
    assert (error.reason, error.row.slug) == ("moved_to_mars", "session_expiry")


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: f"{type(error).__name__}-{error.slug}")
@pytest.mark.parametrize("travel", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))])
def test_errors_survive_copying_and_pickling(error, travel):
    again = travel(error)
    assert type(again) is type(error)
    assert (again.args, again.__dict__) == (error.args, error.__dict__)
    assert again.row is error.row


def test_what_a_retry_needs_is_told_and_nothing_else_is():
    waits = {type(error).__name__: error.retry_after for error in SAMPLES if error.retry_after is not None}
    assert waits == {"ThrottledError": 17, "StorageUnavailableError": 1, "SendingError": 5}


def test_a_failed_write_is_told_apart_from_a_failed_read():
    assert errors.StorageUnavailableError(writing=True).row.code == 4001
    assert errors.StorageUnavailableError().row.code == 4004
