"""One process in which many clients log in at once: prints its memory as JSON, for P9."""

from __future__ import annotations

import argparse
import collections
import json
import re
import tempfile
import threading
from pathlib import Path

from .login_service import open_service


def main() -> None:
    """Run the storm and print resident bytes before it, at its peak, and the answers' statuses."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("slots", "clients", "attempts"):
        parser.add_argument(name, type=int)
    parser.add_argument("password_hash", help="so that nothing is hashed before the storm")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        service = open_service(
            Path(folder), slots=wanted.slots, users=wanted.clients, password_hash=wanted.password_hash
        )
        service.app.test_client().get("/healthz")
        before = resident("VmRSS")
        statuses: collections.Counter[int] = collections.Counter()

        def client(phone: str) -> None:
            statuses.update([service.log_in(phone) for _ in range(wanted.attempts)])

        threads = [threading.Thread(target=client, args=(phone,)) for phone in service.phones]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(json.dumps({"before": before, "peak": resident("VmHWM"), "statuses": statuses}))


def resident(field: str) -> int:
    """Bytes of memory, now (`VmRSS`) or at most so far (`VmHWM`); 0 where the system does not tell."""
    status = Path("/proc/self/status")
    text = status.read_text("ascii") if status.exists() else ""
    match = re.search(rf"^{field}:\s+([0-9]+) kB$", text, re.MULTILINE)
    return int(match[1]) * 1024 if match else 0


if __name__ == "__main__":
    main()
