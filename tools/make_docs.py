"""Write the generated parts of the documents: tables of errors and settings, the tutorial's diff, who tests what.

python3 tools/make_docs.py            after a change of errors, settings, examples or tests; needs the package's
                                      dependencies, so best with .dev/test-3.11/bin/python (any version)

A generated part stands between `<!-- begin NAME -->` and `<!-- end NAME -->`. The tests prove that it is current.
"""

from __future__ import annotations

import difflib
import re
import sys
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from flask_tessera import config, errors, setting_checks  # noqa: E402 (found by the line above)
from flask_tessera.services import audit_data  # noqa: E402
from tests.web import carriers  # noqa: E402
from tools import api_reference  # noqa: E402
from tools.requirement_tests import named_tests  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

REGION = re.compile(r"(?P<head><!-- begin (?P<name>[\w-]+) -->\n).*?(?P<tail><!-- end (?P=name) -->)", re.DOTALL)
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"))
    if REGION.search(path.read_text("utf-8"))
)
"""Those with generated parts."""
SHOWN_ERRORS = (
    "token_missing",
    "token_invalid",
    "session_logout",
    "session_reuse",
    "login_refused",
    "credentials_wrong",
    "scope_missing",
    "step_up_required",
    "too_many_requests",
    "storage_read_failed",
)
MOST_TESTS_SHOWN = 4

