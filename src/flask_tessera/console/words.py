"""What the pages say, in both languages."""

from __future__ import annotations

from typing import Final

from .account_words import ACCOUNT_WORDS

WORDS: Final = {
    "zh": {
        **ACCOUNT_WORDS["zh"],
        "sign_in": "登录",
        "password": "密码",
        "remember": "在此设备上保持登录",
        "insecure": "当前页面使用的是 HTTP，浏览器不会保存登录状态。请改用 https:// 访问本页。",
        "devices": "我的设备",
        "devices_lead": "以下设备登录了您的账号。如有不认识的设备，请将其下线，并修改密码。",
        "this_device": "当前设备",
        "unknown_device": "未知设备",
        "sign_out": "退出登录",
        "end": "下线",
        "end_this": "下线 {name}",
        "end_others": "下线其他所有设备",
        "no_others": "没有其他设备登录您的账号。",
        "ended": "已下线。",
        "ended_by": "已下线，最迟 {seconds} 秒后在所有服务器上生效。",
        "last_seen": "最近活动",
        "begun": "登录时间",
        "address": "IP 地址",
        "address_hidden": "登录时间较早，IP 地址已隐藏。",
        "show_address": "重新登录后查看",
        "by": "登录方式",
        "user_agent": "浏览器标识",
        "resuming": "正在恢复登录状态……",
        "resume_failed": "暂时无法恢复登录状态。",
        "needs_script": "登录状态需要更新，这需要启用 JavaScript；也可以重新登录。",
        "try_again": "重试",
        "error": "出错了",
        "back": "返回我的设备",
        "signed_in_as": "已登录账号：",
    },
    "en": {
        **ACCOUNT_WORDS["en"],
        "sign_in": "Sign in",
        "password": "Password",
        "remember": "Stay signed in on this device",
        "insecure": "This page was opened over plain HTTP, where the browser keeps no sign-in. Open it with https://.",
        "devices": "My devices",
        "devices_lead": (
            "These devices are signed in to your account. End any that you do not know, and change your password."
        ),
        "this_device": "This device",
        "unknown_device": "Unknown device",
        "sign_out": "Sign out",
        "end": "End",
        "end_this": "End {name}",
        "end_others": "End all other devices",
        "no_others": "No other device is signed in to your account.",
        "ended": "Ended.",
        "ended_by": "Ended; every server refuses it within {seconds} seconds.",
        "last_seen": "Last seen",
        "begun": "Signed in",
        "address": "IP address",
        "address_hidden": "You signed in a while ago, so IP addresses are hidden.",
        "show_address": "Sign in again to see them",
        "by": "Signed in by",
        "user_agent": "User agent",
        "resuming": "Resuming your session …",
        "resume_failed": "Your session cannot be resumed just now.",
        "needs_script": "Your session must be renewed, which needs JavaScript; or sign in again.",
        "try_again": "Try again",
        "error": "Something went wrong",
        "back": "Back to my devices",
        "signed_in_as": "Signed in as ",
    },
}
"""By language and name; templates have those of the answer's language as `words`."""

_ACCOUNTS: Final = {
    "phone": ("手机号", "Phone number"),
    "mobile": ("手机号", "Phone number"),
    "email": ("邮箱", "E-mail"),
    "username": ("用户名", "User name"),
}
_OTHER_ACCOUNT: Final = ("账号", "Account")
_METHODS: Final = {
    "pwd": ("密码", "password"),
    "sms": ("短信验证码", "text message"),
    # A code by mail and one of an app are one word.
    "otp": ("验证码", "one-time code"),
    "mfa": ("双重验证", "two factors"),
    "hwk": ("通行密钥", "passkey"),
    "swk": ("通行密钥", "passkey"),
    "pop": ("通行密钥", "passkey"),
    # What a passkey says besides: that its user was verified.
    "user": ("", ""),
    "link": ("邮件链接", "mail link"),
    "legacy": ("旧版凭证", "token of the old application"),
}
"""How one logged in (RFC 8176 §2, and what this package adds)."""


def account_label(members: tuple[str, ...], language: str) -> str:
    """What the field is called in which these members of the credentials are typed."""
    labels = dict.fromkeys(_ACCOUNTS.get(member, _OTHER_ACCOUNT)[language == "en"] for member in members)
    return " / ".join(labels)


def method_label(method: str, language: str) -> str:
    """What a word of `amr` is called; one that is not known stays as it is; empty where it says nothing of its own."""
    return _METHODS.get(method, (method, method))[language == "en"]
