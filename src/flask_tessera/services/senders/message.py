"""A message to one person, and the port of what delivers it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from .masking import mask_recipient

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, repr=False)
class Message:
    """A message, ready to be delivered. Its repr shows no secret and no whole address.

    Attributes:
        to: a phone number in E.164 (`+8613800138000`), or an e-mail address.
        kind: which of both: "phone" or "email".
        purpose: what it is for, as `login`, `register`, `reset`, `bind`, `confirm` or the name of a notice.
        language: "zh" or "en".
        subject: one line; for e-mail.
        text: the whole text, with its code or link in it.
        html: the same as HTML; empty for none.
        code: the code; empty where there is none.
        link: the link; empty where there is none.
        template: the facts of the text by their names, code or link first, for SMS gateways that fill in templates.
    """

    to: str
    kind: str
    purpose: str
    language: str
    subject: str
    text: str
    html: str = ""
    code: str = ""
    link: str = ""
    template: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Message(purpose={self.purpose!r}, to={mask_recipient(self.to)!r}, language={self.language!r})"


class Sender(Protocol):
    """Hands messages to a system that delivers them.

    It is called from several threads at once, so it must be thread-safe. It should give up by itself after some
    seconds; one that does not holds one of the few threads that deliver messages.
    """

    def send(self, message: Message) -> None:
        """Hand over one message; it is not handed over again when this fails.

        Raises:
            SendingError: it was not accepted; the text holds neither the code or link nor the whole address. With
                `may_have_arrived` where that is not sure; any other exception is taken as not sure.
        """
        ...
