"""What an application does with tickets: issue and redeem them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic

from flask import has_request_context
from msgspec.structs import replace

from .action_base import ActionBase, User
from .http_errors import raises_http
from .request_auth import auth_of
from .ticket_reading import redeem
from .tickets import RedeemedTicket, as_issued_to, life_of, redeemed, wanted_ticket

if TYPE_CHECKING:
    import datetime as dt


class TicketActions(ActionBase[User], Generic[User]):
    """The part of `Tessera` that issues and redeems tickets."""

    @raises_http
    def issue_ticket(
        self,
        purpose: str,
        *,
        user: User | Any = None,
        data: Any = None,
        audience: str | None = None,
        expires_in: int | dt.timedelta = 60,
        uses: int = 1,
    ) -> str:
        """Make a short-lived secret that is good for one thing.

        It is bound to the session of the present request, or where that has none to its user; outside a request, and
        where nobody is logged in, it is a ticket of nobody.

        Args:
            purpose: what it is good for, 1 to 64 printable characters.
            user: binds it to this user instead, and to no session; as for `login`.
            data: what whoever redeems it gets, at most 2,048 bytes as JSON.
            audience: where it is good: a path, which begins with a slash, or a host; by default everywhere.
            expires_in: 1 to 3,600 whole seconds, or a `timedelta`.
            uses: how often it can be redeemed, 1 to 1,000.

        Raises:
            ValueError: one of these is out of range.
            TokenInvalidError: the request carries an API key, or a ticket, and `user` is not given.
            SessionEndedError: the session of the present request is over.
            LoginRefusedError: the user is suspended.
            StorageUnavailableError: nobody has a ticket.
        """
        wanted, expires_in = wanted_ticket(purpose, data=data, audience=audience, uses=uses), life_of(expires_in)
        if user is not None:
            bound: dict[str, Any] = {"user_id": self.id_of(user), "user_stamp": self.stamp_of(user)}
        else:
            bound = as_issued_to(auth_of(self.realm).identity if has_request_context() else None)
        return self.runtime.tickets.issue(replace(wanted, **bound), expires_in=expires_in)

    @raises_http
    def redeem_ticket(self, text: str, purpose: str, audience: str | None = None) -> RedeemedTicket[User]:
        """Use a ticket, once; only here and where `login_required(ticket=…)` stands is one accepted.

        Args:
            text: the ticket.
            purpose: what it must be good for.
            audience: the one that it must have; by default a ticket of an audience is good where that is the path or
                the host of the present request.

        Raises:
            TicketInvalidError: it is no ticket, used, expired, for something else, or its owner's time is over.
            UserGoneError: the loader knows no such user any more.
            StorageUnavailableError: that cannot be told; one use may be gone.
        """
        runtime = self.runtime
        return redeemed(runtime, redeem(runtime, text, purpose, audience))
