"""What a realm has for logging people in, beside the authenticator of an application that does it itself."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from ..services.account_passwords import AccountPasswords
from ..services.codes import Codes
from ..services.factor_limit import FactorLimit
from ..services.known_devices import KnownDevices
from ..services.passkey_challenges import PasskeyChallenges
from ..services.passkeys import Passkeys
from ..services.recovery_codes import RecoveryCodes
from ..services.second_factors import PasskeyFactor, SecondFactors
from ..services.senders.from_url import open_sender
from ..services.sending import Sending
from ..services.sending_limits import SendingLimits
from ..services.totp import TotpFactors
from ..services.trusted_devices import TrustedDevices
from .passkey_site import relying_party
from .password_hashing import password_hashing

if TYPE_CHECKING:
    from flask import Flask

    from ..config import Settings
    from ..services.keys import Keys
    from ..services.senders.message import Sender
    from .hooks import Hooks
    from .host_users import HostUsers
    from .runtime import AppState


@dataclass(frozen=True, slots=True)
class AccountServices:
    """One service for each thing; `users` and `passwords` are None where the application has given no users."""

    users: HostUsers | None
    passwords: AccountPasswords | None = field(repr=False)
    codes: Codes = field(repr=False)
    sending: Sending | None = field(repr=False)
    """None where nothing delivers messages."""
    sending_limits: SendingLimits = field(repr=False)
    known_devices: KnownDevices = field(repr=False)
    factor_limit: FactorLimit = field(repr=False)
    """Counts wrong second factors, and whatever else proves again who somebody is."""
    totp: TotpFactors = field(repr=False)
    recovery_codes: RecoveryCodes = field(repr=False)
    trusted_devices: TrustedDevices = field(repr=False)
    passkeys: Passkeys = field(repr=False)
    second_factors: SecondFactors = field(repr=False)


def sender_of(app: Flask, settings: Settings) -> Sender | None:
    """What the setting `SENDER` names; None where it names nothing. A file lies relative to the instance folder.

    Raises:
        ConfigError: it is none that is known.
    """
    return open_sender(settings.SENDER, folder=app.instance_path) if settings.SENDER else None


def build_accounts(shared: AppState, realm: str, keys: Keys, hooks: Hooks) -> AccountServices:
    """Wire them for one realm."""
    values, clock, random_bytes, users = shared.storage.values, shared.clock, secrets.token_bytes, hooks.users
    sender = hooks.sender or sender_of(shared.app, shared.settings)
    limit = FactorLimit(values, realm, clock)
    recovery = RecoveryCodes(values, keys.code, realm, clock=clock, random_bytes=random_bytes, limit=limit)
    totp = TotpFactors(
        values, keys.at_rest, realm, clock=clock, random_bytes=random_bytes, limit=limit, recovery_codes=recovery
    )
    trusted = TrustedDevices(values, realm, clock=clock, random_bytes=random_bytes, valid_from=shared.view.valid_from)
    passkeys = _passkeys_of(shared, realm, keys)
    return AccountServices(
        users=users,
        passwords=AccountPasswords(users, password_hashing(shared.app.extensions["tessera"])) if users else None,
        codes=Codes(values, keys.code, realm=realm, clock=clock, random_bytes=random_bytes),
        sending=Sending(sender, at_once=shared.app.testing) if sender is not None else None,
        sending_limits=SendingLimits(values, clock),
        known_devices=KnownDevices(values, realm, clock),
        factor_limit=limit,
        totp=totp,
        recovery_codes=recovery,
        trusted_devices=trusted,
        passkeys=passkeys,
        second_factors=SecondFactors(totp, recovery, trusted, PasskeyFactor(passkeys.has_any, passkeys.check)),
    )


def _passkeys_of(shared: AppState, realm: str, keys: Keys) -> Passkeys:
    values, clock, random_bytes = shared.storage.values, shared.clock, secrets.token_bytes
    return Passkeys(
        values,
        realm,
        challenges=PasskeyChallenges(
            values, keys.passkey, clock=clock, random_bytes=random_bytes, valid_from=shared.view.valid_from
        ),
        relying_party=partial(relying_party, shared.settings),
        clock=clock,
        random_bytes=random_bytes,
    )
