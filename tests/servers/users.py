"""Whom a server runs as that refuses to be root."""

from __future__ import annotations

import os


def unprivileged_user() -> tuple[int, int] | None:
    """User and group to run as; `None`: the calling process is not root, and runs it as itself."""
    if os.geteuid():
        return None
    import pwd  # of Unix, where the servers are

    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid
