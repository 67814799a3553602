"""Which secret signs, which others still verify, and whether they are good enough."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from ..errors import ConfigError
from ..setting_checks import PREFIX
from ..tokens.keys import RECOMMENDED_BYTES, weakness

if TYPE_CHECKING:
    from flask import Flask

    from ..config import Settings
    from ..tokens.keys import Secret

GENERATE: Final = "python -c 'import secrets; print(secrets.token_hex())'"
_log = logging.getLogger("flask_tessera")


def signing_secrets(app: Flask, settings: Settings, *, quiet: bool = False) -> tuple[Secret, tuple[Secret, ...]]:
    """The secret and its fallbacks: `TESSERA_SECRET_KEY`, else the application's own `SECRET_KEY`.

    Args:
        app: whose they are.
        settings: of the application.
        quiet: do not warn of short ones.

    Raises:
        ConfigError: there is none, or one is no text or bytes, or weak.
    """
    prefix = PREFIX if settings.SECRET_KEY else ""
    secret: Any = settings.SECRET_KEY or app.config.get("SECRET_KEY")
    fallbacks: Any = settings.SECRET_KEY_FALLBACKS if prefix else app.config.get("SECRET_KEY_FALLBACKS") or ()
    name = f"{prefix}SECRET_KEY"
    if not secret:
        raise ConfigError(f"SECRET_KEY is not set: every token is signed under it; make one with {GENERATE}")
    if not isinstance(secret, str | bytes):
        raise ConfigError(f"{name} must be text or bytes, not {type(secret).__name__}")
    if not isinstance(fallbacks, list | tuple) or not all(isinstance(each, str | bytes) and each for each in fallbacks):
        raise ConfigError(f"{name}_FALLBACKS must be a list of texts or bytes, none of them empty")
    for label, each in ((name, secret), *((f"{name}_FALLBACKS", each) for each in fallbacks)):
        _refuse_weak(app, label, each, quiet=quiet)
    return secret, tuple(fallbacks)


def _refuse_weak(app: Flask, name: str, secret: str | bytes, *, quiet: bool) -> None:
    """In debug and testing a weak secret is only warned about, like a short one everywhere."""
    fault = weakness(secret)
    if fault and not (app.debug or app.testing):
        raise ConfigError(f"{name} {fault}; make a better one with {GENERATE}")
    size = len(secret.encode("utf-8", "surrogatepass") if isinstance(secret, str) else secret)
    if not fault and size < RECOMMENDED_BYTES:
        fault = f"has {size} bytes, {RECOMMENDED_BYTES} are recommended"
    if fault and not quiet:
        _log.warning("%s %s; make a better one with %s", name, fault, GENERATE)
