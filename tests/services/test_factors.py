"""Second factors: TOTP, recovery codes, trusted devices, and how often one may guess."""

from __future__ import annotations

import re
import secrets

import pytest

from flask_tessera.errors import (
    CodeWrongError,
    ConfigError,
    InputError,
    NotFoundError,
    SessionEndedError,
    StorageUnavailableError,
    ThrottledError,
)
from flask_tessera.services.at_rest import seal, unseal
from flask_tessera.services.keys import Keys
from flask_tessera.services.ports import ClientInfo
from flask_tessera.services.recovery_codes import ALPHABET
from flask_tessera.services.second_factors import PasskeyFactor
from flask_tessera.services.totp import CONFIRM_WITHIN
from flask_tessera.services.trusted_devices import MOST_DEVICES, TRUSTED_FOR
from flask_tessera.sessions.ids import tag_of
from flask_tessera.sessions.model import Device
from flask_tessera.storage.from_url import open_storage
from flask_tessera.storage.key_value import hashed_key
from flask_tessera.testing import Clock
from flask_tessera.tokens import api_key, trusted_device

from .bench import SECRET
from .factors import WRONG, code_at, factors_over, passes, set_up

OTHER_SECRET = "another secret of the tests, long enough 9876543210"
HOME, ABROAD = "203.0.113.7", "198.51.100.9"


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def storage():
    return open_storage("memory:")


@pytest.fixture
def factors(storage, clock):
    return factors_over(storage, clock)


def rows(storage, kind):
    return [value for value in storage.values.read("", most=1000).values if value.kind == kind]


def stored(storage):
    return b"".join(each.key + each.value for each in storage.values.read("", most=1000).values)


# -- TOTP --------------------------------------------------------------------------------------------------------------


def test_a_generator_counts_once_a_code_of_it_was_shown(factors, clock):
    secret, uri = factors.totp.begin("7", "ada", "Shop")
    assert uri.startswith(f"otpauth://totp/Shop:ada?secret={secret}")
    assert not factors.totp.is_active("7")
    assert not passes(lambda: factors.totp.check("7", code_at(secret, clock())))
    assert not passes(lambda: factors.totp.confirm("7", WRONG))
    codes = factors.totp.confirm("7", code_at(secret, clock()))
    assert factors.totp.is_active("7")
    assert (len(codes), factors.codes.left("7")) == (10, 10)
    assert factors.all.names_of("7") == ("totp", "recovery")
    assert factors.all.names_of("8") == ()


def test_Q06_a_code_is_good_once_and_none_from_before_it(factors, clock):
    secret, _ = set_up(factors, clock())
    earlier, now, later = (code_at(secret, clock() + each) for each in (-30, 0, 30))
    # The one by which it was confirmed is used too.
    assert not passes(lambda: factors.totp.check("7", earlier))
    assert passes(lambda: factors.totp.check("7", now))
    assert not passes(lambda: factors.totp.check("7", now))
    assert passes(lambda: factors.totp.check("7", later))
    clock.advance(30)
    assert [passes(lambda code=code: factors.totp.check("7", code)) for code in (now, later)] == [False, False]
    clock.advance(600)
    assert passes(lambda: factors.totp.check("7", code_at(secret, clock())))


def test_R06_a_used_code_stays_used_when_the_clock_steps_back(factors, clock):
    secret, _ = set_up(factors, clock())
    code = code_at(secret, clock())
    assert passes(lambda: factors.totp.check("7", code))
    clock.advance(-3600)
    assert not passes(lambda: factors.totp.check("7", code_at(secret, clock())))


def test_a_secret_waits_a_quarter_of_an_hour(factors, storage, clock):
    secret, _ = factors.totp.begin("7", "ada", "Shop")
    clock.advance(CONFIRM_WITHIN)
    assert not passes(lambda: factors.totp.confirm("7", code_at(secret, clock())))
    assert factors.all.names_of("7") == ()


def test_a_second_secret_waits_no_longer(factors, clock):
    secret, _ = set_up(factors, clock())
    other, _ = factors.totp.begin("7", "ada", "Shop")
    clock.advance(CONFIRM_WITHIN)
    assert not passes(lambda: factors.totp.confirm("7", code_at(other, clock())))
    assert passes(lambda: factors.totp.check("7", code_at(secret, clock())))


