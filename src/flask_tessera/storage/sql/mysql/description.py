"""What a MySQL or MariaDB server promises with its present settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...contract import Description

if TYPE_CHECKING:
    from .database import MySQLDatabase

_SETTINGS: Final = """
SELECT @@GLOBAL.version, @@GLOBAL.innodb_flush_log_at_trx_commit, @@GLOBAL.innodb_doublewrite, @@GLOBAL.read_only"""
_OFF: Final = {"0", "OFF"}


def describe(database: MySQLDatabase) -> Description:
    """By the settings of the server; errors of the database."""
    ((((version, flush, pages, is_read_only),),), _) = database.read((_SETTINGS, ()))
    warnings = []
    if flush != 1:
        warnings.append(f"innodb_flush_log_at_trx_commit={flush}: a crash of the server may take the last endings back")
    if str(pages) in _OFF:
        warnings.append("innodb_doublewrite=OFF: a power cut may destroy pages of the database")
    if is_read_only:
        warnings.append("read_only=ON: this server cannot be written to")
    durability = (
        "a commit outlives a power cut; the loss of the primary may take the last ones, if there is a replica"
        if flush == 1
        else "a commit outlives its process, but not every crash of the server"
    )
    name = "MariaDB" if "mariadb" in version.lower() else "MySQL"
    return Description(f"{name} {version.partition('-')[0]}", durability, tuple(warnings))
