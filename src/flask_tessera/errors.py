"""Every error: slug, RET code, HTTP status, Chinese and English text.

The table `REGISTRY` is the one source of what a client can be told: JSON answers, the OpenAPI
document and the error page of the docs are made from it. A RET code keeps its meaning for ever.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """What a client is told about one kind of error.

    `oauth` is the code of RFC 6750 §3.1 or RFC 6749 §5.2; empty where none fits, and for a request
    without any credentials, which must not carry one.
    """

    slug: str
    code: int
    status: int
    zh: str
    en: str
    oauth: str = ""


# fmt: off
_ROWS = (
    ErrorRow("token_missing", 4103, 401, "缺少参数token", "The request carries no token."),
    ErrorRow("token_ambiguous", 4103, 400, "参数错误", "The request carries two different tokens.", "invalid_request"),
    ErrorRow("token_invalid", 4101, 401, "登录已过期", "The token is not valid.", "invalid_token"),
    ErrorRow("token_expired", 4101, 401, "登录已过期", "The token has expired.", "invalid_token"),
    ErrorRow("ticket_invalid", 4101, 401, "已失效，请重新操作", "This is not valid any more; please start again.",
             "invalid_token"),
    ErrorRow("session_logout", 4101, 401, "已退出登录", "This session was logged out.", "invalid_token"),
    ErrorRow("session_kick", 4101, 401, "您已被踢下线",
             "You were signed out, from another device or by an administrator.", "invalid_token"),
    ErrorRow("session_replaced", 4101, 401, "账号已在其他设备登录",
             "A login on another device replaced this session.", "invalid_token"),
    ErrorRow("session_limit", 4101, 401, "登录设备过多，已下线",
             "A newer login took the place of this session.", "invalid_token"),
    ErrorRow("session_expiry", 4101, 401, "登录已过期", "This session has expired.", "invalid_token"),
    ErrorRow("session_reuse", 4101, 401, "登录凭证被重复使用，请重新登录",
             "A used refresh token was presented again; log in anew.", "invalid_token"),
    ErrorRow("session_suspension", 4101, 401, "账号已被封禁", "This account is suspended.", "invalid_token"),
    ErrorRow("session_password_change", 4101, 401, "密码已修改，请重新登录",
             "The password was changed; log in anew.", "invalid_token"),
    ErrorRow("session_user_gone", 4101, 401, "登录已过期", "This account no longer exists.", "invalid_token"),
    ErrorRow("user_gone", 4101, 401, "登录已过期", "This account no longer exists.", "invalid_token"),
    ErrorRow("login_refused", 4102, 403, "登录失败", "This account may not log in.", "invalid_grant"),
    ErrorRow("session_limit_reached", 4102, 403, "登录失败",
             "Too many sessions; end one of them first.", "invalid_grant"),
    ErrorRow("credentials_wrong", 4103, 401, "账号或密码错误", "Wrong account or password.", "invalid_grant"),
    ErrorRow("code_wrong", 4103, 401, "验证码错误或已失效", "The code is wrong, used or expired.", "invalid_grant"),
    ErrorRow("second_factor_required", 4107, 401, "需要再次验证",
             "A second factor is needed to log in; see next.", "invalid_grant"),
    ErrorRow("old_password_wrong", 4106, 403, "密码错误", "The old password is wrong.", "invalid_grant"),
    ErrorRow("challenge_failed", 4105, 403, "请先完成人机验证",
             "Prove first that you are no robot.", "invalid_request"),
    ErrorRow("body_missing", 4103, 400, "未接收到参数",
             "The request has no JSON object as its body.", "invalid_request"),
    ErrorRow("credentials_missing", 4103, 400, "请填写手机号或密码",
             "Phone number or password is missing.", "invalid_request"),
    ErrorRow("phone_malformed", 4103, 400, "手机号有误", "This is not a phone number.", "invalid_request"),
    ErrorRow("email_malformed", 4103, 400, "邮箱有误", "This is not an e-mail address.", "invalid_request"),
    ErrorRow("password_too_short", 4103, 400, "密码太短", "The password is too short.", "invalid_request"),
    ErrorRow("password_common", 4103, 400, "密码过于常见，请换一个",
             "Too many people use this password, or it is made of what is known of you; choose another.",
             "invalid_request"),
    ErrorRow("password_breached", 4103, 400, "该密码已泄露，请换一个",
             "This password is known from a breach; choose another.", "invalid_request"),
    ErrorRow("input_malformed", 4103, 400, "参数错误", "The input is missing or malformed.", "invalid_request"),
    ErrorRow("api_key_limit_reached", 4103, 400, "API 密钥数量已达上限，请先吊销一个",
             "There are as many API keys as may be; revoke one of them first.", "invalid_request"),
    ErrorRow("body_too_large", 4103, 413, "参数错误", "The body is too large.", "invalid_request"),
    ErrorRow("media_type_unsupported", 4103, 415, "参数错误", "The body must be application/json.", "invalid_request"),
    ErrorRow("csrf_failed", 4105, 403, "权限不足",
             "The request comes from another site, or lacks its CSRF token.", "invalid_request"),
    ErrorRow("scope_missing", 4105, 403, "权限不足", "The token does not allow this.", "insufficient_scope"),
    ErrorRow("step_up_required", 4107, 401, "需要再次验证",
             "Log in again to do this.", "insufficient_user_authentication"),
    ErrorRow("too_many_requests", 4201, 429, "请求受限", "Too many requests; try again later.", "slow_down"),
    ErrorRow("not_found", 4002, 404, "无数据", "Not found."),
    ErrorRow("method_not_allowed", 4103, 405, "参数错误", "This method is not allowed here.", "invalid_request"),
    ErrorRow("already_exists", 4003, 409, "数据已存在", "It exists already."),
    ErrorRow("storage_write_failed", 4001, 503, "数据库错误",
             "The storage is unavailable; try again later.", "temporarily_unavailable"),
    ErrorRow("storage_read_failed", 4004, 503, "获取信息失败",
             "The storage is unavailable; try again later.", "temporarily_unavailable"),
    ErrorRow("sending_failed", 4301, 502, "第三方系统错误", "The message could not be sent; try again later."),
    ErrorRow("internal_error", 4500, 500, "内部错误", "Internal error.", "server_error"),
)
# fmt: on

REGISTRY: Mapping[str, ErrorRow] = MappingProxyType({row.slug: row for row in _ROWS})
"""Slug to row, in the order of the docs."""


class TesseraError(Exception):
    """Root of all errors of this package.

    The text given at construction speaks to the developer and is logged; the client is shown the
    row's text only.
    """

    slug: str = "internal_error"
    retry_after: int | None = None
    """Seconds after which a retry may succeed; None where a retry is pointless."""
    next_step: Mapping[str, Any] | None = None
    """What the client can do next, where the answer tells it: the member `next`."""

    @property
    def row(self) -> ErrorRow:
        """What the client is told."""
        return REGISTRY[self.slug]

    def __reduce__(self) -> tuple[Any, ...]:
        # Constructors make a text of what they are given, so they must not be called again with that text.
        return _revive, (type(self), self.args, self.__dict__)


def _revive(kind: type[TesseraError], args: tuple[Any, ...], state: dict[str, Any]) -> TesseraError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class ConfigError(TesseraError):
    """A setting is unknown, contradictory or weak; the text names it and the remedy."""


def missing_extra(what: str, extra: str) -> ConfigError:
    """The error for an optional part that is not installed.

    It gives no command: only the reader knows where this package was installed from, and its name may belong to
    somebody else on an index.

    Args:
        what: the beginning of the sentence: who needs which module.
        extra: the optional dependencies of this package that bring it.
    """
    return ConfigError(f"{what}: add the extra [{extra}] to the line by which you installed this package")


class OutsideRequestError(TesseraError, RuntimeError):
    """Nobody can be calling where no request is handled; a RuntimeError, as Flask's own proxies raise there."""

    def __init__(self) -> None:
        super().__init__(
            "no request is handled here, so there is no current user. In a thread of your own, or in a generator that"
            " is streamed, read current_user before and hand it on, or use flask.copy_current_request_context or"
            " flask.stream_with_context"
        )


