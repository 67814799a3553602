"""What the users ask of the database that they live in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import sqlalchemy as sa

    Statement: TypeAlias = sa.Select[Any] | sa.UpdateBase


class UserDatabase(Protocol):
    """A database with the table of users, which is made at first use and not made anew while the process runs.

    A table that vanished would else turn lost users into wrong passwords.
    """

    position: Callable[..., Any]
    """SQLAlchemy's name for the function that gives where a text stands in another, from 1; 0 if it does not."""

    def read(self, statement: Statement, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """The rows that a query finds.

        Raises:
            ConfigError: at first use: the database is not one that can be used.
            StorageUnavailableError: it cannot be read, or not be asked for such values.
        """
        ...

    def write(self, statement: Statement, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """Carry out a statement as one transaction; gives the rows that it returns.

        Args:
            statement: with RETURNING; an UPDATE must do no harm if it was done already, and nobody heard of it.
            values: of the columns to set, and of the parameters.

        Raises:
            AlreadyExistsError: the phone number is another user's.
            ConfigError: at first use: the database is not one that can be used.
            StorageUnavailableError: it cannot be written, or cannot keep such values.
        """
        ...
