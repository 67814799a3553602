"""What all endings have in common: they are told to the revocation log, which may lie in another slot."""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from ...errors import StorageUnavailableError
from .record import unpack_pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...sessions.record import Session
    from .homes import Homes
    from .link import Link, Step

_MOST: Final = 100
"""Entries in one script: it must not make others wait."""


def dice() -> int:
    """32 random bits, which tell entries of one number apart."""
    return secrets.randbits(32)


def tell(link: Link, step: Step, tag: bytes, untold: Sequence[Sequence[Any]], *, at: int) -> None:
    """Note what a script on the records under a tag has ended, if it could not do so itself.

    Args:
        link: to the servers.
        step: that has run the script.
        tag: where the ended sessions lie.
        untold: its entries; empty where it has noted them in the same step.
        at: now, Unix seconds.

    Raises:
        StorageUnavailableError: the log may know nothing of them; the endings hold, and ending again tells it again.
    """
    if not untold:
        return
    append(link, step, untold, at=at)
    _note_told(link, step, tag, [entry[2] for entry in untold if entry[2]])


def _note_told(link: Link, step: Step, tag: bytes, sids: Sequence[bytes]) -> None:
    # It is told; that it would be told once more does no harm.
    if sids:
        with suppress(StorageUnavailableError):
            step.run("told", [link.session_key(tag, sid) for sid in sids])


def append(link: Link, step: Step, entries: Sequence[Sequence[Any]], *, at: int) -> None:
    """Append entries (the fields of `Revocation`, in their order) to the log, at Unix second `at`.

    Raises:
        StorageUnavailableError: nobody knows how many it has.
    """
    for begin in range(0, len(entries), _MOST):
        some = entries[begin : begin + _MOST]
        step.run("tell", link.log_keys(b"meta", b"entries"), at, dice(), *[value for entry in some for value in entry])


def end_all(
    link: Link,
    homes: Homes,
    realm: str,
    user_id: str,
    reason: str,
    *,
    at: int,
    except_sid: bytes = b"",
    suspended_until: int = 0,
    keep_until: int = 0,
) -> list[Session]:
    """Raise a user's epoch at Unix second `at` and end all live sessions but `except_sid`; gives those ended.

    Its entry in the log may not be forgotten before Unix second `keep_until`.

    Raises:
        StorageUnavailableError: nobody knows whether they have ended; once more does no harm.
    """
    tag, step = homes.tag(realm, user_id), link.writing()
    keys = link.user_keys(tag, realm, user_id)
    common = (link.log_in_step, at, dice(), realm, user_id)
    if not link.log_in_step:
        # The log lies elsewhere and hears of it only afterwards: who logs in meanwhile, under the new epoch and with
        # credentials that were read before, must find that something has begun. Of epoch 0 it contradicts no token.
        append(link, step, [(keep_until, reason, b"", realm, user_id, 0, b"")], at=at)
    _, ended, untold = step.run("end_user", keys, *common, reason, except_sid, suspended_until, keep_until)
    tell(link, step, tag, untold, at=at)
    if untold:
        _note_told(link, step, tag, ended[::2])
    return unpack_pairs(ended)
