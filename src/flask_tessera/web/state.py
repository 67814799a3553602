"""One application's share of a Tessera."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from .runtime import Runtime


class State:
    """Holds the running Tessera; its settings freeze at first use.

    Args:
        assemble: reads the settings and wires the services.
    """

    def __init__(self, assemble: Callable[[], Runtime]) -> None:
        self._assemble = assemble
        self._lock = threading.Lock()
        self._runtime: Runtime | None = None

    @property
    def runtime(self) -> Runtime:
        """What requests use; made at first use.

        Raises:
            ConfigError: a setting is wrong; it is read again the next time.
        """
        runtime = self._runtime
        if runtime is None:
            with self._lock:
                runtime = self._runtime = self._runtime or self._assemble()
        return runtime
