"""A device's type and name out of what its browser says of itself: a guess, for people to recognise it by."""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple

Kind = Literal["phone", "tablet", "computer", "other"]


class Guess(NamedTuple):
    """What a user agent tells; names are empty where it tells nothing, and pairs of Chinese and English otherwise."""

    kind: Kind
    program: tuple[str, str]
    system: str


_UNKNOWN: Final = ("", "")
# The first that matches counts: most programs name the ones that they want to be taken for, too.
_PROGRAMS: Final = tuple(
    (re.compile(pattern), (zh, en or zh))
    for pattern, zh, en in (
        (r"MicroMessenger/", "微信", "WeChat"),
        (r"DingTalk/", "钉钉", "DingTalk"),
        (r"Lark/|Feishu/", "飞书", "Feishu"),
        (r"AlipayClient/|AliApp\(AP", "支付宝", "Alipay"),
        (r"MQQBrowser/|QQBrowser/", "QQ 浏览器", "QQ Browser"),
        (r"\bQQ/", "QQ", ""),
        (r"Quark/", "夸克", "Quark"),
        (r"UCBrowser/|UBrowser/|UCWEB", "UC 浏览器", "UC Browser"),
        (r"baidubo(x|ard)app|BIDUBrowser/|baidubrowser", "百度", "Baidu"),
        (r"HuaweiBrowser/", "华为浏览器", "Huawei Browser"),
        (r"MiuiBrowser/", "小米浏览器", "Mi Browser"),
        (r"VivoBrowser/", "vivo 浏览器", "vivo Browser"),
        (r"HeyTapBrowser/", "OPPO 浏览器", "OPPO Browser"),
        (r"FBAN/|FBAV/", "Facebook", ""),
        (r"Instagram ", "Instagram", ""),
        (r"\bLine/", "LINE", ""),
        (r"Twitter for ", "X", ""),
        (r"GSA/", "Google", ""),
        (r"DuckDuckGo/|Ddg/", "DuckDuckGo", ""),
        (r"Silk/", "Silk", ""),
        (r"SamsungBrowser/", "Samsung Internet", ""),
        (r"Edg(e|A|iOS)?/", "Edge", ""),
        (r"OPR/|Opera|OPiOS/|OPT/", "Opera", ""),
        (r"Vivaldi/", "Vivaldi", ""),
        (r"YaBrowser/", "Yandex", ""),
        (r"Firefox/|FxiOS/", "Firefox", ""),
        (r"CriOS/|HeadlessChrome/|Chrome/|Chromium/", "Chrome", ""),
        (r"Version/[\d.]+ .*Safari/", "Safari", ""),
        (r"MSIE |Trident/", "Internet Explorer", ""),
        # Applications and libraries name themselves first.
        (r"^(?!Mozilla/|Dalvik/)([A-Za-z][\w.-]{1,30})/\d", "", ""),
    )
)
_KNOWN_SYSTEMS: Final[tuple[tuple[str, str, Kind], ...]] = (
    (r"OpenHarmony|HarmonyOS", "HarmonyOS", "phone"),
    (r"Android", "Android", "phone"),
    (r"iPad", "iPadOS", "tablet"),
    (r"iPhone|iPod", "iOS", "phone"),
    (r"Windows", "Windows", "computer"),
    (r"CrOS", "ChromeOS", "computer"),
    (r"Macintosh|Mac OS X", "macOS", "computer"),
    (r"Linux|X11", "Linux", "computer"),
)
_SYSTEMS: Final = tuple((re.compile(pattern), system, kind) for pattern, system, kind in _KNOWN_SYSTEMS)
_TABLET: Final = re.compile(r"Tablet|\bPad\b")


def guess(user_agent: str) -> Guess:
    """What a user agent tells (RFC 9110 §10.1.5); any text is safe."""
    program = _program(user_agent)
    for pattern, system, kind in _SYSTEMS:
        if pattern.search(user_agent):
            return Guess(_kind(user_agent, kind), program, system)
    return Guess("other", program, "")


def _program(user_agent: str) -> tuple[str, str]:
    for pattern, names in _PROGRAMS:
        if found := pattern.search(user_agent):
            return names if names[0] else (found[1], found[1])
    return _UNKNOWN


def _kind(user_agent: str, usual: Kind) -> Kind:
    if usual == "phone" and (_TABLET.search(user_agent) or "Mobile" not in user_agent):
        # Android says "Mobile" on phones only; programs without a page to show say neither.
        return "tablet" if "Mozilla/" in user_agent else "phone"
    return usual
