"""The other libraries: which are there, in which version."""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.metadata
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
OLDER = ROOT / ".dev" / "bench-older"
"""Where `dev.py bench` puts the older PyJWT."""
_OLDER_NAME = "older_jwt"


def version_of(distribution: str) -> str:
    """The installed version; an empty text where there is none."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def module_of(name: str) -> ModuleType | None:
    """The module, None where it is not installed."""
    return importlib.import_module(name) if importlib.util.find_spec(name) else None


@functools.cache
def older_pyjwt() -> ModuleType | None:
    """PyJWT in the version before verification became slower; it has another name beside the newer one."""
    file = OLDER / "jwt" / "__init__.py"
    if not file.exists():
        return None
    spec = importlib.util.spec_from_file_location(_OLDER_NAME, file, submodule_search_locations=[str(file.parent)])
    if spec is None or spec.loader is None:
        return None
    module = sys.modules[_OLDER_NAME] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def on_older_pyjwt(name: str) -> ModuleType | None:
    """Another copy of a package that uses PyJWT, on the older one."""
    if older_pyjwt() is None or importlib.util.find_spec(name) is None:
        return None
    with _without(name), _without("jwt"):
        older = {key: module for key, module in sys.modules.items() if _belongs(key, _OLDER_NAME)}
        sys.modules.update({key.replace(_OLDER_NAME, "jwt", 1): module for key, module in older.items()})
        return importlib.import_module(name)


@contextlib.contextmanager
def _without(package: str) -> Iterator[None]:
    """Let a package be imported anew, and put the first copy back in the end."""
    kept = {key: sys.modules.pop(key) for key in list(sys.modules) if _belongs(key, package)}
    try:
        yield
    finally:
        for key in [key for key in sys.modules if _belongs(key, package)]:
            del sys.modules[key]
        sys.modules.update(kept)


def _belongs(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")
