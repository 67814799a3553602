"""Statements of another program on the server of a URL of ours."""

from __future__ import annotations

from contextlib import closing
from urllib.parse import urlsplit

import pymysql


def connect(url, **options):
    """A connection of one's own."""
    place = urlsplit(url)
    return pymysql.connect(
        host=place.hostname, port=place.port, user=place.username, database=place.path[1:], ssl_disabled=True, **options
    )


def execute(url, *statements):
    """Execute statements, each committed; gives the rows of the last."""
    with closing(connect(url, autocommit=True)) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return list(cursor.fetchall())


def others(url):
    """The numbers of all other connections to that database."""
    return [
        number
        for (number,) in execute(
            url, "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()"
        )
    ]


def end_others(url):
    """End them, as `wait_timeout` does."""
    for number in others(url):
        execute(url, f"KILL {number}")
