"""Imports every module of the package; run it as a program."""

from __future__ import annotations

import importlib
import pkgutil

import flask_tessera

# Alembic imports its environment and revisions by itself, within a migration; __main__ is a program.
NOT_BY_NAME = (".migrations.env", ".__main__")


def main() -> None:
    found = [each.name for each in pkgutil.walk_packages(flask_tessera.__path__, "flask_tessera.")]
    names = [name for name in found if not name.endswith(NOT_BY_NAME)]
    for name in names:
        importlib.import_module(name)
    print(f"imported {len(names)} modules")


if __name__ == "__main__":
    main()
