"""What a storage has lost and a worker still knows is written again.

A Redis that keeps snapshots only, as it does by default, is up to an hour older after a crash; so is any storage that
was put back from a backup. Revocations of that time are gone, while the sessions they ended live on. Each worker holds
the open ones in memory: whoever finds the log behind what it has read ends those sessions again, and those API keys,
raises the epochs, and appends the entries. What no worker knows any more cannot be told from what never was; for tokens
from before, the storage is asked about the session, as after a lost log.
"""

from __future__ import annotations

import logging
from itertools import islice
from typing import TYPE_CHECKING, Final

from ..sessions.model import Principal
from ..storage.model import Page
from .api_keys import revoke_again

if TYPE_CHECKING:
    from ..sessions.revocations import Revocation
    from ..storage.engine import Storage

_CHUNK: Final = 200
"""Revocations that are written at once, so that a worker reads on in between."""
_log = logging.getLogger("flask_tessera")


def write_again(storage: Storage, lost: dict[Revocation, None], *, at: int) -> None:
    """Write some of the revocations that a storage has lost, and take them out of `lost`.

    The entry of the log comes last: where this process dies before, another worker finds it missing.

    Args:
        storage: that has lost them.
        lost: what a worker knows of them, in order.
        at: now, Unix seconds.

    Raises:
        StorageUnavailableError: what was not written is still in `lost`.
    """
    chunk = list(islice(lost, _CHUNK))
    # Of an intent nobody knows whether it was carried out: it is announced again.
    over = [entry for entry in chunk if not entry.is_intent]
    for entry in over:
        if entry.sid:
            storage.sessions.end(entry.sid, entry.reason, at=at)
            # The id of an API key looks like that of a session.
            revoke_again(storage.values, entry)
    principals = tuple(Principal(each.realm, each.user_id, each.epoch) for each in over if not each.sid)
    if principals:
        storage.records.write(Page(principals=principals), at=at)
    storage.revocations.append(chunk, at=at)
    for entry in chunk:
        del lost[entry]
    _log.warning(
        "the storage has gone back in time: %d revocations were written again, %d to go", len(chunk), len(lost)
    )