SETTINGS = {
    "SECRET_KEY": (
        "all keys are derived from it; by default Flask's own `SECRET_KEY`",
        "所有密钥都由它派生；默认用 Flask 自己的 `SECRET_KEY`",
    ),
    "SECRET_KEY_FALLBACKS": (
        "former ones, whose tokens are still accepted; by default Flask's own",
        "以前的密钥，用它们签发的 token 仍然有效；默认用 Flask 自己的",
    ),
    "STORE_URL": (
        (
            "where sessions are kept: `sqlite:///file.db`, `postgresql://…`, `mysql://…`, `redis://…`,"
            " `redis+cluster://…` or `memory:`"
        ),
        "会话存放处：`sqlite:///file.db`、`postgresql://…`、`mysql://…`、`redis://…`、`redis+cluster://…` 或 `memory:`",
    ),
    "ACCESS_LIFETIME": (
        "longest life of an access token; shortened by a random span of up to a tenth, or 3 × `REFRESH_LEEWAY` if more",
        "access token 的最长有效期；每个随机缩短一段，上限是它的十分之一和 3 × `REFRESH_LEEWAY` 中较大的",
    ),
    "TOKEN_LIFETIME": ("life of the single token of `create_token`", "`create_token` 所发单 token 的有效期"),
    "SESSION_IDLE": ("a session ends when it is not refreshed for so long", "会话多久不刷新即结束"),
    "SESSION_LIFETIME": ("a session ends after this, however often it is refreshed", "会话的绝对有效期，刷新也不延长"),
    "REFRESH_LEEWAY": (
        "a used refresh token that comes again within it gets the same successor",
        "旧 refresh token 在此时间内重复提交，得到同一个后继",
    ),
    "ALGORITHM": ("how access tokens are signed", "access token 的签名算法"),
    "TOKEN_FORMAT": ("`sealed` encrypts the claims", "`sealed` 加密 token 内容"),
    "ISSUER": ("`iss`, written and required when set", "`iss`，设置后写入并校验"),
    "AUDIENCE": ("`aud`, written and required when set", "`aud`，设置后写入并校验"),
    "HEADERS": ("headers that may carry the token", "可携带 token 的请求头"),
    "COOKIES": (
        "a session may travel in cookies that scripts cannot read, see cookies",
        "会话可以放在脚本读不到的 cookie 里，见 cookie 文档",
    ),
    "COOKIE_SECURE": ("off only for http://localhost", "只有 http://localhost 上开发时才可关闭"),
    "CSRF_ORIGINS": (
        "other origins whose pages may send requests with our cookies",
        "除本站外，哪些来源（origin）的页面可以带着 cookie 发请求",
    ),
    "RESPONSE_FORMAT": ("`plain`: OAuth bodies and problem+json", "`plain`：OAuth 格式与 problem+json"),
    "HTTP_STATUS": ("`always_200` for front ends that look at `code` alone", "`always_200`：前端只看 `code` 时用"),
    "LOCALE": ("language of `msg`; `auto` follows Accept-Language", "`msg` 的语言；`auto` 按 Accept-Language"),
    "URL_PREFIX": ("where `blueprint()` puts its routes", "`blueprint()` 的路由前缀"),
    "REVOCATION": (
        "`strict` asks the storage on each request, `stateless` never does",
        "`strict` 每次请求都查存储，`stateless` 从不查",
    ),
    "REVOCATION_BOUND": (
        "an ending must reach every worker within it; at least 2 unless it is SQLite",
        "吊销须在此时间内传到所有 worker；除 SQLite 外至少为 2",
    ),
    "MAX_SESSIONS": ("live sessions of one user; 0: no limit", "每个用户的在线会话数；0 表示不限"),
    "SESSIONS_PER_DEVICE_TYPE": (
        "the same for one device type; 0: no limit",
        "同一类设备的在线会话数（同端互斥）；0 表示不限",
    ),
    "SESSION_OVERFLOW": (
        "`evict` the least recently used session or `refuse` the new one",
        "超出时：`evict` 挤掉最久未用的，`refuse` 拒绝新登录",
    ),
    "LEGACY": ("accept old tokens until a date, see migration", "在截止日期前接受旧 token，见迁移文档"),
    "TRUSTED_PROXIES": (
        "how many proxies before the application append to X-Forwarded-For",
        "应用之前有几层会追加 X-Forwarded-For 的反向代理",
    ),
    "DEVICES_FRESH": (
        "how old a login may be that ends other sessions and sees their addresses; 0: any age",
        "登录之后多久之内可以结束自己的其他会话、看到它们的地址；0 表示不限",
    ),
    "LOGIN_LIMIT_ACCOUNT": (
        "wrong passwords for one account, in all processes; a window used up doubles the next; `;` separates limits",
        "同一账号的密码错误次数，所有进程合计；用满之后时间窗口逐次加倍；多个限制以 `;` 分隔",
    ),
    "LOGIN_LIMIT_ADDRESS": (
        "the same for one network: an IPv4 address or an IPv6 /64",
        "同一网段（一个 IPv4 地址或 IPv6 /64）的密码错误次数，同上",
    ),
    "LOGIN_LIMIT_SUCCESS": (
        "successful logins of one account",
        "同一账号的成功登录次数",
    ),
    "PASSWORD_MIN_LENGTH": ("characters of a new password", "新密码的最少字符数"),
    "SENDER": (
        "what delivers codes, links and notices: `console:`, `file:PATH`, `smtp://…`, `smtps://…` or `webhook:URL`",
        "验证码、链接和通知由谁发送：`console:`、`file:路径`、`smtp://…`、`smtps://…` 或 `webhook:URL`",
    ),
    "PUBLIC_URL": (
        "the origin of the links that are sent, such as `https://app.example.com`",
        "所发链接的源（origin），如 `https://app.example.com`",
    ),
    "NOTICES": (
        "users are told of a login on a new device, a changed password, second factor or recipient, and copied tokens",
        "用户会收到通知：新设备登录、修改密码、变更双重验证方式、手机号或邮箱、登录凭证被复制",
    ),
    "PASSKEY_RP_ID": (
        "the domain that passkeys are bound to; by default the host of `PUBLIC_URL`",
        "通行密钥（passkey）绑定的域名；默认取 `PUBLIC_URL` 的主机名",
    ),
    "HASH_SLOTS": ("passwords hashed at once in the ready service's process", "现成服务的进程内同时计算的密码哈希数"),
}
"""What each setting means, in English and Chinese."""
NOTATIONS = {
    "SECRET_KEY": "text",
    "SECRET_KEY_FALLBACKS": "list of texts",
    "CSRF_ORIGINS": "list of origins, as `https://app.example.com`",
    "LOGIN_LIMIT_ACCOUNT": "`N per M minutes`, as the library limits writes it",
    "LOGIN_LIMIT_ADDRESS": "likewise",
    "LOGIN_LIMIT_SUCCESS": "likewise",
}
"""What a setting may be, where its type does not say it."""

_LOG_IN = ("forget both tokens, show `msg`, log in", "丢弃两个 token，显示 `msg`，重新登录")
_OF_THE_CLIENT = ("a fault of the client; do not repeat", "客户端写错了，不要重试")
_AT_THE_FORM = ("show `msg` at the form", "在表单上显示 `msg`")
_LATER = (
    "repeat after `Retry-After`; at `/auth/refresh` with the same token",
    "等 `Retry-After` 之后重试；`/auth/refresh` 用同一个 token 重试",
)
_REFRESH = (
    "refresh once and repeat the request; log in if `/auth/refresh` answers 401",
    "刷新一次再重试；`/auth/refresh` 返回 401 就重新登录",
)

