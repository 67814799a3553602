"""The ready service: log in with phone and password, carry the token, on SQLite with one command."""

from .app import create_app

__all__ = ["create_app"]
