"""Who a request of a session speaks for, where something that is his own is to be changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .credential_reading import find_credential, verify_credential
from .current import current_request_object
from .freshness import refuse_older_login
from .request_auth import auth_of, refuse_another_user
from .requirements import FRESH_SECONDS

if TYPE_CHECKING:
    from .app_state import Runtime
    from .extension import Tessera
    from .identity import Identity


def owner_of_request(tessera: Tessera[Any]) -> Identity[Any]:
    """The owner of the present session, behind a guard.

    Raises:
        UserGoneError: the user of this id is another one now.
    """
    identity: Identity[Any] = auth_of(tessera.realm).identity
    refuse_another_user(tessera.runtime, identity.user_id, identity.user_stamp)
    return identity


def fresh_owner_of_request(tessera: Tessera[Any]) -> Identity[Any]:
    """The owner, if he has just logged in, or proved again who he is (requirement S12); errors as of the above.

    Raises:
        StepUpRequiredError: he has not; a token of the old application is no login.
    """
    identity = owner_of_request(tessera)
    logged_in_at = identity.authenticated_at if identity.session_id else 0
    refuse_older_login(tessera.runtime, logged_in_at, FRESH_SECONDS)
    return identity


def look_again(runtime: Runtime) -> None:
    """Ask the storage whether the present session, behind a guard, is still good; errors as of `verify_credential`."""
    text, _ = find_credential(runtime, current_request_object())
    verify_credential(runtime, text, strict=True)
