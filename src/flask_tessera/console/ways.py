"""What people can do on the pages: it depends on what the application has, and who looks, on what he has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import NotFoundError
from ..services.second_factors import PASSKEY, TOTP
from ..web.logins import passwords_of
from ..web.passkey_site import relying_party
from ..web.request_auth import auth_of

if TYPE_CHECKING:
    from ..web.runtime import Runtime
    from .console import Console

PASSWORD, CODE = "password", "code"


class Ways(NamedTuple):
    """Ways to an account, each of which has a page: `link` where messages can carry links, and so on."""

    code: bool
    link: bool
    passkey: bool
    register: bool


def ways_of(console: Console) -> Ways:
    """Those of the application."""
    runtime = console.tessera.runtime
    users = runtime.accounts.users
    sends = users is not None and runtime.accounts.sending is not None
    return Ways(
        code=sends,
        link=sends and bool(runtime.settings.PUBLIC_URL),
        passkey=users is not None and takes_passkeys(runtime),
        register=sends and users is not None and users.has("create"),
    )


def takes_passkeys(runtime: Runtime) -> bool:
    """Whether it is known for which site passkeys would be."""
    try:
        relying_party(runtime.settings)
    except NotFoundError:
        return False
    return True


def proofs_of(console: Console) -> tuple[str, ...]:
    """By what who is signed in can prove again who he is: of "password", "totp", "passkey", "code"."""
    runtime, auth = console.tessera.runtime, auth_of(console.tessera.realm)
    user = auth.load_user()
    found = [PASSWORD] if has_password(console, user) else []
    names = runtime.accounts.second_factors.names_of(str(auth.identity.user_id))
    found += [name for name in (TOTP, PASSKEY) if name in names and (name == TOTP or takes_passkeys(runtime))]
    return (*found, CODE) if recipients_of(console, user) else tuple(found)


def recipients_of(console: Console, user: Any) -> tuple[str, ...]:
    """Where a code can be sent to this user, as people type it; empty where the application sends none."""
    users = console.tessera.runtime.accounts.users
    if users is None or not ways_of(console).code or not users.has("recipients"):
        return ()
    return tuple(each.local for each in users.recipients(user))


def has_password(console: Console, user: Any) -> bool:
    """Whether the application's users have passwords that we check, and this one has one."""
    services = console.tessera.runtime.accounts
    return services.passwords is not None and passwords_of(services).has_password(user)
