"""The second step of a login: who has a second factor is asked for it, and begins a session by showing one.

Between the two steps a ticket stands for the first. It is good for five minutes and for nothing else, opens no route,
and dies when all sessions of its user are ended, as by a password change. It is used up only once a factor was right,
so a mistyped code can be typed again; how often is counted for the user, whatever the ticket.

It keeps the device that took the first step: the session, the counters of wrong factors and the trust are that one's,
whatever the second request says of itself (requirement Q06). It is bound to no network, which a phone changes, and to
no cookie, which many clients do not keep.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from .. import signals
from ..errors import (
    CodeWrongError,
    CredentialsError,
    InputError,
    LoginRefusedError,
    NotFoundError,
    SecondFactorRequiredError,
    ThrottledError,
    TicketInvalidError,
)
from ..services.keys import parse_sid
from ..services.second_factors import PASSKEY
from ..services.tickets import Ticket
from ..services.tries import count_try
from ..sessions.model import UNKNOWN_DEVICE, Device
from ..storage.key_value import hashed_key
from .action_base import is_user_object
from .app_state import states_of
from .audit import recording_refused_ticket
from .client import clean_device
from .described import description_of
from .signal_sending import send
from .struct_types import prepare
from .user_loading import load_user

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..storage.key_value import KeyValue
    from .action_base import ActionBase
    from .app_state import Runtime
    from .extension import Tessera
    from .token_pair import TokenPair

PURPOSE: Final = "tessera:second-factor"
LIFETIME: Final = 300
"""Seconds for which the second step may follow the first."""
TRIES: Final = 5
"""Wrong codes after which its ticket is good no longer."""
_SPENT: Final = "second_step_spent"
"""The kind of values that say so of a ticket."""
TWO: Final = "mfa"
"""The word of `amr` for a login with two factors (RFC 8176)."""
_TWO_AT_ONCE: Final = frozenset((TWO, "user"))
"""Words of `amr` of a login that needs no second step: "user" is a passkey that has verified its user."""
_log = logging.getLogger("flask_tessera")


class _FirstStep(msgspec.Struct, frozen=True):
    """What is kept of the first step in the ticket."""

    amr: tuple[str, ...]
    device: Device
    scope: str | None = None
    claims: dict[str, Any] | None = None
    lifetime: int | None = None


prepare(_FirstStep)


def refuse_disabled(actions: ActionBase[Any], user: Any) -> None:
    """Raise for a user, or the id of one, who may not log in; without `Tessera(users=…)` for nobody.

    Raises:
        LoginRefusedError: the application's users call the user disabled.
        UserGoneError: the loader knows no user of this id.
    """
    runtime = actions.runtime
    users = runtime.accounts.users
    if users is None:
        return
    # Not by the loader first, which gives nobody for the id of who is disabled.
    found = user if is_user_object(user) else users.by_id(runtime.hooks.user_id_of(actions.id_of(user)))
    if found is not None and users.is_disabled(found):
        raise LoginRefusedError("the user is disabled")
    actions.object_of(user)


def refuse_incomplete(
    actions: ActionBase[Any],
    user: Any,
    *,
    amr: tuple[str, ...] = ("pwd",),
    device: Device = UNKNOWN_DEVICE,
    scope: str | UnsetType = UNSET,
    claims: Mapping[str, Any] | None = None,
    trust_token: object = None,
    lifetime: int | None = None,
) -> None:
    """Raise if no session may begin yet, though the credentials were right; arguments as of `LoginAttempt.login`.

    `lifetime` is that of the session in seconds, by default as the settings say.

    Raises:
        SecondFactorRequiredError: a second factor is needed; it holds the ticket for the next step.
    """
    if _TWO_AT_ONCE.isdisjoint(amr):
        first = _FirstStep(
            amr, clean_device(device), None if scope is UNSET else scope, dict(claims) if claims else None, lifetime
        )
        _ask_for_second_factor(actions, user, first, trust_token)


def _ask_for_second_factor(actions: ActionBase[Any], user: Any, first: _FirstStep, trust_token: object) -> None:
    runtime, user_id = actions.runtime, actions.id_of(user)
    factors = runtime.accounts.second_factors.names_of(user_id)
    if not factors:
        return
    if runtime.accounts.trusted_devices.is_trusted(user_id, trust_token):
        runtime.record("trusted_device_used", user_id=user_id, device=first.device)
        return
    data = msgspec.to_builtins(first)
    wanted = Ticket(PURPOSE, user_id=user_id, user_stamp=actions.stamp_of(user), data=data)
    ticket = runtime.tickets.issue(wanted, expires_in=LIFETIME)
    raise SecondFactorRequiredError(_next_step(runtime, user_id, ticket, factors))


def tell_if_missing(tessera: Tessera[Any]) -> None:
    """Log, once a process, that who sets up a factor now will not be able to log in: nothing takes the second step."""
    app, realm = tessera.runtime.shared.app, tessera.realm
    states = states_of(app)
    if realm in states.told_of_second_step or realm in states.second_step_pages:
        return
    states.told_of_second_step.add(realm)
    found = [each for each in map(description_of, app.view_functions.values()) if each and each.realm == realm]
    if not any(each.row.name == "second_factor" for each in found):
        _log.error(
            "somebody sets up a second factor, and no route takes it at the next login: register"
            ' blueprint("second-factor", …) too'
        )


def next_step_of(tessera: Tessera[Any], ticket: str) -> dict[str, Any]:
    """The next step once more, for a page that is shown again; no use of the ticket is taken.

    Raises:
        TicketInvalidError: the ticket is over; the login begins anew.
    """
    runtime = tessera.runtime
    user_id = _look(runtime, ticket).user_id
    return _next_step(runtime, user_id, ticket, runtime.accounts.second_factors.names_of(user_id))


def _next_step(runtime: Runtime, user_id: str, ticket: str, factors: tuple[str, ...]) -> dict[str, Any]:
    next_step: dict[str, Any] = {"ticket": ticket, "expires_in": LIFETIME, "factors": list(factors)}
    if PASSKEY in factors:
        # Where it is not known any more for which site they are, other factors are left.
        with suppress(NotFoundError):
            next_step["passkey"] = runtime.accounts.passkeys.options_for(user_id)
    return next_step


def take_second_step(
    tessera: Tessera[Any], text: str, shown: Mapping[str, object], *, trust: bool
) -> tuple[TokenPair, str]:
    """Begin the session of a login whose first step a ticket stands for.

    Args:
        tessera: of the realm.
        text: the ticket.
        shown: a factor by its name, one alone.
        trust: whether none is to be asked for at this device the next time.

    Returns:
        The pair, and the text of the trusted device; empty where that was not asked for.

    Raises:
        InputError: not one factor.
        TicketInvalidError: the ticket is over; the login begins anew.
        CodeWrongError: the factor is wrong; the ticket is good still.
        ThrottledError: there were too many wrong ones.
    """
    if len(shown) != 1:
        raise InputError(f"one factor is needed, not {len(shown)}", member="totp")
    ((name, proof),) = shown.items()
    runtime = tessera.runtime
    # Before anything is looked at: what ends all sessions from now on ends this login too.
    checkpoint = runtime.shared.view.checkpoint(at=runtime.clock())
    with recording_refused_ticket(runtime, "second-factor"):
        ticket = _look(runtime, text)
    first = msgspec.convert(ticket.data, _FirstStep)
    try:
        amr = _check(tessera, ticket.user_id, name, proof, first.device)
    except CodeWrongError:
        _count_wrong(runtime, text)
        raise
    with recording_refused_ticket(runtime, "second-factor", ticket.user_id):
        runtime.tickets.redeem(text, PURPOSE)
    user = load_user(runtime.hooks, runtime.hooks.user_id_of(ticket.user_id), ticket.user_stamp)
    ways = tuple(dict.fromkeys((*first.amr, *amr, TWO)))
    pair = tessera.start_session(
        user,
        device=first.device,
        scope=UNSET if first.scope is None else first.scope,
        amr=ways,
        claims=first.claims,
        checkpoint=checkpoint,
        lifetime=first.lifetime,
    )
    return pair, _trust(tessera, pair, first.device) if trust else ""


def _look(runtime: Runtime, text: str) -> Ticket:
    """The ticket, unless there were too many wrong codes; errors as of `Tickets.look`."""
    ticket = runtime.tickets.look(text, PURPOSE)
    if _values(runtime).get(_SPENT, _name_of(text), at=runtime.clock()) is not None:
        raise TicketInvalidError("there were too many wrong codes")
    return ticket


def _count_wrong(runtime: Runtime, text: str) -> None:
    """After `TRIES` wrong codes the login begins anew, however slowly they come.

    The ticket stays as it is: of many that show one right code at once, one is let in, and the others were wrong.
    """
    at, name = runtime.clock(), _name_of(text)
    try:
        count_try(_values(runtime), name, most=TRIES - 1, window=LIFETIME, at=at)
    except ThrottledError:
        _values(runtime).put(_SPENT, name, b"", expires_at=at + LIFETIME, at=at)


def _name_of(text: str) -> bytes:
    return hashed_key("second step", text)


def _values(runtime: Runtime) -> KeyValue:
    return runtime.shared.storage.values


def _check(tessera: Tessera[Any], user_id: str, name: str, proof: object, device: Device) -> tuple[str, ...]:
    runtime, caller = tessera.runtime, tessera.client_info()
    try:
        return runtime.accounts.second_factors.check(user_id, name, proof, address=caller.ip, device_id=device.id)
    except (CredentialsError, ThrottledError) as error:
        runtime.record("second_factor_failed", user_id=user_id, reason=error.row.slug, subject=name, caller=caller)
        if isinstance(error, ThrottledError):
            raise
        send(runtime.shared.app, signals.login_failed, account=user_id, caller=caller)
        raise


def _trust(tessera: Tessera[Any], pair: TokenPair, device: Device) -> str:
    runtime, user_id = tessera.runtime, pair.issued.session.user_id

    def check() -> None:
        runtime.sessions.live_until(parse_sid(pair.session_id), user_id)

    caller = tessera.client_info()
    return runtime.accounts.trusted_devices.trust(user_id, device=device, caller=caller, check=check)
