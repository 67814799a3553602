"""Passkeys: made once for a session, used once for a challenge, and for this site alone, on every storage."""

from __future__ import annotations

import json
import logging

import msgspec
import pytest

from flask_tessera.errors import (
    AlreadyExistsError,
    CodeWrongError,
    InputError,
    NotFoundError,
    StorageUnavailableError,
    TokenInvalidError,
)
from flask_tessera.services.passkeys import MOST_PASSKEYS
from flask_tessera.storage.from_url import open_storage
from flask_tessera.testing import Clock, WorkerProcesses, race
from tests.authenticator import ALGORITHMS, BE, BS, UP, UV, Authenticator, attest, bytes_of, text_of
from tests.cli.stores import STORES, store_url

from .bench import SECRET
from .using_passkeys import PARTY, is_let_in, passkeys_over, registrar, user


class Site:
    """The service over memory, with a clock that goes by hand, and an authenticator."""

    def __init__(self, **how):
        self.clock = Clock()
        self.storage = open_storage("memory:")
        self.passkeys = passkeys_over(self.storage, self.clock, **how)
        self.made = []

    def register(self, user_id="7", name="phone", *, algorithm="ES256", session_id="", user_stamp="", **changes):
        """Register a new device's."""
        options = self.passkeys.registration_options(user_id, "13800138000", "Ada", session_id=session_id)
        authenticator = Authenticator(algorithm, self.made)
        credential = authenticator.make({**options, "excludeCredentials": []}, **changes)
        return self.passkeys.register(user_id, name, credential, session_id=session_id, user_stamp=user_stamp)

    @property
    def soft(self):
        """The passkey that was made last."""
        return self.made[-1]

    def make(self, options):
        """Have a new device make a passkey that is not registered yet."""
        return Authenticator(made=self.made).make({**options, "excludeCredentials": []})

    def rows(self, kind):
        return [each for each in self.storage.values.read("", most=1000).values if each.kind == kind]


@pytest.fixture
def site():
    return Site()


def refused(call, *arguments, **named):
    with pytest.raises(CodeWrongError) as caught:
        call(*arguments, **named)
    assert caught.value.row.slug == "code_wrong"
    return str(caught.value)


# -- registering -------------------------------------------------------------------------------------------------------


def test_the_options_are_what_browsers_take(site):
    site.register()
    options = site.passkeys.registration_options("7", "13800138000", "Ada")
    known = text_of(site.soft.credential_id)
    assert json.loads(json.dumps(options)) == {
        "rp": {"id": "shop.example", "name": "shop.example"},
        "user": {"id": text_of(site.soft.handle), "name": "13800138000", "displayName": "Ada"},
        "challenge": options["challenge"],
        "pubKeyCredParams": [{"type": "public-key", "alg": alg} for alg in (-7, -8, -257)],
        "excludeCredentials": [{"type": "public-key", "id": known, "transports": ["internal", "hybrid"]}],
        "authenticatorSelection": {
            "residentKey": "preferred",
            "requireResidentKey": False,
            "userVerification": "preferred",
        },
        "timeout": 300_000,
        "attestation": "none",
    }
    assert len(bytes_of(options["challenge"])) == 32


def test_a_user_handle_is_random_and_one_for_all_passkeys_of_a_user(site):
    """WebAuthn §14.6.1: nothing of a person, who may be a phone number to the application."""
    first, second, other = (site.register(user_id) for user_id in ("13800138000", "13800138000", "8"))
    assert len(first.handle) == 64
    assert first.handle == second.handle != other.handle
    again = Site()
    assert again.register("13800138000").handle != first.handle


def test_names_are_cut_to_what_every_authenticator_keeps(site):
    options = site.passkeys.registration_options("7", "王" * 40, "")
    assert options["user"]["name"] == options["user"]["displayName"] == "王" * 21


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("fmt", ["none", "packed"])
def test_what_is_registered_logs_in(site, algorithm, fmt):
    passkey = site.register("7", " phone ", algorithm=algorithm, fmt=fmt, user_stamp="stamp")
    assert (passkey.user_id, passkey.name, passkey.created_at, passkey.last_used_at) == ("7", "phone", site.clock(), 0)
    assert (passkey.transports, passkey.may_be_backed_up, passkey.is_backed_up) == (("internal", "hybrid"), True, True)
    assert passkey.aaguid == "00000000-0000-0000-0000-000000000000"
    assert site.passkeys.list("7") == [passkey]
    site.clock.advance(100)
    login = site.passkeys.verify_login(site.soft.use(site.passkeys.login_options()))
    assert login == ("7", True, "stamp")
    (used,) = site.passkeys.list("7")
    assert used == msgspec.structs.replace(passkey, last_used_at=site.clock())


