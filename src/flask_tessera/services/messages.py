"""What messages there are, and what goes into one; the texts are templates of the layer above."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .senders.message import Message
from .senders.one_line import one_line

if TYPE_CHECKING:
    from ..accounts.recipients import Recipient

CODES: Final = ("login", "register", "reset", "bind")
"""Purposes of codes."""
LINKS: Final = ("login", "reset", "confirm")
"""Purposes of links."""
NO_ACCOUNT: Final = "no_account"
"""To a recipient without an account, who is told so and nobody else."""
NOTICES: Final = (
    *("new_device", "password_changed", "factor_added", "factor_removed", "token_reuse"),
    "recipient_changed",
)
"""What an owner is told after the fact."""
PURPOSES: Final = tuple(dict.fromkeys((*CODES, *LINKS, NO_ACCOUNT, *NOTICES)))

_LONGEST_NAME: Final = 40
# What makes a mail client, or a phone, show a link: slashes, at signs, and a full stop before a letter.
_LINKING: Final = re.compile(r"[/\\@]|[.。](?=\w*[^\W\d_])")
_CHINA: Final = dt.timezone(dt.timedelta(hours=8))


@dataclass(frozen=True, slots=True, repr=False)
class Facts:
    """What a message tells; empty where there is none.

    Attributes:
        code: the code.
        link: the link, which this package has made.
        minutes: for how many minutes code or link is good.
        site: the name or host of the application.
        device: how a device calls itself; whatever a client has sent.
        ip: the address of a client.
        factor: which second factor.
        at: Unix second of what happened; 0 for none.
    """

    code: str = ""
    link: str = ""
    minutes: int = 0
    site: str = ""
    device: str = ""
    ip: str = ""
    factor: str = ""
    at: int = 0

    def texts(self, language: str) -> dict[str, str]:
        """Those that there are, as texts, by name; names of others' choosing are inert."""
        found = {
            "code": self.code,
            "link": self.link,
            "minutes": str(self.minutes) if self.minutes else "",
            "site": self.site,
            "device": inert(self.device),
            "ip": inert(self.ip),
            "factor": inert(self.factor),
            "at": moment(self.at, language) if self.at else "",
        }
        return {name: text for name, text in found.items() if text}


def compose(
    purpose: str, recipient: Recipient, language: str, facts: Facts, *, subject: str, text: str, html: str
) -> Message:
    """A message of what a template has given."""
    template = facts.texts(language)
    template.pop("site", None)
    return Message(
        to=recipient.address,
        kind=recipient.kind,
        purpose=purpose,
        language=language,
        subject=one_line(subject),
        text=text.strip(),
        html=html.strip() if recipient.kind == "email" else "",
        code=facts.code,
        link=facts.link,
        template=template,
    )


def inert(name: str) -> str:
    """A name that somebody else has chosen: one short line in which no reader of messages finds a link."""
    line = one_line(_LINKING.sub(" ", name[: 4 * _LONGEST_NAME]))
    return line if len(line) <= _LONGEST_NAME else f"{line[: _LONGEST_NAME - 1]}…"


def moment(at: int, language: str) -> str:
    """A Unix second as readers have it: in the time of China in Chinese, else in UTC."""
    if language == "zh":
        return dt.datetime.fromtimestamp(at, _CHINA).strftime("%Y-%m-%d %H:%M") + "（北京时间）"
    return dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