def test_to_begin_anew_leaves_the_generator_in_use(factors, clock):
    secret, old_codes = set_up(factors, clock())
    other, _ = factors.totp.begin("7", "ada", "Shop")
    assert not passes(lambda: factors.totp.check("7", code_at(other, clock())))
    assert passes(lambda: factors.totp.check("7", code_at(secret, clock())))
    factors.totp.confirm("7", code_at(other, clock() + 30))
    assert not passes(lambda: factors.totp.check("7", code_at(secret, clock() + 30)))
    assert not passes(lambda: factors.codes.use("7", old_codes[0]))
    clock.advance(60)
    assert passes(lambda: factors.totp.check("7", code_at(other, clock())))


def test_a_secret_that_was_dropped_can_not_be_confirmed_any_more(factors, clock):
    first, _ = factors.totp.begin("7", "ada", "Shop")
    second, _ = factors.totp.begin("7", "ada", "Shop")
    assert first != second
    assert not passes(lambda: factors.totp.confirm("7", code_at(first, clock())))
    assert passes(lambda: factors.totp.confirm("7", code_at(second, clock())))
    assert not passes(lambda: factors.totp.confirm("7", code_at(second, clock() + 30)))


def test_R02_the_secret_is_sealed(factors, storage, clock):
    pending, _ = factors.totp.begin("7", "ada", "Shop")
    assert pending.encode() not in stored(storage)
    secret, codes = set_up(factors, clock())
    assert secret.encode() not in stored(storage)
    for code in codes:
        assert code.encode() not in stored(storage)
        assert code.replace("-", "").encode() not in stored(storage)


def test_R02_a_sealed_secret_is_worth_nothing_in_the_place_of_another_user(factors, storage, clock):
    secret, _ = set_up(factors, clock())
    (row,) = rows(storage, "totp")
    owner = ("", "8")
    key = tag_of(*owner) + hashed_key(*owner)
    storage.values.put("totp", key, row.value, expires_at=row.expires_at, at=clock(), owner=owner)
    with pytest.raises(ConfigError, match="changed, or put in another's place"):
        factors.totp.check("8", code_at(secret, clock()))
    assert passes(lambda: factors.totp.check("7", code_at(secret, clock())))


def test_R02_recovery_codes_are_worth_nothing_in_the_place_of_another_user(factors, storage, clock):
    codes = factors.codes.renew("7")
    (row,) = rows(storage, "recovery")
    owner = ("", "8")
    key = tag_of(*owner) + hashed_key(*owner)
    storage.values.put("recovery", key, row.value, expires_at=row.expires_at, at=clock(), owner=owner)
    assert not passes(lambda: factors.codes.use("8", codes[0]))
    assert passes(lambda: factors.codes.use("7", codes[0]))


def test_K03_a_fallback_opens_what_it_sealed_and_is_needed_no_longer_then(factors, storage, clock):
    secret, codes = set_up(factors, clock())
    renewed = factors_over(storage, clock, keys=Keys.from_secret(OTHER_SECRET, fallbacks=[SECRET]))
    without = factors_over(storage, clock, keys=Keys.from_secret(OTHER_SECRET))
    with pytest.raises(ConfigError, match="SECRET_KEY_FALLBACKS"):
        without.totp.check("7", code_at(secret, clock()))
    assert passes(lambda: renewed.totp.check("7", code_at(secret, clock())))
    assert passes(lambda: without.totp.check("7", code_at(secret, clock() + 30)))
    assert not passes(lambda: without.codes.use("7", codes[0]))
    assert passes(lambda: renewed.codes.use("7", codes[0]))


def test_a_seal_holds_every_bit_and_its_place():
    ring = Keys.from_secret(SECRET).at_rest
    sealed = seal(ring, b"plain", ("", "7", "totp"), secrets.token_bytes)
    assert unseal(ring, sealed, ("", "7", "totp")) == b"plain"
    assert sealed != seal(ring, b"plain", ("", "7", "totp"), secrets.token_bytes)
    for place in (("", "8", "totp"), ("a", "7", "totp"), ("", "7", "totq"), ("", "7t", "otp"), ("7", "", "totp")):
        with pytest.raises(ConfigError):
            unseal(ring, sealed, place)
    for bit in range(8 * len(sealed)):
        changed = bytearray(sealed)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ConfigError):
            unseal(ring, bytes(changed), ("", "7", "totp"))
    for length in range(len(sealed)):
        with pytest.raises(ConfigError):
            unseal(ring, sealed[:length], ("", "7", "totp"))