def test_R02_nothing_that_is_stored_could_be_presented(site):
    site.register()
    (row,) = site.rows("passkey")
    private = site.soft.key.private_numbers().private_value.to_bytes(32, "big")
    assert private not in row.value
    assert text_of(private).encode() not in row.value


def test_a_challenge_is_good_once_and_for_its_user_and_session(site):
    options = site.passkeys.registration_options("7", "ada", session_id="a")
    credential = site.make(options)
    for user_id, session_id in (("7", "b"), ("8", "a"), ("8", "b")):
        refused(site.passkeys.register, user_id, "x", credential, session_id=session_id)
        site.passkeys.registration_options(user_id, "ada", session_id=session_id)
        refused(site.passkeys.register, user_id, "x", credential, session_id=session_id)
    assert site.passkeys.register("7", "x", credential, session_id="a")
    refused(site.passkeys.register, "7", "x", credential, session_id="a")


def test_a_challenge_is_gone_after_five_minutes_and_with_the_next_one(site):
    options = site.passkeys.registration_options("7", "ada")
    credential = site.make(options)
    site.clock.advance(300)
    refused(site.passkeys.register, "7", "x", credential)
    early = site.make(site.passkeys.registration_options("7", "ada"))
    late = site.make(site.passkeys.registration_options("7", "ada"))
    refused(site.passkeys.register, "7", "x", early)
    refused(site.passkeys.register, "7", "x", late), "a wrong one has used it up"


def test_asking_for_options_many_times_keeps_one_challenge_for_each_session(site):
    for session_id in ("a", "b", "a", "b"):
        site.passkeys.registration_options("7", "ada", session_id=session_id)
    assert len(site.rows("passkey_challenge")) == 2


def test_a_passkey_that_there_is_already_is_refused_whoever_has_it(site):
    site.register()
    for user_id in ("7", "8"):
        options = site.passkeys.registration_options(user_id, "ada")
        with pytest.raises(AlreadyExistsError):
            site.passkeys.register(user_id, "x", attest(site.soft, options))
    assert site.passkeys.list("8") == []
    (passkey,) = site.passkeys.list("7")
    # Once it is removed, its owner may register it again.
    site.passkeys.remove("7", passkey.passkey_id)
    site.passkeys.register("8", "x", attest(site.soft, site.passkeys.registration_options("8", "ada")))


def test_a_user_has_at_most_20(site):
    for number in range(MOST_PASSKEYS - 1):
        site.register(name=f"key {number}")
    options = [site.passkeys.registration_options("7", "ada", session_id=name) for name in "ab"]
    first, second = (Authenticator().make(each) for each in options)
    site.passkeys.register("7", "the last", first, session_id="a")
    with pytest.raises(InputError):
        site.passkeys.register("7", "one too many", second, session_id="b")
    with pytest.raises(InputError):
        site.passkeys.registration_options("7", "ada")
    assert len(site.passkeys.list("7")) == len(site.rows("passkey_owner")) == MOST_PASSKEYS
    site.register("8")


def test_what_is_registered_while_its_owner_ends_is_taken_back(site):
    def ended():
        raise TokenInvalidError

    credential = site.make(site.passkeys.registration_options("7", "ada"))
    with pytest.raises(TokenInvalidError):
        site.passkeys.register("7", "x", credential, check=ended)
    assert site.rows("passkey") == site.rows("passkey_owner") == []


@pytest.mark.parametrize("name", ["", "  ", "x" * 129, "a\nb", "\ud800"])
def test_what_is_no_name_is_refused_and_uses_nothing_up(site, name):
    credential = site.make(site.passkeys.registration_options("7", "ada"))
    with pytest.raises(InputError) as caught:
        site.passkeys.register("7", name, credential)
    assert caught.value.member == "name"
    assert site.passkeys.register("7", "x" * 128, credential)


# -- using -------------------------------------------------------------------------------------------------------------


