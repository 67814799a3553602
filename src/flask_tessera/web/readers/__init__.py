"""What a credential may be: one file for each kind, and the table of them in the order in which they are asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from ..identity import Identity


class CredentialReader(Protocol):
    """Reads one kind of credential."""

    def identify(self, text: str, *, at: int, strict: bool) -> Identity[Any] | None:
        """Who a credential speaks for; None where it is of another kind, and another reader may know it.

        Args:
            text: the credential as it was received.
            at: now, Unix seconds.
            strict: ask the storage, whatever the setting of `REVOCATION`.

        Raises:
            TokenInvalidError: of this kind, but not one of ours.
            TokenExpiredError: ours, but too old.
            SessionEndedError: its session is over.
            StorageUnavailableError: it cannot be told whether its session is over.
        """
        ...
