"""Connections to schemas on the PostgreSQL server that the run shares."""

from __future__ import annotations

import psycopg


def execute(url, *statements):
    """Execute statements on a connection of one's own, as another program; gives the rows of the last."""
    with psycopg.connect(url.partition("?")[0], autocommit=True) as connection:
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def connect(url):
    """A connection of one's own, in the schema of a URL of ours."""
    address, _, schema = url.partition("?schema=")
    connection = psycopg.connect(address, autocommit=True)
    connection.execute(f"SET search_path TO {schema or 'tessera'}")
    return connection
