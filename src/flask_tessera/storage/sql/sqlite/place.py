"""What is wrong with the place of a SQLite file, for whoever reads the log."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_ANOTHER: Final = "name a file in a folder that can be written"
_RIGHTS: Final = os.R_OK | os.W_OK


def fault_of_place(path: str) -> str:
    """Why no database can be opened or made there, and what to do; empty where the place is well."""
    file, folder = Path(path), Path(path).parent
    try:
        if not folder.exists():
            return f"there is no folder {folder}: make it, or {_ANOTHER}"
        if not folder.is_dir():
            return f"{folder} is a file, not a folder: {_ANOTHER}"
        if file.is_dir():
            return f"{file} is a folder: {_ANOTHER}"
        if not os.access(folder, _RIGHTS | os.X_OK):
            return f"this process may not write in {folder}, where SQLite makes files: give its user the right"
        if file.exists() and not os.access(file, _RIGHTS):
            return f"this process may not read and write {file}: give its user the right"
    except OSError as error:
        return f"{folder} cannot be looked at: {error.strerror}"
    return ""
