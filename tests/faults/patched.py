"""A configuration of gunicorn that lets gevent patch Python before the application is loaded.

Its gevent workers do so themselves only after the fork: an application that is preloaded would keep locks that stop
all greenlets at once.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()