class ClaimsInvalidError(TesseraError, ValueError):
    """`mint` was given claims that `verify` would refuse; the text names the claim."""


class ClockJumpError(TesseraError):
    """The clock differs so much from what is stored that nothing is removed by it."""


class TokenMissingError(TesseraError):
    """The request carries no token at all (RFC 6750 §3: answered without an error code)."""

    slug = "token_missing"


class TokenAmbiguousError(TesseraError):
    """The request carries two tokens that differ (RFC 6750 §2)."""

    slug = "token_ambiguous"


class TokenInvalidError(TesseraError):
    """Not a token of ours, or not for this use. Says nothing about why."""

    slug = "token_invalid"


class TicketInvalidError(TokenInvalidError):
    """Not a ticket, or used, expired, or for another purpose, audience or user. Says nothing about which."""

    slug = "ticket_invalid"


class TokenExpiredError(TesseraError):
    """A token of ours whose time is over.

    Args:
        message: for the developer.
        claims: what it says, where that was read: enough to log out with, for nothing else.
    """

    slug = "token_expired"

    def __init__(self, message: str = "", *, claims: object = None) -> None:
        super().__init__(message or "the token has expired")
        self.claims = claims


class SessionEndedError(TesseraError):
    """The token is genuine, its session is over.

    Args:
        reason: the stored end reason, one of `REASONS`; of another one, which a newer release may have stored, the
            client is told that the session has expired.
    """

    REASONS: ClassVar[tuple[str, ...]] = (
        "logout",
        "kick",
        "replaced",
        "limit",
        "expiry",
        "reuse",
        "suspension",
        "password_change",
        "user_gone",
    )

    def __init__(self, reason: str) -> None:
        super().__init__(f"the session has ended: {reason}")
        self.reason = reason
        self.slug = f"session_{reason if reason in self.REASONS else 'expiry'}"


