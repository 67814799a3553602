"""The keys of a storage, seen by a client that is none of ours."""

from __future__ import annotations

import redis


class Raw:
    """The keys that begin with a prefix, by the rest of their names."""

    def __init__(self, url: str, prefix: str) -> None:
        self.client = redis.Redis.from_url(url)
        self.prefix = prefix.encode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close()

    def names(self, kind=b"*"):
        """The names of all keys of a kind.

        s of sessions, l and e of indexes of live and ended ones, p of principals, k of values, w of their owners.
        """
        pattern = self.prefix + b":{*}:" + kind + (b"" if kind == b"*" else b":*")
        return sorted(self.client.scan_iter(match=pattern, count=1000))

    def log(self, name):
        """The name of a key beside the revocation log."""
        return self.prefix + b":{log}:" + name

    def sids(self):
        return [key[-16:] for key in self.names(b"s")]
