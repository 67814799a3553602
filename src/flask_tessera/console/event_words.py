"""What the events of the history are called, in both languages."""

from __future__ import annotations

from typing import Final

EVENT_WORDS: Final = {
    "session_started": ("登录", "Signed in"),
    "session_refreshed": ("续期登录状态", "Session renewed"),
    "session_stepped_up": ("再次验证身份", "Proved who you are again"),
    "session_ended": ("会话结束", "Session ended"),
    "token_reused": ("登录凭证被重复使用", "A spent token came back"),
    "store_behind": ("登录凭证比存储新", "A token was newer than the storage"),
    "login_failed": ("登录被拒绝", "Sign-in refused"),
    "trusted_device_used": ("受信任的设备免双重验证", "A trusted device stood for the second factor"),
    "second_factor_required": ("需要双重验证", "Asked for a second factor"),
    "refresh_failed": ("续期被拒绝", "Renewal refused"),
    "exchange_failed": ("旧版凭证被拒绝", "Exchange of an old token refused"),
    "ticket_failed": ("一次性凭证被拒绝", "A ticket was refused"),
    "api_key_created": ("创建 API key", "API key made"),
    "api_key_renamed": ("重命名 API key", "API key renamed"),
    "api_key_rotated": ("更换 API key", "API key given a new secret"),
    "api_key_revoked": ("吊销 API key", "API key revoked"),
    "user_suspended": ("账号被封禁", "Account suspended"),
    "user_unsuspended": ("账号解除封禁", "Suspension lifted"),
    "user_added": ("创建账号", "Account made"),
    "scope_changed": ("权限变更", "Permissions changed"),
    "user_disabled": ("账号被停用", "Account disabled"),
    "user_enabled": ("账号恢复使用", "Account enabled again"),
    "user_deleted": ("账号被删除", "Account deleted"),
    "password_changed": ("修改密码", "Password changed"),
    "password_change_failed": ("修改密码被拒绝", "Password change refused"),
    "recipient_changed": ("更换手机号或邮箱", "Phone number or e-mail address changed"),
    "password_reset_failed": ("重设密码被拒绝", "Setting a new password refused"),
    "user_registered": ("注册账号", "Account made"),
    "registration_failed": ("注册被拒绝", "Making an account refused"),
    "code_sent": ("获取验证码", "Code asked for"),
    "code_refused": ("获取验证码被拒绝", "Code asked for, and not sent"),
    "link_sent": ("获取链接", "Link asked for"),
    "link_refused": ("获取链接被拒绝", "Link asked for, and not sent"),
    "link_used": ("使用链接", "Link used"),
    "second_factor_failed": ("双重验证失败", "Second factor refused"),
    "step_up_failed": ("再次验证身份失败", "Proof of who you are refused"),
    "factor_added": ("添加双重验证方式", "Second factor added"),
    "factor_removed": ("移除双重验证方式", "Second factor removed"),
    "recovery_codes_renewed": ("生成新的恢复码", "New recovery codes made"),
    "factors_reset": ("管理员移除了所有双重验证方式", "All second factors removed by an administrator"),
}
"""Chinese and English, by the name of `services.audit_data.EVENTS`."""


def event_label(event: str, language: str) -> str:
    """What an event is called; one that is not known stays as it is."""
    return EVENT_WORDS.get(event, (event, event))[language == "en"]
