"""POST /bind: another phone number or e-mail address for the current user, for a code that was received there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from ...accounts.recipients import parse_recipient
from ..binding import bind_recipient
from ..request_auth import auth_of
from ..session_owner import fresh_owner_of_request
from .me import shown_user
from .row import Endpoint

if TYPE_CHECKING:
    from ..extension import Tessera


class BindRequest(msgspec.Struct, frozen=True):
    """Body of the request: a phone number or an e-mail address, and the code of purpose `bind` that was sent there."""

    recipient: str
    code: str


def bind(tessera: Tessera[Any], body: BindRequest) -> msgspec.Raw:
    """Change one's phone number or e-mail address; needs a fresh login. Gives the user as he is now.

    Raises:
        CodeWrongError: the code is wrong, used or expired.
        AlreadyExistsError: somebody else has this recipient.
    """
    identity, recipient = fresh_owner_of_request(tessera), parse_recipient(body.recipient)
    services, user = tessera.runtime.accounts, auth_of(tessera.realm).load_user()
    with services.factor_limit.attempt(str(identity.user_id), address=tessera.client_info().ip):
        services.codes.use("bind", recipient, body.code)
    return shown_user(tessera, bind_recipient(tessera, user, recipient))


ROWS: Final = (
    Endpoint(
        "bind",
        "POST",
        "/bind",
        bind,
        request=BindRequest,
        response=Any,
        errors=(
            *("phone_malformed", "email_malformed", "step_up_required", "code_wrong", "already_exists"),
            *("too_many_requests", "user_gone"),
        ),
        is_guarded=True,
        needs="bind",
    ),
)
