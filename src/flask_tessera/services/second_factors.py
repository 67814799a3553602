"""Which second factors a user has, and the one place in which one is checked."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from ..errors import CodeWrongError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .recovery_codes import RecoveryCodes
    from .totp import TotpFactors
    from .trusted_devices import TrustedDevices

TOTP, PASSKEY, RECOVERY = "totp", "passkey", "recovery"


class Check(Protocol):
    """Checks what was shown of a factor; gives how the user has proved who he is (RFC 8176)."""

    def __call__(self, user_id: str, proof: object, *, address: str, device_id: str) -> tuple[str, ...]:
        """Errors as of `SecondFactors.check`."""
        ...


class PasskeyFactor(NamedTuple):
    """What passkeys are as a second factor: whether a user has one, and how one is checked."""

    is_set: Callable[[str], bool]
    check: Check


class SecondFactors:
    """The second factors of one realm. Every method may raise StorageUnavailableError; user ids are texts.

    Args:
        totp: generators of codes.
        recovery_codes: which stand in for any other factor.
        trusted_devices: at which none is asked for.
        passkeys: None where there are none.
    """

    def __init__(
        self,
        totp: TotpFactors,
        recovery_codes: RecoveryCodes,
        trusted_devices: TrustedDevices,
        passkeys: PasskeyFactor | None = None,
    ) -> None:
        self._totp = totp
        self._recovery_codes = recovery_codes
        self._trusted_devices = trusted_devices
        self._passkeys = passkeys
        self._checks: Final[Mapping[str, Check]] = MappingProxyType(
            {
                TOTP: self._check_totp,
                RECOVERY: self._check_recovery,
                **({PASSKEY: passkeys.check} if passkeys else {}),
            }
        )

    def names_of(self, user_id: str) -> tuple[str, ...]:
        """What the user can show, in the order "totp", "passkey", "recovery"; recovery codes alone are no factor."""
        names = [TOTP] if self._totp.is_active(user_id) else []
        if self._passkeys and self._passkeys.is_set(user_id):
            names.append(PASSKEY)
        if names and self._recovery_codes.left(user_id):
            names.append(RECOVERY)
        return tuple(names)

    def check(
        self, user_id: str, name: str, proof: object, *, address: str = "", device_id: str = ""
    ) -> tuple[str, ...]:
        """Take what was shown of a factor; gives how the user has proved who he is: words of `amr` (RFC 8176).

        Args:
            user_id: whose.
            name: one of those of `names_of`.
            proof: a code, or the answer of a passkey; any object is safe.
            address: the client's, from trusted proxies only: by it and `device_id` wrong ones are counted.
            device_id: how the client's device calls itself; empty where it does not.

        Raises:
            CodeWrongError: it is wrong, was used, or the user has no such factor.
            ThrottledError: there were too many wrong ones.
        """
        check = self._checks.get(name)
        if check is None:
            raise CodeWrongError("there is no such factor")
        return check(user_id, proof, address=address, device_id=device_id)

    def remove_totp(self, user_id: str, check: Callable[[], object] | None = None) -> None:
        """Forget the user's generator, trust no device any longer, and drop codes that stand in for nothing now.

        Where `check` raises once it is forgotten, all is as it was.
        """
        self._totp.remove(user_id, check)
        self.factor_removed(user_id)

    def factor_removed(self, user_id: str) -> None:
        """To be called when the user has removed a factor."""
        self._trusted_devices.revoke_all(user_id)
        if not self.names_of(user_id):
            self._recovery_codes.remove(user_id)

    def owner_ended(self, user_id: str, reason: str) -> None:
        """Trust no device of a user any longer, as of `SessionService`; of one who is gone forget all.

        The id of a user who is gone may be given to somebody else, who must not need the factors of his forerunner.
        """
        self._trusted_devices.revoke_all(user_id)
        if reason == "user_gone":
            self._totp.remove(user_id)
            self._recovery_codes.remove(user_id)

    def _check_totp(self, user_id: str, proof: object, *, address: str, device_id: str) -> tuple[str, ...]:
        self._totp.check(user_id, proof, address=address, device_id=device_id)
        return ("otp",)

    def _check_recovery(self, user_id: str, proof: object, *, address: str, device_id: str) -> tuple[str, ...]:
        self._recovery_codes.use(user_id, proof, address=address, device_id=device_id)
        return ("otp",)
