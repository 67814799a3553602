"""What the pages say of errors that were worded for clients, in both languages."""

from __future__ import annotations

from math import ceil
from typing import Final

_AWAY: Final = ("暂时无法处理，请稍后重试。", "This cannot be done just now. Try again in a moment.")
ERROR_WORDS: Final = {
    "already_exists": ("该手机号或邮箱已注册，请直接登录。", "There is an account with it already: sign in."),
    "credentials_missing": ("请填写账号和密码。", "Enter your account and your password."),
    "csrf_failed": (
        "此表单来自其他网站，或登录状态已变化，请重新打开页面。",
        "This form comes from another site, or your sign-in has changed. Open the page again.",
    ),
    "not_found": ("没有这个页面，或内容已不存在。", "There is no such page, or it is gone."),
    # Fields for both take what has no "@" for a phone number.
    "phone_malformed": ("手机号或邮箱有误。", "This is neither a phone number nor an e-mail address."),
    "sending_failed": (
        "发送失败，请稍后重试，或改用其他方式。",
        "It could not be sent. Try again later, or use another way.",
    ),
    "storage_read_failed": _AWAY,
    "storage_write_failed": _AWAY,
    "too_many_requests": ("请求过于频繁。", "Too many requests."),
}
"""Chinese and English, by the slug; others say what the client is told."""
_WAITS: Final = (
    (3600, ("请在 {count} 小时后重试。", "Try again in {count} hours.")),
    (60, ("请在 {count} 分钟后重试。", "Try again in {count} minutes.")),
    (1, ("请在 {count} 秒后重试。", "Try again in {count} seconds.")),
)
_FEWEST: Final = 2
"""Of a unit, so that there is always more than one of it."""


def wait_text(seconds: int, language: str) -> str:
    """How long to wait, in the unit that a person would use."""
    size, texts = next((each for each in _WAITS if seconds > _FEWEST * each[0]), _WAITS[-1])
    return texts[language == "en"].format(count=max(_FEWEST, ceil(seconds / size)))
