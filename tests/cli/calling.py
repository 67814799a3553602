"""Calling a command as a shell does, and what its answer must look like when it refuses."""

from __future__ import annotations

from inspect import signature
from typing import TYPE_CHECKING, Any, Final

from click.testing import CliRunner
from flask.cli import ScriptInfo

from flask_tessera.cli import tessera_commands
from flask_tessera.web.app_state import states_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result
    from flask import Flask

    from flask_tessera import Tessera

# Click 8.1 mixes standard error with standard output, unless it is asked not to.
_IS_OLD: Final = "mix_stderr" in signature(CliRunner).parameters
RUNNER: Final = CliRunner(**({"mix_stderr": False} if _IS_OLD else {}))
ENDS_NO_INPUT: Final = _IS_OLD
PHONE = "13800138000"
PASSWORD = "correct horse battery"
SECRET = "9b7e40c1f3a85d26e1908c7745bb3f02d6ea914c58f7230b"
HOSTILE = {
    "a newline": "Ada\n2\t13900139000\tenabled\t9\tadmin\tEve",
    "an erased screen": "\x1b[2J\x1b[1;1Hnobody",
    "a carriage return": "Ada\rEve",
    "a C1 control": "\x9b2J",
    "a line separator": "Ada\u2028Eve",
    "backwards": "\u202eadA",
    "a tab": "Ada\tEve",
    "a NUL": "Ada\0Eve",
}


def in_app(app: Flask, *words: str, **more: Any) -> Result:
    """Runs `flask --app … tessera WORDS`."""
    info = ScriptInfo(create_app=lambda: app, set_debug_flag=False)
    return RUNNER.invoke(tessera_commands, words, obj=info, **more)


def add(run: Callable[..., Result], phone: str = PHONE, *words: str) -> Result:
    """Adds a user to the service."""
    return run("users", "add", phone, "--password-stdin", *words, input=f"{PASSWORD}\n")


def tessera_of(app: Flask) -> Tessera[Any]:
    """The Tessera of the service."""
    tessera: Tessera[Any] = app.extensions["tessera_service"].tessera
    return tessera


def user_of(app: Flask) -> Any:
    """The user of the service."""
    (user,) = app.extensions["tessera_service"].users.all()
    return user


def id_of(app: Flask, phone: str = PHONE) -> int:
    """The id of a user of the service."""
    found: int = app.extensions["tessera_service"].users.get(phone).id
    return found


def close(app: Flask) -> None:
    """Let go of an application's connections and threads, where it has any."""
    if "tessera" in app.extensions:
        states_of(app).close()


def assert_refused(result: Result, text: str) -> None:
    """One sentence on standard error, exit code 1, no traceback."""
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)
    error = result.stderr.splitlines()
    assert len(error) == 1
    assert error[0].startswith("Error: ")
    assert text in error[0]
