"""What all tests share: the run that its servers belong to."""

from __future__ import annotations

from .servers import run

run.join()  # before the workers of pytest-xdist start, which inherit it