def test_the_options_of_a_login_name_nobody_and_keep_nothing(site):
    options = site.passkeys.login_options()
    assert options == {
        "challenge": options["challenge"],
        "rpId": "shop.example",
        "allowCredentials": [],
        "userVerification": "required",
        "timeout": 300_000,
    }
    assert site.passkeys.login_options()["challenge"] != options["challenge"]
    assert site.storage.values.read("", most=10).values == ()


def test_the_options_of_a_known_user_name_his_passkeys(site):
    site.register()
    site.register("8")
    options = site.passkeys.options_for("7")
    (descriptor,) = options["allowCredentials"]
    assert descriptor["id"] == text_of(site.made[0].credential_id)
    assert options["userVerification"] == "preferred"


def test_an_assertion_is_good_once(site):
    site.register()
    credential = site.soft.use(site.passkeys.login_options())
    assert is_let_in(site.passkeys, credential)
    assert not is_let_in(site.passkeys, credential)


def test_another_assertion_for_a_challenge_that_was_answered_is_refused(site):
    site.register()
    options = site.passkeys.login_options()
    assert is_let_in(site.passkeys, site.soft.use(options))
    assert not is_let_in(site.passkeys, site.soft.use(options))
    refused(site.passkeys.verify_for, "7", site.soft.use(options))


def test_a_challenge_lives_for_five_minutes(site):
    site.register()
    first, second = (site.passkeys.login_options() for _ in range(2))
    site.clock.advance(299)
    assert is_let_in(site.passkeys, site.soft.use(first))
    site.clock.advance(1)
    assert not is_let_in(site.passkeys, site.soft.use(second))
    # What was answered is kept until nobody takes it any more.
    site.clock.advance(-100)
    assert not is_let_in(site.passkeys, site.soft.use(first))
    early = site.passkeys.login_options()
    site.clock.advance(-31)
    assert not is_let_in(site.passkeys, site.soft.use(early)), "from the future"


def test_a_challenge_of_another_realm_secret_or_time_is_not_ours(site):
    site.register()
    foreign = passkeys_over(site.storage, site.clock, realm="staff")
    another = passkeys_over(site.storage, site.clock, secret="another secret of the tests, long enough 0123")
    for each in (foreign, another):
        assert not is_let_in(site.passkeys, site.soft.use(each.login_options()))
    rotated = passkeys_over(
        site.storage, site.clock, secret="a new secret of the tests, long enough 012345678", fallbacks=(SECRET,)
    )
    assert is_let_in(rotated, site.soft.use(site.passkeys.login_options()))
    restored = passkeys_over(site.storage, site.clock, valid_from=lambda at: at)
    options = restored.login_options()
    site.clock.advance(1)
    assert not is_let_in(restored, site.soft.use(options))
    assert is_let_in(restored, site.soft.use(restored.login_options()))


def test_a_passkey_of_another_realm_logs_nobody_in(site):
    staff = passkeys_over(site.storage, site.clock, realm="staff")
    site.register()
    refused(staff.verify_login, site.soft.use(staff.login_options()))
    refused(staff.verify_for, "7", site.soft.use(staff.options_for("7")))
    assert not staff.has_any("7")


def test_a_second_factor_need_not_verify_the_user_and_tells_whether_it_did(site):
    site.register(flags=UP)
    for changes, verified in (({"flags": UP}, False), ({"flags": UP | UV}, True)):
        credential = site.soft.use(site.passkeys.options_for("7"), **changes)
        assert site.passkeys.verify_for("7", credential) is verified
    # One that is not discoverable does not tell whose it is.
    assert not site.passkeys.verify_for("7", site.soft.use(site.passkeys.options_for("7"), handle=b"", flags=UP))
    refused(site.passkeys.verify_login, site.soft.use(site.passkeys.login_options(), flags=UP))
    assert is_let_in(site.passkeys, site.soft.use(site.passkeys.login_options(), flags=UP | UV))


def test_a_second_factor_tells_how_it_has_proved_who_it_is(site):
    site.register()
    for flags, amr in ((UP, ("hwk",)), (UP | UV, ("hwk", "user"))):
        sent = site.soft.use(site.passkeys.options_for("7"), flags=flags | BE | BS)
        assert site.passkeys.check("7", sent, address="203.0.113.9", device_id="x") == amr