CLIENT_ACTIONS = {
    "token_missing": ("log in; or the token was lost on the way", "登录；或检查 token 是否在途中丢失"),
    "token_ambiguous": ("a fault of the client: send one token", "客户端写错了：只发一个 token"),
    "token_invalid": _REFRESH,
    "ticket_invalid": ("get a new ticket, then repeat the request", "重新获取 ticket，再发请求"),
    "token_expired": _REFRESH,
    "session_logout": _LOG_IN,
    "session_kick": _LOG_IN,
    "session_replaced": _LOG_IN,
    "session_limit": _LOG_IN,
    "session_expiry": _LOG_IN,
    "session_reuse": _LOG_IN,
    "session_suspension": ("forget both tokens, show `msg`", "丢弃两个 token，显示 `msg`"),
    "session_password_change": _LOG_IN,
    "session_user_gone": ("forget both tokens", "丢弃两个 token"),
    "user_gone": ("forget both tokens", "丢弃两个 token"),
    "login_refused": ("show `msg`; do not repeat", "显示 `msg`，不要重试"),
    "api_key_limit_reached": ("show `msg`: one of the keys has to be revoked first", "显示 `msg`：先吊销一个密钥"),
    "session_limit_reached": ("show `msg`: another device has to log out first", "显示 `msg`：先在别的设备上退出"),
    "credentials_wrong": _AT_THE_FORM,
    "code_wrong": _AT_THE_FORM,
    "second_factor_required": (
        "ask for one of `next.factors` and send it with `next.ticket` to `/auth/second-factor`",
        "按 `next.factors` 要求用户再验证一次，连同 `next.ticket` 发到 `/auth/second-factor`",
    ),
    "old_password_wrong": _AT_THE_FORM,
    "challenge_failed": ("have the user solve the challenge, then repeat", "让用户完成人机验证后重试"),
    "body_missing": _OF_THE_CLIENT,
    "credentials_missing": _AT_THE_FORM,
    "phone_malformed": _AT_THE_FORM,
    "email_malformed": _AT_THE_FORM,
    "password_too_short": _AT_THE_FORM,
    "password_common": _AT_THE_FORM,
    "password_breached": _AT_THE_FORM,
    "input_malformed": _OF_THE_CLIENT,
    "body_too_large": _OF_THE_CLIENT,
    "media_type_unsupported": (
        "a fault of the client: send `Content-Type: application/json`",
        "客户端写错了：要发 `Content-Type: application/json`",
    ),
    "csrf_failed": _OF_THE_CLIENT,
    "scope_missing": ("tell the user that this is not allowed; do not repeat", "提示没有权限，不要重试"),
    "step_up_required": (
        "let the user prove it again by `/auth/step-up`, or log in, then repeat the request",
        "让用户通过 `/auth/step-up` 再次验证，或者重新登录，然后重试",
    ),
    "too_many_requests": ("wait for `Retry-After`", "等到 `Retry-After` 之后"),
    "not_found": ("reload what it shows", "刷新所显示的内容"),
    "method_not_allowed": _OF_THE_CLIENT,
    "already_exists": ("show `msg`", "显示 `msg`"),
    "storage_write_failed": _LATER,
    "storage_read_failed": _LATER,
    "sending_failed": ("show `msg`; repeat after `Retry-After`", "显示 `msg`；等 `Retry-After` 之后重试"),
    "internal_error": ("show `msg`; do not repeat by itself", "显示 `msg`，不要自动重试"),
}
"""What a client does about each error, in English and Chinese."""

OFF = {"SECRET_KEY", "SECRET_KEY_FALLBACKS", "STORE_URL", "ISSUER", "AUDIENCE", "LEGACY"}


