"""Redis Sentinel, which watches a master and puts a replica in its place when it is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .redis import NoAnswerError, RedisServer

if TYPE_CHECKING:
    from pathlib import Path

    from .run import Owner

MASTER = "mymaster"


class Sentinel(RedisServer):
    """One Sentinel, alone its quorum, which knows the master's replicas when it has started.

    Args:
        kind: "redis8", "redis6" or "valkey9".
        folder: for its data and its log; by default one of its own, which `close` removes.
        master: the server to watch, started, as are its replicas.
        down_after: milliseconds until a silent server counts as down.
        owner: whose end is its own, in place of the calling process.
    """

    def __init__(
        self,
        kind: str,
        folder: Path | None = None,
        *,
        master: RedisServer,
        down_after: int = 500,
        owner: Owner | None = None,
    ) -> None:
        super().__init__(kind, folder, owner=owner)
        self._watched = master
        self._down_after = down_after

    @property
    def url(self) -> str:
        return f"redis+sentinel://127.0.0.1:{self.port}/{MASTER}/0"

    def master_port(self) -> int:
        """The port of the master, as clients by redis-py are told now.

        While a replica takes over, `SENTINEL GET-MASTER-ADDR-BY-NAME` names it some moments earlier.
        """
        said = self.ask("SENTINEL MASTER", MASTER)
        return int(dict(zip(said[::2], said[1::2], strict=True))["port"])

    def _command(self, port: int) -> list[str]:
        file = self.folder / "sentinel.conf"
        if not self.port:  # later, it holds what Sentinel has written into it
            file.write_text(self._configuration(port))
        return [str(self._program), str(file), "--sentinel"]

    def _configuration(self, port: int) -> str:
        lines = (
            f"port {port}",
            "bind 127.0.0.1",
            f"dir {self.folder}",
            f"sentinel monitor {MASTER} 127.0.0.1 {self._watched.port} 1",
            f"sentinel down-after-milliseconds {MASTER} {self._down_after}",
            f"sentinel failover-timeout {MASTER} 3000",
        )
        return "\n".join(lines) + "\n"

    def _is_ready(self, port: int) -> bool:
        try:
            is_ours = self.tell("INFO", port=port)["process_id"] == str(self.pid)
            answer = self.ask("SENTINEL MASTER", MASTER, port=port)
            if self.port:
                return is_ours
            expected = self._watched.tell("INFO")["connected_slaves"]
        except NoAnswerError:
            return False
        said = dict(zip(answer[::2], answer[1::2], strict=True))
        return is_ours and said["flags"] == "master" and said["num-slaves"] == expected
