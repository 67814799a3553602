"""`python -m flask_tessera.cli`, where the command `flask-tessera` is not on the path."""

from . import main

main(prog_name="flask-tessera")