def test_S09_realms_share_nothing(storage, clock):
    ours, theirs = factors_over(storage, clock), factors_over(storage, clock, realm="staff")
    secret, codes = set_up(ours, clock())
    assert theirs.all.names_of("7") == ()
    assert not passes(lambda: theirs.totp.check("7", code_at(secret, clock())))
    assert not passes(lambda: theirs.codes.use("7", codes[0]))
    theirs.all.owner_ended("7", "user_gone")
    assert ours.all.names_of("7") == ("totp", "recovery")


def test_a_storage_that_others_write_to_all_the_time_gives_up(factors, clock, monkeypatch):
    secret, codes = set_up(factors, clock())
    monkeypatch.setattr(factors.totp._values, "put", lambda *_, **__: 0)
    for call in (
        lambda: factors.totp.check("7", code_at(secret, clock())),
        lambda: factors.codes.use("7", codes[0]),
    ):
        with pytest.raises(StorageUnavailableError):
            call()


# -- Recovery codes ----------------------------------------------------------------------------------------------------


def test_codes_are_ten_of_fifty_bits_without_lookalikes(factors):
    codes = [code for _ in range(50) for code in factors.codes.renew("7")]
    assert len(ALPHABET) ** 10 == 2**50
    assert not set("iloIOLuU") & set(ALPHABET)
    for code in codes:
        assert re.fullmatch(f"[{ALPHABET}]{{5}}-[{ALPHABET}]{{5}}", code)
    assert len(set(codes)) == 500
    assert set("".join(codes)) == {*ALPHABET, "-"}


def test_Q06_a_recovery_code_is_good_once_in_any_spelling(factors, clock):
    codes = factors.codes.renew("7")
    spellings = (
        codes[0],
        codes[1].upper(),
        codes[2].replace("-", ""),
        f"  {codes[3]}\n",
        " ".join(codes[4].replace("-", "")),
        codes[5].replace("1", "l").replace("0", "O"),
        codes[6].replace("-", " - "),
    )
    for number, typed in enumerate(spellings, start=1):
        assert passes(lambda typed=typed: factors.codes.use("7", typed)), typed
        assert factors.codes.left("7") == 10 - number
        with pytest.raises((CodeWrongError, ThrottledError)):
            factors.codes.use("7", typed)
        clock.advance(86_400)


@pytest.mark.parametrize(
    "code", ["", "-", "x" * 10, "aaaaa-aaaa", "aaaaa-aaaaaa", "a" * 9 + "é", "u" * 10, None, 7, []]
)
def test_what_is_no_code_is_refused_like_a_wrong_one(factors, code):
    factors.codes.renew("7")
    with pytest.raises(CodeWrongError):
        factors.codes.use("7", code)
    assert factors.codes.left("7") == 10


def test_a_new_set_replaces_the_old_one_and_codes_belong_to_one_user(factors):
    old, other = factors.codes.renew("7"), factors.codes.renew("8")
    new = factors.codes.renew("7")
    assert not passes(lambda: factors.codes.use("7", old[0]))
    assert not passes(lambda: factors.codes.use("7", other[0]))
    assert passes(lambda: factors.codes.use("7", new[0]))
    factors.codes.remove("7")
    assert factors.codes.left("7") == 0
    assert not passes(lambda: factors.codes.use("7", new[1]))


# -- How often one may guess -------------------------------------------------------------------------------------------


def guess(factors, **place):
    return passes(lambda: factors.all.check("7", "totp", WRONG, **place))


def test_L07_five_wrong_ones_in_five_minutes_then_none_is_checked(factors, clock):
    secret, codes = set_up(factors, clock())
    for _ in range(5):
        assert not guess(factors, address=ABROAD)
    for name, proof in (("totp", code_at(secret, clock())), ("recovery", codes[0])):
        with pytest.raises(ThrottledError) as refused:
            factors.all.check("7", name, proof, address=ABROAD)
        assert 1 <= refused.value.retry_after <= 300
    assert factors.codes.left("7") == 10
    clock.advance(300)
    assert passes(lambda: factors.all.check("7", "totp", code_at(secret, clock()), address=ABROAD))