class UserGoneError(TesseraError):
    """The token is genuine, but the user loader knows no such user any more."""

    slug = "user_gone"


class LoginRefusedError(TesseraError):
    """The credentials are right, but this user may not log in (suspended, disabled)."""

    slug = "login_refused"


class SessionLimitError(TesseraError):
    """The user has as many sessions as allowed and the newcomer is to be refused."""

    slug = "session_limit_reached"


class CredentialsError(TesseraError):
    """Wrong credentials; the same for a known and an unknown account."""

    slug = "credentials_wrong"


class CodeWrongError(CredentialsError):
    """A code that is wrong, used or expired, or was never sent; the same in every case."""

    slug = "code_wrong"


class SecondFactorRequiredError(TesseraError):
    """The first factor was right, and the account has a second one.

    Args:
        next_step: what the client is told: the ticket of this login, the seconds that it lives, and the factors.
    """

    slug = "second_factor_required"

    def __init__(self, next_step: Mapping[str, Any]) -> None:
        super().__init__("a second factor is needed")
        self.next_step = next_step


class OldPasswordError(CredentialsError):
    """The old password, which a change of it needs, is wrong."""

    slug = "old_password_wrong"


class ChallengeError(TesseraError):
    """What the application asks of a client before a code is sent or a login checked was not answered."""

    slug = "challenge_failed"


class SendingError(TesseraError):
    """A message could not be handed to the system that delivers it. The text, for the developer, holds no secret.

    Args:
        message: for the developer.
        may_have_arrived: whether it may be delivered all the same, since the failure came after it was handed over; it
            then counts as sent.
    """

    slug = "sending_failed"
    retry_after = 5

    def __init__(self, message: str = "", *, may_have_arrived: bool = False) -> None:
        super().__init__(message)
        self.may_have_arrived = may_have_arrived


class InputError(TesseraError):
    """Missing or malformed input.

    Args:
        slug: the row that says which; `input_malformed` when nothing more is known.
        message: for the developer.
        member: the member of the body that is wrong, e.g. `device.name`, which the client is told; empty where it is
            not known. Never what was sent.
    """

    def __init__(self, message: str = "", *, slug: str = "input_malformed", member: str = "") -> None:
        super().__init__(message)
        self.slug = slug
        self.member = member

    @property
    def row(self) -> ErrorRow:
        """What the client is told."""
        row = REGISTRY[self.slug]
        if not self.member:
            return row
        return replace(row, zh=f"{row.zh}：{self.member}", en=f"{row.en.removesuffix('.')}: {self.member}.")


class ScopeMissingError(TesseraError):
    """The token is good, but its scope or the user's role does not reach this far."""

    slug = "scope_missing"


class StepUpRequiredError(TesseraError):
    """The login behind this token is not fresh enough for this action (RFC 9470)."""

    slug = "step_up_required"


class CsrfError(TesseraError):
    """A request under cookies came from another origin or without its CSRF token."""

    slug = "csrf_failed"


class ThrottledError(TesseraError):
    """Too many attempts.

    Args:
        retry_after: seconds until the next attempt is counted anew.
    """

    slug = "too_many_requests"

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"too many attempts, retry after {retry_after} s")
        self.retry_after = retry_after


class NotFoundError(TesseraError):
    """There is no such thing, or it belongs to somebody else."""

    slug = "not_found"


class AlreadyExistsError(TesseraError):
    """There is such a thing already."""

    slug = "already_exists"


class StorageUnavailableError(TesseraError):
    """The storage did not answer, or not in time. The only error in which a driver's leaves a storage.

    Args:
        message: for the developer; holds no statement and no parameter.
        writing: whether a write failed, of which the outcome may be unknown.
    """

    retry_after = 1

    def __init__(self, message: str = "", *, writing: bool = False) -> None:
        super().__init__(message)
        self.writing = writing
        self.slug = "storage_write_failed" if writing else "storage_read_failed"
