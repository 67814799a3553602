"""What a connection says to its server."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager


@contextmanager
def traced(connection):
    """The kinds of messages that it sends meanwhile; a round trip ends with Sync."""
    with tempfile.TemporaryFile("w+") as trace:
        connection.pgconn.trace(trace.fileno())
        sent = []
        yield sent
        connection.pgconn.untrace()
        os.fsync(trace.fileno())
        trace.seek(0)
        # Time, direction, length, kind; statements take several lines.
        rows = [line.strip().split("\t") for line in trace]
        sent += [row[3] for row in rows if len(row) > 3 and row[1] == "F"]
