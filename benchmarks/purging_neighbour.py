"""A worker that writes while another purges: prints `Neighbour.steps` as JSON, for P8.

Its argument is the URL of the storage. Reads a line with the hexadecimal sids of some sessions, prints "ready", and
writes their last-seen times until its standard input ends.
"""

from __future__ import annotations

import contextlib
import json
import select
import sys
from pathlib import Path

from flask_tessera.storage.from_url import open_storage

from .purging import Neighbour


def main() -> None:
    """Write until told to stop."""
    # A buffered reader would hold what `select` does not see.
    with Path("/dev/stdin").open("rb", buffering=0) as orders, contextlib.closing(open_storage(sys.argv[1])) as storage:
        sids = [bytes.fromhex(text.decode()) for text in orders.readline().split()]
        neighbour = Neighbour(storage, sids)
        neighbour.step()
        print("ready", flush=True)
        while not select.select([orders], [], [], 0)[0]:
            neighbour.step()
    print(json.dumps(neighbour.steps))


if __name__ == "__main__":
    main()