def test_the_options_of_a_login_are_good_for_a_second_factor_but_not_the_reverse(site):
    site.register()
    assert site.passkeys.verify_for("7", site.soft.use(site.passkeys.login_options()))
    refused(site.passkeys.verify_login, site.soft.use(site.passkeys.options_for("7")))


def test_a_passkey_proves_its_owner_alone(site):
    site.register("7")
    mine = site.soft
    site.register("8")
    for options in (site.passkeys.options_for("7"), site.passkeys.options_for("8"), site.passkeys.login_options()):
        refused(site.passkeys.verify_for, "7", site.soft.use(options))
    refused(site.passkeys.verify_for, "7", mine.use(site.passkeys.options_for("8")))
    # The handle of somebody else beside one's own passkey, or none.
    for handle in (mine.handle, b"", b"7"):
        refused(site.passkeys.verify_login, site.soft.use(site.passkeys.login_options(), handle=handle))
    refused(site.passkeys.verify_for, "8", site.soft.use(site.passkeys.login_options(), handle=mine.handle))
    assert site.passkeys.verify_login(site.soft.use(site.passkeys.login_options())).user_id == "8"


def test_a_count_that_goes_back_is_refused_and_logged(site, caplog):
    site.register(flags=UP | UV, count=5, step=1)
    assert is_let_in(site.passkeys, site.soft.use(site.passkeys.login_options()))
    caplog.set_level(logging.WARNING, "flask_tessera")
    for count in (6, 5, 0):
        caplog.clear()
        assert not is_let_in(site.passkeys, site.soft.use(site.passkeys.login_options(), count=count))
        (record,) = caplog.records
        assert f"told {count} after 6" in record.getMessage()
    caplog.clear()
    # Whoever has no key forges no line.
    assert not is_let_in(site.passkeys, site.soft.use(site.passkeys.login_options(), count=1, signature=b"x" * 70))
    assert caplog.records == []
    assert is_let_in(site.passkeys, site.soft.use(site.passkeys.login_options(), count=7))


def test_what_is_copied_between_devices_counts_nothing(site):
    site.register()
    assert [is_let_in(site.passkeys, site.soft.use(site.passkeys.login_options())) for _ in range(3)] == [True] * 3


def test_whether_it_is_backed_up_is_kept_and_whether_it_can_be_never_changes(site):
    site.register(flags=UP | UV | BE)
    assert is_let_in(site.passkeys, site.soft.use(site.passkeys.login_options(), flags=UP | UV | BE | BS))
    assert site.passkeys.list("7")[0].is_backed_up
    assert not is_let_in(site.passkeys, site.soft.use(site.passkeys.login_options(), flags=UP | UV))
    assert not is_let_in(site.passkeys, site.soft.use(site.passkeys.login_options(), flags=UP | UV | BS))


def test_another_origin_of_the_site_may_use_it(site):
    site.register(origin=PARTY.origins[1])
    assert is_let_in(site.passkeys, site.soft.use(site.passkeys.login_options()))
    assert is_let_in(site.passkeys, site.soft.use(site.passkeys.login_options(), origin=PARTY.origins[1]))


# -- the list, and the end ---------------------------------------------------------------------------------------------


def test_the_newest_comes_first_and_what_is_removed_is_gone(site):
    first = site.register(name="first")
    site.clock.advance(10)
    second, soft = site.register(name="second"), site.soft
    assert [each.name for each in site.passkeys.list("7")] == ["second", "first"]
    assert site.passkeys.has_any("7")
    site.passkeys.remove("7", second.passkey_id)
    assert site.passkeys.list("7") == [first]
    assert not is_let_in(site.passkeys, soft.use(site.passkeys.login_options()))
    with pytest.raises(NotFoundError):
        site.passkeys.remove("7", second.passkey_id)


def test_S09_nobody_removes_what_is_somebody_else_s(site):
    passkey = site.register("7")
    for user_id in ("8", "07", ""):
        with pytest.raises(NotFoundError):
            site.passkeys.remove(user_id, passkey.passkey_id)
    assert site.passkeys.list("7") == [passkey]


