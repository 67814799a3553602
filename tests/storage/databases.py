"""Schemas on the PostgreSQL server that the run shares."""

from __future__ import annotations

import contextlib
import secrets

import psycopg

from tests.servers import shared


def execute(url, *statements):
    """Execute statements on a connection of one's own, as another program; gives the rows of the last."""
    with psycopg.connect(url.partition("?")[0], autocommit=True) as connection:
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


@contextlib.contextmanager
def fresh_schema():
    """A URL under which there is nothing yet; quicker than a database of one's own."""
    url, name = shared("postgres").url, f"t{secrets.token_hex(8)}"
    try:
        yield f"{url}?schema={name}"
    finally:
        execute(url, f"DROP SCHEMA IF EXISTS {name} CASCADE")


def connect(url):
    """A connection of one's own, in the schema of a URL of ours."""
    address, _, schema = url.partition("?schema=")
    connection = psycopg.connect(address, autocommit=True)
    connection.execute(f"SET search_path TO {schema or 'tessera'}")
    return connection
