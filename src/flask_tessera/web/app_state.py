"""What runs in one process of one application: built at first use, and built anew in a forked child.

`app.extensions["tessera"]` is a `States`. It knows which realms `init_app` has registered, and builds from that

* one `AppState`: storage, follower, activity writer, audit trail, counters, shared by all realms, and
* one `Runtime` for each realm: its keys, services and credential readers.

Both are frozen. A child process has none of its parent's threads, and must not use its connections: there, both are put
aside, unused and never closed, and made again when they are first asked for.
"""

from __future__ import annotations

import gc
import threading
from typing import TYPE_CHECKING, Any, Final

from ..clocks import boot_clock, system_clock
from ..config import Settings, read_settings
from ..errors import ConfigError, StorageUnavailableError
from ..fork import renew_in_children
from ..services import ownership
from ..storage.pace import give_up
from ..tokens.keys import KeyRing
from .account_services import sender_of
from .app_building import build_realm, build_shared
from .cookies import warn_of_insecure_cookies
from .current import current_app_object
from .legacy_choice import refuse_weak_legacy
from .outages import OutageLog
from .policies import responses_of, throttle_limits
from .responses import Responses
from .runtime import AppState, Runtime
from .signing_secrets import signing_secrets
from .storage_choice import check_choice, open_choice, place_of
from .ticket_routes import TicketRoutes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flask import Flask, Response

    from ..accounts.passwords import Passwords
    from ..services.ports import Clock
    from ..storage.engine import Storage
    from .hooks import Hooks

_SLOW: Final = 0.5
_LOOK_AGAIN_AFTER: Final = 3.0
"""Seconds for which a storage that took more than `_SLOW` seconds, in vain, is not asked again whose it is."""

__all__ = ["AppState", "Runtime", "States", "runtime_of", "states_of"]


