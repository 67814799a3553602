"""A user of the service."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class User:
    """A person who may log in.

    `phone` names the account: a Chinese number without its calling code, one of another country with it, or of who has
    none, the e-mail address. `password_hash` is empty for who has no password, `email` for who has no address. `scope`
    is what logins may do, separated by spaces.
    """

    id: int
    phone: str
    password_hash: str = field(repr=False)
    name: str
    head_portrait: str
    intro: str
    level: int
    role: str
    disabled: bool
    scope: str = ""
    email: str = ""

    def to_dict(self) -> dict[str, Any]:
        """What the person is shown of it, as the tutorial has it."""
        return {
            "phone": "" if "@" in self.phone else self.phone,
            "name": self.name,
            "head_portrait": self.head_portrait,
            "intro": self.intro,
            "level": self.level,
        }

    def to_view(self) -> dict[str, Any]:
        """The same with what the tutorial does not have."""
        return {**self.to_dict(), "email": self.email}
