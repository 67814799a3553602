"""Templates by name, the application's before those of this package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from jinja2 import ChoiceLoader, FileSystemLoader

if TYPE_CHECKING:
    from flask import Flask
    from jinja2 import Environment

_ENVIRONMENT: Final = "tessera_templates"
_OURS: Final = FileSystemLoader(Path(__file__).parent / "templates")


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