class States:
    """The Tesseras of one application, by realm.

    Args:
        app: the application.
    """

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._storage: Any = None
        self._clock: Clock | None = None
        self.hooks: dict[str, Hooks] = {}
        """What was registered, by realm."""
        self.running: dict[str, Runtime] = {}
        """What was built in this process, by realm."""
        self.ready: dict[str, Runtime] = {}
        """Of these, what requests may use without asking whose the storage is: it is known to be ours."""
        self.responses = Responses()
        """Writes errors; in the application's form once its settings are read."""
        self.settings = Settings()
        """As they were read last."""
        self.passwords: Passwords | None = None
        """Hashes passwords, once somebody has asked for it."""
        self.notices: dict[str, Any] = {}
        """What hears of the sessions of each realm, to tell their owners."""
        self.second_step_pages: dict[str, Callable[[Mapping[str, Any]], Response]] = {}
        """By realm, where there are pages: what makes one for a next step, as of SecondFactorRequiredError."""
        self.sites: dict[str, Callable[[], Mapping[str, str]]] = {}
        """By realm, where there are pages: gives `home_url` and `style_url` of them, for pages of links."""
        self.told_of_second_step: set[str] = set()
        """Realms whose second step was found missing, and told of."""
        self.outages = OutageLog("")
        """Logs failures of the storage."""
        self.ticket_routes = TicketRoutes(app)
        """Which routes read tickets."""
        self._shared: AppState | None = None
        self._is_owner = False
        self._of_parents: list[Any] = []
        renew_in_children(self)

    def reset_after_fork(self) -> None:
        """A child builds its own; its parent may have been building, and its connections are not for the child."""
        self._lock = threading.RLock()
        if self._shared is not None or self.running:
            self._of_parents.append((self._shared, self.running))
        self._shared, self.running, self.ready, self._is_owner = None, {}, {}, False
        self._look_again_at = 0.0

    def add(self, realm: str, hooks: Hooks, *, storage: Any, clock: Clock | None) -> None:
        """Register a realm.

        Raises:
            ConfigError: the application has it already, or it was given another storage or clock than the others.
        """
        if realm in self.hooks:
            raise ConfigError(f"this application has a Tessera of realm {realm!r} already")
        self._storage = _agree("storage", self._storage, storage)
        self._clock = _agree("clock", self._clock, clock)
        self._read_settings()
        self.hooks[realm] = hooks

    def _read_settings(self, *, quiet: bool = False) -> Settings:
        """The settings, checked; what connects to nothing is built to see whether it can be."""
        settings = self.settings = read_settings(self._app.config)
        signing_secrets(self._app, settings, quiet=quiet)
        refuse_weak_legacy(self._app, settings.LEGACY, clock=self._clock or system_clock, quiet=quiet)
        check_choice(self._app, settings, self._storage)
        if not quiet:
            warn_of_insecure_cookies(settings)
        throttle_limits(settings)
        sender_of(self._app, settings)
        self.responses = responses_of(settings)
        return settings

    def runtime(self, realm: str, *, owned: bool = True) -> Runtime:
        """What runs for a realm; built at first use.

        Args:
            realm: which.
            owned: whether the storage must be this application's.

        Raises:
            ConfigError: there is no such realm, or a setting is wrong, or the storage is another application's.
        """
        runtime = self._running(realm)
        if owned and not self._is_owner:
            self._refuse_foreign(runtime.storage)
        if self._is_owner:
            self.ready[realm] = runtime
        return runtime

    def storage_ring(self) -> KeyRing:
        """The keys of the check value that tells whose a storage is; errors as of `runtime`."""
        secret, fallbacks = signing_secrets(self._app, self.settings, quiet=True)
        return KeyRing.from_secret(secret, fallbacks=fallbacks, purpose=ownership.PURPOSE)

    def hooks_of(self, realm: str) -> Hooks:
        """What was registered for a realm.

        Raises:
            ConfigError: there is no such realm.
        """
        if realm not in self.hooks:
            known = f"; it has those of {', '.join(map(repr, self.hooks))}"
            raise ConfigError(f"this application has no Tessera of realm {realm!r}{known}")
        return self.hooks[realm]

    def _refuse_foreign(self, storage: Storage) -> None:
        begun = boot_clock()
        if begun < self._look_again_at:
            return
        try:
            ownership.refuse_foreign(storage, self.storage_ring(), at=(self._clock or system_clock)())
            self._is_owner = True
        except StorageUnavailableError as error:
            # Nobody is kept from what does not need the storage; what does will say so. One wait a request is enough.
            if boot_clock() > begun + _SLOW:
                self._look_again_at = boot_clock() + _LOOK_AGAIN_AFTER
                give_up(error)

    def _running(self, realm: str) -> Runtime:
        hooks = self.hooks_of(realm)
        with self._lock:
            runtime = self.running.get(realm)
            if runtime is None:
                shared = self._shared = self._shared or self._build()
                runtime = self.running[realm] = build_realm(shared, realm, hooks.for_application())
            return runtime

    def _build(self) -> AppState:
        # Once more: what was set after `init_app` counts until the first use.
        settings = self._read_settings(quiet=True)
        if self._app.testing:
            # The application of the test before this one is garbage by now, and has connections until it is collected.
            gc.collect()
        storage = open_choice(self._app, settings, self._storage)
        self.outages = OutageLog(place_of(self._app, settings, self._storage))
        return build_shared(self._app, settings, storage, self._clock or system_clock, self.responses, self.outages)

    def close(self) -> None:
        """Write what waits, end the threads and let go of the connections; the next use builds all of it anew."""
        with self._lock:
            shared, self._shared, self.running, self.ready, self._is_owner = self._shared, None, {}, {}, False
        if shared is not None:
            try:
                shared.connections.stop()
                shared.follower.stop()
                shared.activity.stop()
                shared.audit.writer.stop()
            finally:
                shared.storage.close()


def states_of(app: Flask) -> States:
    """The Tesseras of an application.

    Raises:
        ConfigError: it has none.
    """
    states: States | None = app.extensions.get("tessera")
    if states is None:
        raise ConfigError("this application has no Tessera: call tessera.init_app(app)")
    return states


def runtime_of(realm: str) -> Runtime:
    """What runs for a realm of the current application.

    Raises:
        ConfigError: there is none, or a setting is wrong.
    """
    return states_of(current_app_object()).runtime(realm)


def _agree(name: str, before: Any, given: Any) -> Any:
    if before is not None and given is not None and before is not given and before != given:
        raise ConfigError(f"the Tesseras of one application share one {name}: give Tessera({name}=…) to one of them")
    return given if before is None else before