EVENTS_ZH = {
    "session_started": "登录：会话开始",
    "session_refreshed": "会话刷新",
    "session_stepped_up": "用户再次证明身份",
    "recipient_changed": "用户换了手机号或邮箱",
    "session_ended": "退出登录：会话结束",
    "token_reused": "用过的 refresh token 又出现",
    "store_behind": "token 比存储知道的更新：存储丢失了写入",
    "login_failed": "登录被拒",
    "trusted_device_used": "可信设备代替了第二因素",
    "second_factor_required": "第一因素正确，要求第二因素",
    "refresh_failed": "刷新被拒",
    "exchange_failed": "旧应用 token 的兑换被拒",
    "ticket_failed": "ticket 被拒",
    "api_key_created": "创建了 API key",
    "api_key_renamed": "API key 改名",
    "api_key_rotated": "API key 换了新的",
    "api_key_revoked": "API key 被吊销",
    "user_suspended": "用户被封禁",
    "user_unsuspended": "用户解封",
    "user_added": "添加了用户",
    "scope_changed": "用户登录所得的 scope 变更",
    "user_disabled": "用户被停用",
    "user_enabled": "用户重新启用",
    "user_deleted": "用户被删除",
    "password_changed": "密码变更",
    "password_change_failed": "修改密码被拒",
    "password_reset_failed": "重设密码被拒",
    "user_registered": "注册了账号",
    "registration_failed": "注册账号被拒",
    "code_sent": "请求了验证码",
    "code_refused": "请求验证码，但没有发送",
    "link_sent": "请求了链接",
    "link_refused": "请求链接，但没有发送",
    "link_used": "使用了发出的链接",
    "second_factor_failed": "第二因素被拒",
    "step_up_failed": "再次证明身份被拒",
    "factor_added": "添加了第二因素",
    "factor_removed": "移除了第二因素",
    "recovery_codes_renewed": "换了新的恢复码",
    "factors_reset": "管理员清除了全部第二因素",
}
END_REASONS_ZH = {
    "logout": "用户自己退出",
    "kick": "从外部结束：用户的另一台设备、管理员或应用",
    "replaced": "同类设备上的新登录取代了它",
    "limit": "登录的设备超过上限，这个会话最旧",
    "expiry": "太久没有刷新，或到了最长有效期",
    "reuse": "两个客户端持有同一份 token，或 token 被盗：用过的 refresh token 又出现",
    "suspension": "用户被封禁",
    "password_change": "密码变更",
    "user_gone": "用户被删除，或应用已不认识",
}


def audit_events(head: tuple[str, str, str], words: Mapping[str, str]) -> str:
    """The events, each with its result and what it means."""
    rows = [(f"`{name}`", kind.result, words[name]) for name, kind in audit_data.EVENTS.items()]
    return table(head, rows)


