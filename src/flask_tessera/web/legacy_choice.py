"""The setting `LEGACY`: what reads the old application's tokens, in the one realm whose users they name."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from ..services.legacy import LegacyLogins, legacy_warnings, refuse_far_window
from ..tokens.keys import KeyRing
from ..tokens.legacy import LegacyTokens

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Flask

    from ..services.ports import Clock
    from ..services.sessions import SessionService
    from ..storage.engine import Storage

_OF_TOKENS = ("secret", "until", "user_key", "algorithm", "salt")
_log = logging.getLogger("flask_tessera")


def refuse_weak_legacy(app: Flask, legacy: Mapping[str, Any], *, clock: Clock, quiet: bool) -> None:
    """Check the setting; a weak secret cannot be replaced as `SECRET_KEY` can, so it may be accepted by name.

    Args:
        app: in debug and testing a weak secret is only warned about.
        legacy: the setting.
        clock: gives now in Unix seconds.
        quiet: do not warn.

    Raises:
        ConfigError: the window ends more than ten years ahead, or the secret is weak and not accepted.
    """
    if not legacy:
        return
    refuse_far_window(legacy["until"], at=clock())
    for warning in legacy_warnings(legacy):
        if not legacy.get("accept_weak_secret") and not (app.debug or app.testing):
            raise ConfigError(f"{warning}; if the old tokens are worth it, add 'accept_weak_secret': True")
        if not quiet:
            _log.warning(warning)


def legacy_logins(
    legacy: Mapping[str, Any], storage: Storage, sessions: SessionService, *, realm: str, clock: Clock
) -> LegacyLogins | None:
    """What reads old tokens in `realm`; None where they name users of another one, or none at all."""
    if not legacy or legacy.get("realm", "") != realm:
        return None
    tokens = LegacyTokens(**{name: legacy[name] for name in _OF_TOKENS if name in legacy})
    name_key = KeyRing.from_secret(legacy["secret"], purpose="legacy", realm=realm).active
    since = legacy.get("since")
    return LegacyLogins(tokens, storage, sessions, name_key=name_key, realm=realm, clock=clock, since=since)