def test_L07_each_window_that_was_used_up_makes_the_next_one_twice_as_long(factors, clock):
    set_up(factors, clock())
    guesses = 0
    for _ in range(24 * 60):
        while True:
            try:
                factors.all.check("7", "totp", WRONG, address=ABROAD)
            except ThrottledError:
                break
            except CodeWrongError:
                guesses += 1
        clock.advance(60)
    assert guesses == 45


def test_L09_guesses_elsewhere_keep_the_owner_out_of_nothing(factors, clock):
    secret, _ = set_up(factors, clock())
    assert passes(lambda: factors.all.check("7", "totp", code_at(secret, clock()), address=HOME))
    clock.advance(60)
    for _ in range(20):
        assert not guess(factors, address=ABROAD)
    assert passes(lambda: factors.all.check("7", "totp", code_at(secret, clock()), address=HOME))


def test_L09_what_is_right_or_was_not_checked_does_not_count(factors, clock):
    secret, _ = set_up(factors, clock())
    for _ in range(20):
        clock.advance(30)
        assert passes(lambda: factors.all.check("7", "totp", code_at(secret, clock()), address=ABROAD))
    for _ in range(20):
        with pytest.raises(InputError), factors.limit.attempt("7", address=HOME):
            raise InputError("a storage that is away, say")
    assert passes(lambda: factors.all.check("7", "totp", code_at(secret, clock() + 30), address=HOME))


def test_the_counters_are_not_those_of_logins(storage, factors, clock):
    """Nobody fills them by wrong passwords for an account of the same name."""
    for _ in range(5):
        assert not guess(factors)
    keys = {each.key for each in rows(storage, "tries")}
    assert keys
    rate = "Rate(amount=5, seconds=300)"
    assert hashed_key("", "7", "", rate) not in keys
    assert hashed_key("\0factors\0", "7", "", rate) in keys


# -- Trusted devices ---------------------------------------------------------------------------------------------------


def test_a_device_is_trusted_for_thirty_days_by_its_user(factors, storage, clock):
    text = factors.trusted.trust("7", device=Device("phone", "d1", "Ada's phone"), caller=ClientInfo(HOME, "curl"))
    assert re.fullmatch(r"tsd_[A-Za-z0-9_-]{70}", text)
    assert factors.trusted.is_trusted("7", text)
    assert not factors.trusted.is_trusted("8", text)
    (shown,) = factors.trusted.list("7")
    assert (shown.device.name, shown.ip, shown.user_agent) == ("Ada's phone", HOME, "curl")
    assert (shown.created_at, shown.expires_at) == (clock(), clock() + TRUSTED_FOR)
    clock.advance(TRUSTED_FOR - 1)
    assert factors.trusted.is_trusted("7", text)
    clock.advance(1)
    assert not factors.trusted.is_trusted("7", text)
    assert factors.trusted.list("7") == []


def test_R02_nothing_that_is_stored_is_trusted(factors, storage):
    text = factors.trusted.trust("7")
    _, secret = trusted_device.parse(text)
    assert secret not in stored(storage)
    (row,) = rows(storage, "trusted_device")
    assert not factors.trusted.is_trusted("7", trusted_device.render(row.key[-16:], row.key[-16:] * 2))


def test_nothing_else_is_the_text_of_a_device(factors):
    text = factors.trusted.trust("7")
    device_id, secret = trusted_device.parse(text)
    changed = trusted_device.render(device_id, bytes([secret[0] ^ 1]) + secret[1:])
    key = api_key.render(device_id, secret)
    for other in ("", "tsd_", text[:-1], text + "A", text.upper(), changed, key, None, 7, b"x", [text]):
        assert not factors.trusted.is_trusted("7", other)
    with pytest.raises(ValueError, match="16 bytes"):
        trusted_device.render(b"", b"")


def users_of_one_tag():
    first: dict[bytes, str] = {}
    for number in range(100_000):
        user_id = str(number)
        other = first.setdefault(tag_of("", user_id), user_id)
        if other != user_id:
            return other, user_id
    raise AssertionError


def test_S09_a_device_of_somebody_else_is_nobody_s(factors):
    one, other = users_of_one_tag()
    text = factors.trusted.trust(one)
    (device,) = factors.trusted.list(one)
    assert not factors.trusted.is_trusted(other, text)
    for user_id in (other, "7"):
        with pytest.raises(NotFoundError):
            factors.trusted.revoke(user_id, device.device_id)
    assert factors.trusted.is_trusted(one, text)
    factors.trusted.revoke(one, device.device_id)
    assert not factors.trusted.is_trusted(one, text)
    for gone in (device.device_id, b""):
        with pytest.raises(NotFoundError):
            factors.trusted.revoke(one, gone)


