"""Has a program stop in good order: by SIGTERM, on Windows by Ctrl+Break.

Wine has no console in which one process could tell another. There, what is started is this file, with the module and
its words: the module runs until its input ends, and then gets the signal that Ctrl+Break makes of itself.
"""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import threading
from typing import Any

ON_WINDOWS = os.name == "nt"
OPTIONS: dict[str, Any] = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP} if ON_WINDOWS else {}
"""For `Popen`; its `stdin` must be a pipe."""


def is_wine() -> bool:
    """Tell whether this Windows is none."""
    import ctypes

    return ON_WINDOWS and hasattr(ctypes.windll.ntdll, "wine_get_version")


def words_for(module: str) -> list[str]:
    """What stands behind the name of Python to run a module that can be stopped."""
    return [__file__, module] if is_wine() else ["-m", module]


def stop(process: subprocess.Popen[Any]) -> None:
    """Have it stop, without waiting for it."""
    if is_wine():
        process.stdin.close()
        process.stdin = None
    else:
        process.send_signal(signal.CTRL_BREAK_EVENT if ON_WINDOWS else signal.SIGTERM)


def break_at_the_end() -> None:
    # By its number: an object of Python could not be closed at the end of the process while it is read.
    while os.read(0, 4096):
        pass
    signal.raise_signal(signal.SIGBREAK)


def main(words: list[str]) -> None:
    threading.Thread(target=break_at_the_end, daemon=True).start()
    sys.argv = words
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
