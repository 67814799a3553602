"""The commands: `flask tessera …` inside any application, `flask-tessera …` for the ready service."""

from .application import tessera_commands
from .service import main

__all__ = ["main", "tessera_commands"]
