"""Runs commands of the service one after the other on the console of this process: `python console.py CODES COMMANDS`.

COMMANDS is a list of lists of words as JSON, CODES the file that the exit codes are written to. What each command has
written ends with a NUL, on both streams.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from flask_tessera.cli import main


def code_of(words: list[str]) -> int:
    # As a new process has them: errors of the encoding are errors.
    sys.stdout.reconfigure(errors="strict")
    sys.stderr.reconfigure(errors="strict")
    try:
        main(words, prog_name="flask-tessera")
    except SystemExit as ended:
        return ended.code or 0
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            stream.buffer.write(b"\0")
            stream.buffer.flush()
    return 0


codes = [code_of(words) for words in json.loads(sys.argv[2])]
Path(sys.argv[1]).write_text(json.dumps(codes), "utf-8")