def test_S03_a_user_who_is_gone_leaves_nothing(site):
    site.register("7")
    site.register("7")
    site.register("8")
    for reason in ("suspension", "password_change", "logout"):
        site.passkeys.owner_ended("7", reason)
        assert len(site.passkeys.list("7")) == 2
    site.passkeys.owner_ended("7", "user_gone")
    assert not site.passkeys.has_any("7")
    assert len(site.rows("passkey")) == len(site.rows("passkey_owner")) == 1
    assert is_let_in(site.passkeys, site.soft.use(site.passkeys.login_options()))


def test_what_another_release_has_written_is_no_error_of_the_user(site):
    site.register()
    (row,) = site.rows("passkey")
    site.storage.values.put("passkey", row.key, b"{}", expires_at=row.expires_at, at=site.clock(), owner=("", "7"))
    for call in (site.passkeys.has_any, site.passkeys.options_for):
        with pytest.raises(StorageUnavailableError):
            call("7")


# -- races -------------------------------------------------------------------------------------------------------------


def certain(call):
    """What `call` gives; asked again, with a new challenge, where a busy machine left the outcome unknown."""
    while True:
        try:
            return call()
        except StorageUnavailableError:
            continue


def register(passkeys, user_id="7"):
    authenticator = Authenticator()

    def once():
        options = passkeys.registration_options(user_id, "ada")
        passkeys.register(user_id, "key", authenticator.make({**options, "excludeCredentials": []}))
        return authenticator.made[-1]

    return certain(once)


@pytest.mark.repeats("kind")
@pytest.mark.parametrize("kind", STORES)
def test_of_20_parallel_uses_of_one_assertion_one_succeeds(kind, tmp_path):
    with store_url(kind, tmp_path) as url:
        storage = open_storage(url)
        try:
            storage.check()
            passkeys = passkeys_over(storage)
            soft = register(passkeys)

            def answer():
                return soft.use(passkeys.login_options())

            def of_threads():
                credential = answer()
                return sum(race(20, lambda _number: is_let_in(passkeys, credential)))

            assert certain(of_threads) == 1
            with WorkerProcesses(4, user, url) as processes:
                assert [certain(lambda: sum(processes.race((answer(), 5)))) for _ in range(3)] == [1, 1, 1]
        finally:
            storage.close()


@pytest.mark.repeats("kind")
@pytest.mark.parametrize("kind", STORES)
def test_of_20_parallel_registrations_of_one_passkey_one_succeeds(kind, tmp_path):
    """By one session several times, and by several users: it is one passkey."""
    with store_url(kind, tmp_path) as url:
        storage = open_storage(url)
        try:
            storage.check()
            passkeys = passkeys_over(storage)
            soft, handles, orders = register(passkeys, "9"), {}, []
            certain(lambda: passkeys.owner_ended("9", "user_gone"))
            for user_id in "12345":
                options = certain(lambda user_id=user_id: passkeys.registration_options(user_id, "ada"))
                handles[user_id] = bytes_of(options["user"]["id"])
                orders.append((user_id, "", attest(soft, options)))
            with WorkerProcesses(4, registrar, url) as processes:
                told = [each for answers in processes.race(orders) for each in answers]
            if None not in told:
                assert told.count(True) == 1
            owners = [user_id for user_id in "12345" if certain(lambda user_id=user_id: passkeys.has_any(user_id))]
            assert len(owners) <= 1
            if owners:
                soft.handle = handles[owners[0]]
                login = certain(lambda: passkeys.verify_login(soft.use(passkeys.login_options())))
                assert login.user_id == owners[0]
        finally:
            storage.close()


def test_in_memory_too(site):
    site.register()
    for _ in range(20):
        credential = site.soft.use(site.passkeys.login_options())
        assert sum(race(20, lambda _number, sent=credential: is_let_in(site.passkeys, sent))) == 1


def test_of_several_passkeys_that_race_for_the_last_place_at_most_one_gets_it(site):
    for number in range(MOST_PASSKEYS - 1):
        site.register(name=f"key {number}")
    sent = [
        (name, Authenticator().make(site.passkeys.registration_options("7", "ada", session_id=name)))
        for name in "abcdefgh"
    ]

    def one(number):
        try:
            site.passkeys.register("7", "x", sent[number][1], session_id=sent[number][0])
        except InputError:
            return False
        return True

    made = sum(race(len(sent), one))
    assert made <= 1
    assert len(site.passkeys.list("7")) == len(site.rows("passkey_owner")) == MOST_PASSKEYS - 1 + made
