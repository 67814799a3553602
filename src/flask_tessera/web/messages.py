"""Writes messages from templates: the application's own where it has one, else those of this package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..services.messages import compose
from .templating import environment_of

if TYPE_CHECKING:
    from flask import Flask

    from ..accounts.recipients import Recipient
    from ..services.messages import Facts
    from ..services.senders.message import Message


def write_message(app: Flask, purpose: str, recipient: Recipient, language: str, facts: Facts) -> Message:
    """Write one message.

    `tessera/messages/<purpose>.<language>.txt` gives the text, and by `{% set subject %}…{% endset %}` the subject.
    `tessera/messages/<purpose>.<language>.html` gives the HTML of an e-mail; without one it is made from the text. They
    know the facts by name, the language, and the recipient's kind.

    Args:
        app: whose templates they are.
        purpose: of the message, as `services.messages.PURPOSES` has them.
        recipient: whom it is for.
        language: "zh" or "en".
        facts: what it tells.

    Raises:
        jinja2.TemplateNotFound: nobody has a text for this purpose.
    """
    environment = environment_of(app)
    context = {"language": language, "kind": recipient.kind, **facts.texts(language)}
    name = f"tessera/messages/{purpose}.{language}"
    module = environment.get_template(f"{name}.txt").make_module(context)
    text, subject = str(module).strip(), str(getattr(module, "subject", ""))
    html = ""
    if recipient.kind == "email":
        page = environment.select_template([f"{name}.html", "tessera/messages/message.html"])
        paragraphs = [line for line in map(str.strip, text.splitlines()) if line]
        html = page.render({**context, "subject": subject, "paragraphs": paragraphs})
    return compose(purpose, recipient, language, facts, subject=subject, text=text, html=html)
