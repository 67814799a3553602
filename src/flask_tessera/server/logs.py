"""The service's log: every line on standard error is one JSON object."""

from __future__ import annotations

import datetime as dt
import json
import logging
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from flask.logging import wsgi_errors_stream

from ..web.audit import LOGGER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


class JSONFormatter(logging.Formatter):
    """One line of JSON in printable ASCII: no control character or change of direction forges a line (ASVS 16.4.1).

    Audit events are JSON already and stay as they are; anything else gets `at`, `level`, `logger`, `message`, and
    `error` with the traceback where there is one.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        if record.name == LOGGER:
            return record.getMessage()
        entry = {
            "at": dt.datetime.fromtimestamp(record.created, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return json.dumps(entry).replace("\x7f", "\\u007f")


@contextmanager
def json_logs() -> Iterator[None]:
    """Have everything that is logged, warnings of Python included, written as JSON to standard error meanwhile."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JSONFormatter())
    root = logging.getLogger()
    root.addHandler(handler)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        root.removeHandler(handler)


@contextmanager
def show_messages() -> Iterator[None]:
    """Have the messages of the sender `console:` written to standard error as people read them, meanwhile."""
    log, handler = logging.getLogger("flask_tessera.sender"), logging.StreamHandler(sys.stderr)
    log.addHandler(handler)
    log.propagate = False
    try:
        yield
    finally:
        log.propagate = True
        log.removeHandler(handler)


def show_audit_events() -> None:
    """Have audit events written to standard error; where logging is configured, that has the last word, as in Flask."""
    log = logging.getLogger(LOGGER)
    if log.level == logging.NOTSET:
        log.setLevel(logging.INFO)
    if not log.hasHandlers():
        stream: Any = wsgi_errors_stream
        log.addHandler(logging.StreamHandler(stream))
