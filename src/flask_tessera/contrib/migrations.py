"""Alembic, and so Flask-Migrate: a host's autogenerate offers no change of our tables."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import UpgradeOps

_OURS: Final = "tessera_"


def is_not_ours(name: str | None, kind: str, _parents: Any) -> bool:
    """Whether this is no table of ours: for `include_name` in the `env.py` of a host whose database holds them as well.

    On PostgreSQL they lie in a schema of their own, where a host's autogenerate does not look.
    """
    return kind != "table" or not _names_us(name)


def leave_our_tables_alone() -> None:
    """Where Alembic has been imported, as by Flask-Migrate: take what it would do to our tables out of its proposals.

    They are in no metadata of the host's, so that Alembic would drop them. `include_name` in the host's `env.py` would
    do, too; a host that has not heard of it loses nothing either.
    """
    if "alembic.autogenerate" in sys.modules:
        _register()


@functools.cache
def _register() -> None:
    from alembic.autogenerate import comparators

    # Since 1.18 comparators have priorities, and those of Alembic itself come after others of the same one.
    priorities = getattr(sys.modules["alembic.util"], "DispatchPriority", None)
    last = {} if priorities is None else {"priority": priorities.LAST}
    comparators.dispatch_for("schema", **last)(_withdraw)


def _withdraw(_context: AutogenContext, proposed: UpgradeOps, _schemas: Any) -> None:
    proposed.ops[:] = [each for each in proposed.ops if not _names_us(getattr(each, "table_name", ""))]


def _names_us(name: Any) -> bool:
    return isinstance(name, str) and name.startswith(_OURS)
