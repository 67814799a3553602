"""Writes messages from templates: the application's own where it has one, else those of this package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from jinja2 import ChoiceLoader, FileSystemLoader

from ..services.messages import compose

if TYPE_CHECKING:
    from flask import Flask
    from jinja2 import Environment

    from ..accounts.recipients import Recipient
    from ..services.messages import Facts
    from ..services.senders.message import Message

_ENVIRONMENT: Final = "tessera_messages"
_OURS: Final = FileSystemLoader(Path(__file__).parent / "templates")


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


def environment_of(app: Flask) -> Environment:
    """Templates by name, the application's before ours; HTML is escaped, whatever the application has set."""
    environment: Environment | None = app.extensions.get(_ENVIRONMENT)
    if environment is None:
        environment = app.jinja_env.overlay(
            autoescape=_is_html,
            loader=ChoiceLoader([each for each in (app.jinja_env.loader, _OURS) if each]),
            block_start_string="{%",
            block_end_string="%}",
            variable_start_string="{{",
            variable_end_string="}}",
            comment_start_string="{#",
            comment_end_string="#}",
            line_statement_prefix=None,
            line_comment_prefix=None,
        )
        app.extensions[_ENVIRONMENT] = environment
    return environment


def _is_html(name: str | None) -> bool:
    return name is None or not name.endswith(".txt")
