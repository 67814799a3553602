"""What a running service does for itself: once a day it removes what is dead."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Final

from ..errors import ClockJumpError, StorageUnavailableError
from ..services.purging import purge

if TYPE_CHECKING:
    from ..web.app_state import Runtime

BATCH: Final = 500
"""Sessions that are removed in one transaction: some milliseconds in which no login can be written."""
_DAY: Final = 86_400.0
_HOUR: Final = 3_600.0
_PAUSE: Final = 0.02
"""Seconds between two batches; SQLite's busy wait looks again well within them."""
_log = logging.getLogger("flask_tessera")


def start(runtime: Runtime) -> None:
    """Tidy up now and then once a day, in a thread that ends with the process."""
    threading.Thread(target=_run, args=(runtime,), name="tessera-maintenance", daemon=True).start()


def run_once(runtime: Runtime) -> bool:
    """Remove what is dead; False if that has to be tried again. What goes wrong is logged, and no more."""
    try:
        removed = purge(runtime.storage, at=runtime.clock(), batch=BATCH, rest=pause)
    except ClockJumpError as error:
        _log.warning("nothing was purged: %s", error)
    except StorageUnavailableError as error:
        _log.warning("not everything was purged, trying again within the hour: %s", error)
        return False
    else:
        _log.info("purged %d sessions", removed)
    return True


def pause() -> None:
    """Leave the write lock to others for a moment."""
    time.sleep(_PAUSE)


def _run(runtime: Runtime) -> None:
    never = threading.Event()
    while True:
        never.wait(_DAY if run_once(runtime) else _HOUR)
