"""Any sequence of steps: all storages do the same, and what a simple model says."""

from __future__ import annotations

import tempfile
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import HealthCheck, assume, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from flask_tessera.errors import LoginRefusedError, SessionLimitError
from flask_tessera.services.keys import sid_text
from flask_tessera.services.revocation import RevocationView
from flask_tessera.sessions import rotation
from flask_tessera.sessions.limits import Limits
from flask_tessera.storage.from_url import open_storage
from flask_tessera.testing.contract.base import ACCESS, LEEWAY, T0, new_session
from flask_tessera.tokens.claims import Claims
from tests.servers import fresh, fresh_url, is_available

IDLE = 2000
CLOCK_LEEWAY = 30
users = st.sampled_from(["7", "8"])
spans = st.sampled_from([0, 1, LEEWAY, LEEWAY + 1, 300, ACCESS, IDLE])
limits = st.builds(Limits, st.sampled_from([0, 1, 2]), st.sampled_from([0, 1]), st.sampled_from(["evict", "refuse"]))


@dataclass
class Known:
    """What the model knows of a session."""

    user: str
    state: rotation.RotationState
    idle_until: int
    until: int
    epoch: int
    reason: str = ""


class Machine(RuleBasedStateMachine):
    """Storages of different make, one model; `drift` is what the clock is wrong by."""

    sessions = Bundle("sessions")

    @initialize()
    def begin_empty(self):
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name) / "tessera.db"
        self.schema = fresh("postgres") if is_available("postgres") else nullcontext("memory:")
        keys = filter(is_available, ("redis8", "valkey9-cluster"))
        urls = ("memory:", f"sqlite:///{path}", self.schema.__enter__(), *map(fresh_url, keys))
        self.storages = [open_storage(url) for url in urls]
        self.views = [RevocationView(storage.revocations) for storage in self.storages]
        self.time, self.drift = T0, 0
        self.known, self.epochs, self.suspended, self.tokens = {}, {}, {}, []
        # A log is born when it is first read, so that its views need not ask anybody in what follows.
        for storage in self.storages:
            storage.revocations.after(0, at=T0 - 100_000)

    def teardown(self):
        if hasattr(self, "storages"):
            for storage in self.storages:
                storage.close()
            self.folder.cleanup()
            self.schema.__exit__(None, None, None)

    @property
    def at(self):
        return self.time + self.drift

    def all_do(self, step):
        """What all storages gave, which must be the same."""
        given = []
        for storage in self.storages:
            try:
                given.append(step(storage))
            except (LoginRefusedError, SessionLimitError) as error:
                given.append(type(error))
        assert all(each == given[0] for each in given), given
        return given[0]

    def refusal(self, sid):
        known = self.known[sid]
        if known.reason:
            return known.reason
        if self.suspended.get(known.user, 0) > self.at:
            return "suspension"
        if self.epochs.get(known.user, 0) > known.epoch:
            return "kick"
        return "expiry" if self.at >= min(known.idle_until, known.until) else ""

    def end(self, sids, reason):
        for sid in sids:
            assert not self.known[sid].reason
            self.known[sid].reason = reason
            self.known[sid].idle_until = self.storages[0].sessions.find(sid).session.idle_until

    def issue(self, session):
        """An access token as it would be made for this session now."""
        exp = min(self.at + session.access_lifetime, session.until)
        if self.at < exp:
            self.tokens.append(
                Claims(
                    sub=session.user_id,
                    sid=sid_text(session.sid),
                    gen=session.gen,
                    ep=session.epoch,
                    iat=self.at,
                    exp=exp,
                )
            )

    @rule(target=sessions, user=users, device=st.sampled_from(["", "phone"]), limit=limits, life=spans)
    def log_in(self, user, device, limit, life):
        session = new_session(
            user,
            at=self.at,
            device_type=device,
            idle_until=self.at + IDLE,
            until=self.at + IDLE + life,
        )
        added = self.all_do(lambda storage: storage.sessions.add(session, limits=limit, at=self.at))
        if isinstance(added, type):
            assert added is LoginRefusedError or limit.overflow == "refuse"
            return multiple()
        for ended in added.ended:
            assert not self.refusal(ended.sid)
            self.end([ended.sid], ended.end_reason)
        written = added.session
        assert written.epoch == self.epochs.get(user, 0)
        self.known[session.sid] = Known(user, written.rotation, written.idle_until, written.until, written.epoch)
        self.issue(written)
        return session.sid

    @rule(sid=sessions, back=st.integers(-1, 3))
    def refresh(self, sid, back):
        assume(sid in self.known)
        known = self.known[sid]
        presented = max(0, known.state.gen - back)
        result = self.all_do(
            lambda storage: storage.sessions.rotate(sid, presented, at=self.at, leeway=LEEWAY, idle=IDLE)
        )
        if reason := self.refusal(sid):
            assert (result.outcome, result.reason) == ("refused", reason)
            return
        decision = rotation.decide(known.state, presented, at=self.at, leeway=LEEWAY)
        assert (result.outcome, result.session.rotation) == (decision.outcome, decision.state)
        if decision.outcome == "reuse":
            self.end([sid], "reuse")
            return
        if decision.outcome != "same":
            known.state = decision.state
            known.idle_until = max(known.idle_until, min(self.at + IDLE, known.until))
        assert result.session.idle_until == known.idle_until
        self.issue(result.session)

    @rule(sid=sessions, back=st.integers(-1, 3), word=st.sampled_from(["otp", "hwk"]))
    def step_up(self, sid, back, word):
        assume(sid in self.known)
        known = self.known[sid]
        used = max(0, known.state.gen - back)
        result = self.all_do(
            lambda storage: storage.sessions.authenticate_again(
                sid, used, (word,), at=self.at, leeway=LEEWAY, idle=IDLE
            )
        )
        if reason := self.refusal(sid):
            assert (result.outcome, result.reason) == ("refused", reason)
            return
        decision = rotation.decide_again(known.state, used, at=self.at, leeway=LEEWAY)
        assert (result.outcome, result.session.rotation) == (decision.outcome, decision.state)
        if decision.outcome == "reuse":
            self.end([sid], "reuse")
            return
        known.state = decision.state
        known.idle_until = max(known.idle_until, min(self.at + IDLE, known.until))
        assert (result.session.auth_at, result.session.idle_until) == (self.at, known.idle_until)
        assert word in result.session.amr.split()
        self.issue(result.session)

    @rule(sid=sessions, back=st.integers(-1, 3))
    def mark(self, sid, back):
        assume(sid in self.known)
        known = self.known[sid]
        used = max(0, known.state.gen - back)
        ended = self.all_do(lambda storage: storage.sessions.confirm([(sid, used)], at=self.at))
        state = None if known.reason else rotation.mark(known.state, used)
        assert [each.sid for each in ended] == ([sid] if state is None and not known.reason else [])
        if ended:
            self.end([sid], "reuse")
        elif state is not None:
            known.state = state

    @rule(sid=sessions)
    def see(self, sid):
        self.all_do(lambda storage: storage.sessions.touch([(sid, self.at)], at=self.at))

    @rule(sid=sessions, reason=st.sampled_from(["logout", "kick"]))
    def end_one(self, sid, reason):
        assume(sid in self.known)
        ended = self.all_do(lambda storage: storage.sessions.end(sid, reason, at=self.at))
        assert ended.by_this_call is not bool(self.known[sid].reason)
        if ended.by_this_call:
            self.end([sid], reason)
        assert ended.session.end_reason == self.known[sid].reason

    def end_of_user(self, user, reason, step, except_sid=b""):
        live = {sid for sid, known in self.known.items() if known.user == user and not self.refusal(sid)}
        ended = self.all_do(lambda storage: sorted(step(storage), key=lambda session: session.sid))
        assert {session.sid for session in ended} == live - {except_sid}
        self.epochs[user] = self.epochs.get(user, 0) + 1
        if except_sid in live:
            self.known[except_sid].epoch = self.epochs[user]
        self.end([session.sid for session in ended], reason)

    @rule(user=users)
    def end_all(self, user):
        self.end_of_user(user, "kick", lambda storage: storage.sessions.end_user("", user, "kick", at=self.at))

    @rule(sid=sessions, user=users)
    def end_others(self, sid, user):
        self.end_of_user(
            user,
            "logout",
            lambda storage: storage.sessions.end_user("", user, "logout", at=self.at, except_sid=sid),
            except_sid=sid,
        )

    @rule(user=users, span=spans)
    def suspend(self, user, span):
        until = self.at + span
        self.end_of_user(
            user, "suspension", lambda storage: storage.sessions.suspend("", user, until=until, at=self.at)
        )
        self.suspended[user] = max(until, self.suspended.get(user, 0))

    @rule(user=users)
    def unsuspend(self, user):
        self.all_do(lambda storage: storage.sessions.unsuspend("", user, at=self.at))
        self.suspended[user] = 0

    @rule(span=spans)
    def wait(self, span):
        self.time += span

    @rule(drift=st.sampled_from([0, -30, 30, -86_400, 10 * 365 * 86_400]))
    def step_the_clock(self, drift):
        self.drift = drift

    @rule()
    def purge(self):
        # As services.purging sees to it: not by a clock that is far off.
        dead = [sid for sid, known in self.known.items() if known.idle_until <= self.time]
        assert self.all_do(lambda storage: storage.sessions.purge(at=self.time, most=100)) == len(dead)
        self.all_do(lambda storage: storage.revocations.drop_expired(at=self.time, most=100, is_sure=True) * 0)
        for sid in dead:
            assert self.all_do(lambda storage, sid=sid: storage.sessions.find(sid)) is None
            del self.known[sid]

    @invariant()
    def no_token_of_a_session_that_is_over_is_accepted(self):
        if not hasattr(self, "views"):
            return
        for view in self.views:
            # What the thread of a worker does where requests do not.
            view.catch_up(self.at)
        for claims in self.tokens:
            if claims.iat > self.at + CLOCK_LEEWAY or self.at >= claims.exp:
                continue
            said = [view.refusal(claims, at=self.at) for view in self.views]
            assert said == said[:1] * len(said)
            by_sid = {sid_text(sid): sid for sid in self.known}
            reason = self.known[by_sid[claims.sid]].reason if claims.sid in by_sid else ""
            if reason and claims.iat > self.views[0].created_at:
                assert said[0], f"a token of a session that is over ({reason}) is accepted"
            elif claims.sid in by_sid and not self.refusal(by_sid[claims.sid]):
                assert not said[0], f"a token of a live session is refused: {said[0]}"

    @invariant()
    def all_list_the_same_live_sessions(self):
        if not hasattr(self, "storages"):
            return
        for user in ("7", "8"):
            listed = self.all_do(lambda storage, user=user: storage.sessions.list("", user, at=self.at))
            live = [sid for sid, known in self.known.items() if known.user == user and not self.refusal(sid)]
            assert [session.sid for session in listed] == sorted(live)
            principal = self.all_do(lambda storage, user=user: storage.sessions.principal("", user))
            assert principal.epoch == self.epochs.get(user, 0)


TestMachine = Machine.TestCase
TestMachine.settings = settings(
    max_examples=settings.default.max_examples // 4,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
