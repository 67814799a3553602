"""A user of the service."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class User:
    """A person who may log in. `phone` is as it was registered, `scope` what logins may do, separated by spaces."""

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

    def to_dict(self) -> dict[str, Any]:
        """What the person is shown of it."""
        return {
            "phone": self.phone,
            "name": self.name,
            "head_portrait": self.head_portrait,
            "intro": self.intro,
            "level": self.level,
        }