def test_of_many_devices_the_oldest_goes(factors, clock):
    texts = []
    for _ in range(MOST_DEVICES + 2):
        texts.append(factors.trusted.trust("7"))
        clock.advance(1)
    trusted = [factors.trusted.is_trusted("7", each) for each in texts]
    assert trusted == [False] * 2 + [True] * MOST_DEVICES
    assert [each.created_at for each in factors.trusted.list("7")] == sorted(
        (each.created_at for each in factors.trusted.list("7")), reverse=True
    )


def test_S04_a_login_that_is_over_trusts_nothing(factors):
    def refuse():
        raise SessionEndedError("password_change")

    with pytest.raises(SessionEndedError):
        factors.trusted.trust("7", check=refuse)
    assert factors.trusted.list("7") == []


def test_nothing_from_before_a_restore_is_trusted(storage, clock):
    factors = factors_over(storage, clock, valid_from=lambda at: clock.restored)
    clock.restored = 0
    text = factors.trusted.trust("7")
    assert factors.trusted.is_trusted("7", text)
    clock.restored = clock() + 1
    assert not factors.trusted.is_trusted("7", text)
    assert factors.trusted.list("7") == []
    factors.trusted.revoke_all("7")
    assert rows(storage, "trusted_device") == []


# -- All together ------------------------------------------------------------------------------------------------------


def test_names_and_ways_of_all_factors(storage, clock):
    with_key = {"7"}

    def check(user_id, proof, *, address, device_id):
        if proof != "right":
            raise CodeWrongError
        return ("hwk", "user")

    factors = factors_over(storage, clock, passkeys=PasskeyFactor(with_key.__contains__, check))
    assert factors.all.names_of("7") == ("passkey",)
    secret, codes = set_up(factors, clock())
    assert factors.all.names_of("7") == ("totp", "passkey", "recovery")
    assert factors.all.check("7", "totp", code_at(secret, clock())) == ("otp",)
    assert factors.all.check("7", "recovery", codes[0]) == ("otp",)
    assert factors.all.check("7", "passkey", "right") == ("hwk", "user")
    for name, proof in (("passkey", "wrong"), ("password", "x"), ("", ""), ("check", None)):
        with pytest.raises(CodeWrongError):
            factors.all.check("7", name, proof)


def test_recovery_codes_alone_are_no_factor(factors):
    factors.codes.renew("7")
    assert factors.all.names_of("7") == ()


def test_without_passkeys_there_is_no_such_factor(factors, clock):
    set_up(factors, clock())
    with pytest.raises(CodeWrongError):
        factors.all.check("7", "passkey", {})


def test_the_removal_of_the_generator_ends_what_depends_on_it(storage, clock):
    factors = factors_over(storage, clock)
    set_up(factors, clock())
    text = factors.trusted.trust("7")
    factors.all.remove_totp("7")
    assert factors.all.names_of("7") == ()
    assert not factors.trusted.is_trusted("7", text)
    assert factors.codes.left("7") == 0


def test_recovery_codes_stay_while_there_is_another_factor(storage, clock):
    passkeys = PasskeyFactor(lambda user_id: True, lambda *_, **__: ("hwk",))
    factors = factors_over(storage, clock, passkeys=passkeys)
    _, codes = set_up(factors, clock())
    factors.all.remove_totp("7")
    assert factors.all.names_of("7") == ("passkey", "recovery")
    assert passes(lambda: factors.codes.use("7", codes[0]))


@pytest.mark.parametrize("reason", ["user_gone", "suspension", "password_change"])
def test_S03_S04_a_user_who_is_gone_leaves_nothing_and_any_other_end_trusts_no_device(factors, storage, clock, reason):
    set_up(factors, clock())
    factors.trusted.trust("7")
    other = factors.trusted.trust("8")
    factors.all.owner_ended("7", reason)
    left = [len(rows(storage, kind)) for kind in ("totp", "recovery", "trusted_device")]
    assert left == ([0, 0, 1] if reason == "user_gone" else [1, 1, 1])
    assert factors.trusted.list("7") == []
    assert factors.trusted.is_trusted("8", other)
