"""What befalls the processes of a `WorkerProcesses` themselves: found by name, since they are spawned."""

from __future__ import annotations

import contextlib
import json
import os
from functools import cache
from pathlib import Path

from .application import InProcess
from .tally import Tally
from .trial import Trial


def servant():
    """Carry out `(what, url, secret, argument)` on an application that is made at its first order."""
    applications = cache(InProcess)
    orders = {"answer": _answer, "fork": fork_and_go_on, "starve": _starve}

    def carry_out(order):
        what, url, secret, argument = order
        return orders[what](applications(url, secret), argument)

    return carry_out


def _answer(call, request):
    return call(*request)


def fork_and_go_on(call, children):
    """All live on at once, then the parent logs out a session that the children know."""
    kept = call("POST", "/login", "", {"user": "kept"}).body["data"]
    notes = _live_well(call)
    ended, end = os.pipe()
    said, say = os.pipe()
    for _ in range(children):
        if not os.fork():
            _be_child(call, kept, ended, end, say)
    os.close(ended)
    os.close(say)
    notes += _live_well(call)
    effective_by = call("POST", "/auth/logout", "", {"refresh_token": kept["refresh_token"]}).body["data"][
        "effective_by"
    ]
    os.write(end, json.dumps(effective_by).encode().ljust(64) * children)
    os.close(end)
    with os.fdopen(said) as lines:
        told = [json.loads(line) for line in lines]
    for _ in range(children):
        os.wait()
    missing = [] if len(told) == children else [f"{children - len(told)} children have died"]
    return [*notes, *missing, *(note for each in told for note in each)]


def _be_child(call, kept, ended, end, say):
    # Whatever goes wrong here must not go on as the parent.
    try:
        os.close(end)
        notes = _live_well(call)
        notes += [] if call("GET", "/me", kept["access_token"]).status in (200, 401) else ["the kept session"]
        effective_by = json.loads(os.read(ended, 64))
        while (reply := call("GET", "/me", kept["access_token"])).status == 200:
            if reply.sent_at >= effective_by:
                notes.append("a child accepts what its parent has ended")
                break
        os.write(say, (json.dumps(notes) + "\n").encode())
    finally:
        os._exit(0)


def _live_well(call):
    """Some whole lives of sessions; gives what was not answered as it should be."""
    notes = []
    for number in range(5):
        pair = call("POST", "/login", "", {"user": f"user-{number}"}).body["data"]
        reply = call("POST", "/auth/refresh", "", {"refresh_token": pair["refresh_token"]})
        pair = reply.body["data"] if reply.status == 200 else pair
        replies = [
            (200, reply),
            (200, call("GET", "/me", pair["access_token"])),
            (200, call("POST", "/auth/logout", pair["access_token"], {})),
            (401, call("GET", "/strict", pair["access_token"])),
        ]
        notes += [f"{each.said}, not {wanted}" for wanted, each in replies if each.status != wanted]
    return notes


def _starve(call, rounds):
    """Live so many times without a free file descriptor; gives the tally."""
    tally = Tally()
    with Trial(tally, call) as trial:
        for _ in range(rounds):
            with trial.fault():
                with call.app.app_context():
                    call.tessera.runtime.storage.close()
                with no_descriptors():
                    trial.ask()
    return tally


@contextlib.contextmanager
def no_descriptors():
    """Use up all file descriptors that this process may have."""
    import resource  # of Unix, as what lies in /proc

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(each.name) for each in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 4, before[1]))
    taken = []
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
