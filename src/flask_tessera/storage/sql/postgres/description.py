"""What a PostgreSQL server promises with its present settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...contract import Description

if TYPE_CHECKING:
    from .database import PostgresDatabase

_SETTINGS: Final = """
SELECT current_setting('server_version'), current_setting('fsync'), current_setting('full_page_writes'),
       current_setting('synchronous_commit'), current_setting('synchronous_standby_names'), pg_is_in_recovery()"""
_OFF: Final = "off"


def describe(database: PostgresDatabase) -> Description:
    """By the settings that hold for a connection of ours; errors of the database."""
    ((((version, fsync, pages, commit, standbys, is_standby),),), _) = database.read((_SETTINGS, ()))
    warnings = []
    if fsync == _OFF:
        warnings.append("fsync=off: a power cut may destroy the database")
    if pages == _OFF:
        warnings.append("full_page_writes=off: a power cut may destroy pages of the database")
    if commit == _OFF:
        warnings.append("synchronous_commit=off: a crash of the server may take the last endings back")
    if is_standby:
        warnings.append("this server is a standby, which cannot be written to")
    return Description(f"PostgreSQL {version.split()[0]}", _durability(fsync, commit, standbys), tuple(warnings))


def _durability(fsync: str, commit: str, standbys: str) -> str:
    if _OFF in {fsync, commit}:
        return "a commit outlives its process, but not every crash of the server"
    if standbys and commit != "local":
        return f"a commit outlives a power cut and the loss of the primary (synchronous_commit={commit})"
    return "a commit outlives a power cut; the loss of the primary may take the last ones, if there is a standby"
