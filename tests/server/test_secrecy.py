"""What the service holds is shown without its secrets."""

from __future__ import annotations

import socket
from pathlib import Path

from flask_tessera.server.environment import ServiceSettings
from flask_tessera.server.users.user import User


def test_K08_settings_show_no_configuration():
    assert "hunter2" not in repr(ServiceSettings({"SECRET_KEY": "hunter2"}, Path("users.db"), is_in_folder=True))


def test_K08_a_user_shows_no_password_hash():
    user = User(1, "13800138000", "$argon2id$hunter2", "Li", "", "", 0, "", False)
    assert "hunter2" not in repr(user)
    assert "13800138000" in repr(user)


def test_Q03_the_service_logs_no_query(serve):
    server = serve()
    ticket = "tst_" + "A" * 58
    statuses = [
        server.call(method, f"{path}?ticket={ticket}").status
        for path in ("/auth/me", "/user/detail", "/nowhere", "/", "/healthz")
        for method in ("GET", "POST", "HEAD", "BREW")
    ]
    assert len(statuses) == 20
    with socket.create_connection((server.host, server.port), timeout=60) as broken:
        broken.sendall(f"GET /auth/me?ticket={ticket} HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n".encode())
        assert broken.recv(12) == b"HTTP/1.1 400"
    _, log = server.stop()
    assert "tst_" not in log
    assert "tst_" not in "".join(server.printed)