def end_reasons(head: tuple[str, str], words: Mapping[str, str]) -> str:
    """The reasons for which sessions end."""
    return table(head, [(f"`{reason}`", words[reason]) for reason in audit_data.END_REASONS])


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    lines = [tuple(head)]
    lines += [("---",) * len(lines[0]), *map(tuple, rows)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def error_rows(slugs: Iterable[str], *texts: str) -> list[tuple[str, ...]]:
    """Rows of the error table: slug, code, status and texts of these languages."""
    rows = (errors.REGISTRY[slug] for slug in slugs)
    return [(f"`{row.slug}`", str(row.code), str(row.status), *(getattr(row, text) for text in texts)) for row in rows]


def error_cells(slug: str) -> tuple[str, ...]:
    """What both tables say of an error: slug, code, status; and its OAuth code."""
    row = errors.REGISTRY[slug]
    return f"`{slug}`", str(row.code), str(row.status), f"`{row.oauth}`" if row.oauth else "–"


def errors_en(_: str) -> str:
    rows = []
    for slug, row in errors.REGISTRY.items():
        *first, oauth = error_cells(slug)
        rows.append((*first, row.zh, row.en, CLIENT_ACTIONS[slug][0], oauth))
    head = ("`error`", "`code`", "HTTP", "`msg` (`zh`)", "`msg` (`en`)", "what a client does", "OAuth code")
    return table(head, rows)


def errors_zh(_: str) -> str:
    rows = []
    for slug, row in errors.REGISTRY.items():
        *first, oauth = error_cells(slug)
        rows.append((*first, row.zh, row.en, CLIENT_ACTIONS[slug][1], oauth))
    return table(("`error`", "`code`", "HTTP", "`msg`（`zh`）", "`msg`（`en`）", "客户端怎么做", "OAuth 错误码"), rows)


def short_errors_en(_: str) -> str:
    return table(("`error`", "`code`", "HTTP", "`msg`", "in English"), error_rows(SHOWN_ERRORS, "zh", "en"))


def short_errors_zh(_: str) -> str:
    return table(("`error`", "`code`", "HTTP", "`msg`"), error_rows(SHOWN_ERRORS, "zh"))


def default_of(name: str) -> str:
    """The default of a setting, as it is written in Python."""
    if name in OFF:
        return "–"
    if name == "HASH_SLOTS":
        return "CPU cores"
    field = field_of(name)
    assert field.default is not MISSING  # noqa: S101 (a default_factory needs a line above)
    unit = " s" if name in config._SPANS else ""  # noqa: SLF001 (the one source of it)
    return f"`{field.default}`{unit}" if isinstance(field.default, int) else f"`{field.default!r}`".replace("'", '"')


def field_of(name: str) -> Field[Any]:
    """The setting."""
    return next(each for each in fields(config.Settings) if each.name == name)


def range_of(name: str) -> str:
    """What a setting may be."""
    if name in setting_checks._CHOICES:  # noqa: SLF001 (the one source of it)
        return ", ".join(f"`{choice}`" for choice in setting_checks._CHOICES[name])  # noqa: SLF001
    if name in setting_checks._RANGES:  # noqa: SLF001
        least, most = setting_checks._RANGES[name]  # noqa: SLF001
        return f"{least} – {most}"
    if name in NOTATIONS:
        return NOTATIONS[name]
    kinds = {str: "text", bool: "`True` or `False`", tuple: "list of names", dict: "mapping"}
    return kinds[setting_checks.kind_of(field_of(name))]


def settings_en(_: str) -> str:
    rows = [(f"`TESSERA_{name}`", default_of(name), range_of(name), text) for name, (text, _) in SETTINGS.items()]
    return table(("setting", "default", "may be", "meaning"), rows)


def settings_zh(_: str) -> str:
    rows = [
        (f"`TESSERA_{name}`", in_chinese(default_of(name)), in_chinese(range_of(name)), text)
        for name, (_, text) in SETTINGS.items()
    ]
    return table(("设置", "默认值", "取值", "含义"), rows)


def in_chinese(text: str) -> str:
    """A default or a range in Chinese."""
    for english, chinese in _WORDS.items():
        text = re.sub(f"{english}$", chinese, text)
    return text


_WORDS = {
    " s": " 秒",
    "CPU cores": "CPU 核数",
    "text": "文本",
    "`True` or `False`": "`True` 或 `False`",
    "list of origins, as `https://app.example.com`": "origin 列表，如 `https://app.example.com`",
    "list of names": "名称列表",
    "list of texts": "文本列表",
    "`N per M minutes`, as the library limits writes it": "`N per M minutes`，limits 库的写法",
    "likewise": "同上",
    "mapping": "字典",
}


def short_settings_en(_: str) -> str:
    return table(
        ("`TESSERA_…`", "default", "meaning"), [(f"`{name}`", default_of(name), SETTINGS[name][0]) for name in SETTINGS]
    )


def short_settings_zh(_: str) -> str:
    rows = [(f"`{name}`", in_chinese(default_of(name)), SETTINGS[name][1]) for name in SETTINGS]
    return table(("`TESSERA_…`", "默认值", "含义"), rows)


def tutorial_diff(_: str) -> str:
    """The difference of the two folders, file by file."""
    tutorial = ROOT / "examples" / "tutorial"
    lines: list[str] = []
    for name in sorted(path.name for path in (tutorial / "before").glob("*.py")):
        before, after = ((tutorial / each / name).read_text("utf-8").splitlines() for each in ("before", "after"))
        lines += difflib.unified_diff(before, after, f"before/{name}", f"after/{name}", lineterm="", n=1)
    return "```diff\n" + "\n".join(lines) + "\n```\n"


def minimal_app(_: str) -> str:
    return _example("minimal")


def accounts_app(_: str) -> str:
    return _example("accounts")


def _example(name: str) -> str:
    return f"```python\n{(ROOT / 'examples' / name / 'app.py').read_text('utf-8')}```\n"


def file_of_deployment(name: str, language: str) -> Callable[[str], str]:
    """Makes a block of a file in docs/deployment."""
    return lambda _: f"```{language}\n{(ROOT / 'docs' / 'deployment' / name).read_text('utf-8')}```\n"


def requirements_table(present: str) -> str:
    """The rows as they were written by hand, their last cell made anew."""
    tests = named_tests(ROOT / "tests")
    lines = []
    for line in present.splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split("|")]
        if re.fullmatch(r"[A-Z]\d{1,2}", cells[0]):
            line = f"| {' | '.join([*cells[:3], named(tests.get(cells[0], ())) or '*open*'])} |"  # noqa: PLW2901
        lines.append(line)
    return "\n".join(lines) + "\n"


