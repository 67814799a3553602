"""Redis 8, Redis 6.2 and Valkey 9, whose program differs and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .binaries import redis_program
from .server import Server, ServerError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .run import Owner

OPTIONS = {
    "bind": "127.0.0.1",
    "save": "",
    "appendonly": "no",
    "repl-diskless-sync-delay": "0",
}


class NoAnswerError(ServerError):
    """A server does not answer, or refuses a command."""


class RedisServer(Server):
    """One server of a kind in `binaries.PROGRAMS`, which keeps its data in memory only, unless told otherwise.

    Args:
        kind: "redis8", "redis6" or "valkey9".
        folder: for its data and its log; by default one of its own, which `close` removes.
        options: of redis.conf, over `OPTIONS`; words of a value are split at spaces.
        replica_of: the server whose data it repeats; `start` returns when it has them.
        owner: whose end is its own, in place of the calling process.
    """

    def __init__(
        self,
        kind: str,
        folder: Path | None = None,
        *,
        options: Mapping[str, str] | None = None,
        replica_of: RedisServer | None = None,
        owner: Owner | None = None,
    ) -> None:
        self.name = kind
        super().__init__(folder, owner=owner)
        self.kind = kind
        self._program = redis_program(kind)
        self._options = {**OPTIONS, **(options or {})}
        if replica_of:
            self._options["replicaof"] = f"127.0.0.1 {replica_of.port}"

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def ask(self, *command: object, port: int = 0, seconds: float = 2) -> Any:
        """Send one command on a connection of its own, and return the answer as it came.

        Raises:
            NoAnswerError: It is refused, or the server does not answer within these seconds.
        """
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        port, once = port or self.port, Retry(NoBackoff(), 0)
        with redis.Redis(port=port, protocol=2, decode_responses=True, socket_timeout=seconds, retry=once) as client:
            client.response_callbacks.clear()
            try:
                return client.execute_command(*command)
            except redis.RedisError as error:
                raise NoAnswerError(f"{self.name} on port {port}: {error}") from error

    def tell(self, *command: str, port: int = 0, seconds: float = 2) -> dict[str, str]:
        """Send a command whose answer is lines of `name:value`, like INFO.

        Raises:
            NoAnswerError: It is refused, or the server does not answer within these seconds.
        """
        lines = self.ask(*command, port=port, seconds=seconds).splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def _command(self, port: int) -> list[str]:
        options = {**self._options, "port": str(port), "dir": str(self.folder)}
        words = [word for name, value in options.items() for word in (f"--{name}", *(value.split() or [""]))]
        return [str(self._program), *words]

    def _is_ready(self, port: int) -> bool:
        try:
            said = self.tell("INFO", port=port, seconds=0.5)
        except NoAnswerError:
            return False
        is_ours = said["process_id"] == str(self.pid) and said["loading"] == "0"
        return is_ours and said.get("master_link_status", "up") == "up"
