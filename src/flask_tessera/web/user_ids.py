"""A user, or the id of one, to the text that names them in tokens and records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Callable

_NOTHING: Final = object()


def id_of(user: Any, user_id_type: Callable[[str], Any] = str) -> str:
    """The text form of a user's id.

    Args:
        user: an object with `get_id()` or `id`, or a plain id: text, a whole number, a UUID, or what `user_id_type`
            makes.
        user_id_type: makes the application's user id of the text; its `str()` gives the text back.

    Raises:
        ValueError: `user` is None, or has no id, or one that `user_id_type` would not give back.
    """
    plain = user.get_id() if hasattr(user, "get_id") else getattr(user, "id", user)
    text = "" if plain is None or isinstance(plain, bool) else str(plain)
    if text == "None" and plain is not user:
        raise ValueError("this user object has no id yet: flush or commit it before the login")
    if not text or not (isinstance(plain, str | int | UUID) or _converted(text, user_id_type) == plain):
        raise ValueError(
            f"a user object with get_id() or id, or a plain user id is needed, not {type(user).__name__}"
            "; ids other than text, whole numbers and UUIDs need Tessera(user_id_type=…)"
        )
    if str(_converted(text, user_id_type)) != text:
        raise ValueError(
            f"the user id {text!r} is not what Tessera(user_id_type=…) makes of it, so nobody could log in by it"
        )
    return text


def _converted(text: str, user_id_type: Callable[[str], Any]) -> Any:
    """What `user_id_type` makes of `text`; something that equals nothing where it cannot."""
    try:
        return user_id_type(text)
    except Exception:  # noqa: BLE001 - converters raise what they like, e.g. bson's InvalidId
        return _NOTHING