def named(tests: Iterable[str]) -> str:
    """These tests, in one cell."""
    names = sorted(tests)
    more = f" and {len(names) - MOST_TESTS_SHOWN} more" if len(names) > MOST_TESTS_SHOWN else ""
    return "<br>".join(f"`{name}`" for name in names[:MOST_TESTS_SHOWN]) + more


def carriers_en(_: str) -> str:
    """What is accepted where, as an application answers."""
    return table(("request", *carriers.CREDENTIALS), carrier_rows())


def carriers_zh(_: str) -> str:
    words = {"cookie": "cookie", "refresh cookie": "refresh cookie", "body": "请求体"}
    rows = [
        tuple(", ".join(words.get(each, each) for each in cell.split(", ")) for cell in row) for row in carrier_rows()
    ]
    named = [tuple(_IN_CHINESE.get(cell, cell) for cell in row) for row in rows]
    return table(("请求", *(_IN_CHINESE.get(name, name) for name in carriers.CREDENTIALS)), named)


_IN_CHINESE = {
    "guarded view, GET": "受保护的视图，GET",
    "guarded view, POST": "受保护的视图，POST",
    'view with `ticket="download"`, GET': '带 `ticket="download"` 的视图，GET',
    'view with `ticket="download"`, POST': '带 `ticket="download"` 的视图，POST',
    'view with `transports="header"`': '带 `transports="header"` 的视图',
    "`POST /auth/logout` of all": "`POST /auth/logout`，全部会话",
    "ticket": "ticket",
    "old token": "旧 token",
}


def carrier_rows() -> list[tuple[str, ...]]:
    """For each route, the transports by which each kind of credential is let in."""
    found = carriers.accepted()
    return [
        (
            route,
            *(
                ", ".join(each for each in carriers.TRANSPORTS if route in found[credential, each]) or "–"
                for credential in carriers.CREDENTIALS
            ),
        )
        for route in carriers.ROUTES
    ]


def api(_: str) -> str:
    return api_reference.reference()


PARTS: dict[str, Callable[[str], str]] = {
    "api": api,
    "carriers-en": carriers_en,
    "carriers-zh": carriers_zh,
    "errors-en": errors_en,
    "errors-zh": errors_zh,
    "short-errors-en": short_errors_en,
    "short-errors-zh": short_errors_zh,
    "settings-en": settings_en,
    "settings-zh": settings_zh,
    "short-settings-en": short_settings_en,
    "short-settings-zh": short_settings_zh,
    "tutorial-diff": tutorial_diff,
    "minimal-app": minimal_app,
    "accounts-app": accounts_app,
    "audit-events-en": lambda _: audit_events(
        ("event", "result", "what has happened"), {name: kind.words for name, kind in audit_data.EVENTS.items()}
    ),
    "audit-events-zh": lambda _: audit_events(("事件", "结果", "发生了什么"), EVENTS_ZH),
    "audit-reasons-en": lambda _: end_reasons(("reason", "why the session is over"), dict(audit_data.END_REASONS)),
    "audit-reasons-zh": lambda _: end_reasons(("原因", "会话为什么结束"), END_REASONS_ZH),
    "requirements": requirements_table,
    "dockerfile": file_of_deployment("Dockerfile", "dockerfile"),
    "nginx-conf": file_of_deployment("nginx.conf", "nginx"),
    "systemd-unit": file_of_deployment("tessera.service", "ini"),
    "systemd-purge-service": file_of_deployment("tessera-purge.service", "ini"),
    "systemd-purge-timer": file_of_deployment("tessera-purge.timer", "ini"),
}


def render(text: str) -> str:
    """A document with its generated parts made anew."""

    def replace(match: re.Match[str]) -> str:
        present = match[0].removeprefix(match["head"]).removesuffix(match["tail"])
        return match["head"] + PARTS[match["name"]](present) + match["tail"]

    return REGION.sub(replace, text)


def main() -> None:
    for name in DOCUMENTS:
        path = ROOT / name
        before = path.read_text("utf-8")
        after = render(before)
        if after != before:
            path.write_text(after, "utf-8")
            print(f"{name} was changed")


if __name__ == "__main__":
    main()
