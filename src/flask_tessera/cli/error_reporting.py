"""A group of commands that says what went wrong in one sentence, without a traceback."""

from __future__ import annotations

from typing import Any

import click

from ..errors import TesseraError
from .printing import printable, replace_what_the_console_lacks


class ErrorReportingGroup(click.Group):
    """What is raised below it as a `TesseraError` is one sentence on standard error, and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was named.

        Raises:
            ClickException: with the sentence.
        """
        replace_what_the_console_lacks()
        try:
            return super().invoke(ctx)
        except TesseraError as error:
            raise click.ClickException(printable(str(error)) or error.row.en) from error
