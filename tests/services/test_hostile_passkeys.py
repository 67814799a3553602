"""Hostile passkeys: whatever is sent, it is a wrong code, and costs little."""

from __future__ import annotations

import json

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_tessera.accounts.plain_cbor import end_of_item, refuse_odd_authenticator_data
from flask_tessera.errors import CodeWrongError
from flask_tessera.storage.from_url import open_storage
from tests.authenticator import AT, BE, BS, ED, UP, UV, Authenticator, SoftPasskey, attest, bytes_of, text_of

from .using_passkeys import PARTY, is_let_in, passkeys_over

EXTENSIONS = cbor2.dumps({"hmac-secret": True, "uvm": [[2, 4, 2]]})


def reference(number):
    return b"\xd8\x1d" + cbor2.dumps(number)


LAUGHS = b"\x98\x41\xd8\x1c\x82\x01\x02" + b"".join(
    b"\xd8\x1c\x82" + reference(each) + reference(each) for each in range(64)
)
"""An array of 65 pairs, each made of the one before twice (CBOR value sharing): 2 to the power of 64 values."""


@pytest.fixture
def passkeys():
    return passkeys_over(open_storage("memory:"))


@pytest.fixture
def soft(passkeys):
    """A passkey of user 7."""
    authenticator = Authenticator()
    options = passkeys.registration_options("7", "ada")
    passkeys.register("7", "phone", authenticator.make(options))
    return authenticator.made[-1]


def refuses_to_register(passkeys, make):
    """Whether a passkey is refused that `make` answers options with."""
    try:
        passkeys.register("8", "x", make(passkeys.registration_options("8", "bob")))
    except CodeWrongError:
        return not passkeys.has_any("8")
    return False


def with_member(credential, name, value):
    """The same with another member, of its response where it has it there; none at all where `value` is `...`."""
    changed = json.loads(json.dumps(credential))
    place = changed["response"] if name in changed["response"] else changed
    del place[name]
    if value is not ...:
        place[name] = value
    return changed


GARBAGE = (..., None, "", "A", "!", "é", "\ud800", "a" * 20_000, 7, True, [], {}, ["a"], {"a": 1}, "AAAA", "AA==")
MEMBERS = ("id", "type", "response", "clientDataJSON")


@pytest.mark.parametrize("value", GARBAGE, ids=repr)
def test_members_of_another_kind_are_a_wrong_code(passkeys, soft, value):
    for name in (*MEMBERS, "authenticatorData", "signature"):
        used = soft.use(passkeys.login_options())
        assert not is_let_in(passkeys, with_member(used, name, value)), name
        assert is_let_in(passkeys, used), "what is wrong uses nothing up"
    if value not in (..., ""):
        assert not is_let_in(passkeys, with_member(soft.use(passkeys.login_options()), "userHandle", value))
    for name in (*MEMBERS, "attestationObject"):
        assert refuses_to_register(
            passkeys, lambda options, name=name: with_member(Authenticator().make(options), name, value)
        )


@pytest.mark.parametrize("credential", [None, 7, "x", [], {}, {"response": {}}, b"x", {"id": "a" * 16_000}])
def test_what_is_no_credential_is_a_wrong_code(passkeys, credential):
    for call in (passkeys.verify_login, lambda sent: passkeys.verify_for("7", sent)):
        with pytest.raises(CodeWrongError):
            call(credential)
    assert refuses_to_register(passkeys, lambda options: credential)


@pytest.mark.parametrize(
    "client",
    [
        {"origin": "https://evil.example"},
        {"origin": "http://shop.example"},
        {"origin": "https://shop.example:8443"},
        {"origin": "https://shop.example.evil.example"},
        {"origin": "https://shop.example/"},
        {"origin": "HTTPS://SHOP.EXAMPLE"},
        {"origin": ["https://shop.example"]},
        {"origin": None},
        {"type": "webauthn.other"},
        {"type": None},
        {"crossOrigin": True},
        {"crossOrigin": "x"},
        {"challenge": text_of(b"x" * 56)},
        {"challenge": ""},
        {"challenge": None},
        {"challenge": 7},
        {"challenge": "\ud800"},
    ],
    ids=repr,
)
def test_client_data_of_another_page_or_purpose_is_refused(passkeys, soft, client):
    assert not is_let_in(passkeys, soft.use(passkeys.login_options(), client=client))
    assert refuses_to_register(passkeys, lambda options: Authenticator().make(options, client=client))


def test_what_was_made_is_not_used_and_what_was_used_is_not_made(passkeys, soft):
    assert not is_let_in(passkeys, soft.use(passkeys.login_options(), client={"type": "webauthn.create"}))
    kind = {"type": "webauthn.get"}
    assert refuses_to_register(passkeys, lambda options: Authenticator().make(options, client=kind))


@pytest.mark.parametrize(
    "changes",
    [
        {"rp_id": "evil.example"},
        {"rp_id": "example"},
        {"flags": UV | BE | BS},
        {"flags": UP | UV | BS},
        {"tail": b"x"},
        {"flags": UP | UV | BE | BS | ED},
        {"flags": UP | UV | BE | BS | ED, "tail": LAUGHS},
        {"flags": UP | UV | BE | BS | ED, "tail": b"\x81" * 5 + b"\x01"},
        {"flags": UP | UV | BE | BS | ED, "tail": EXTENSIONS + b"x"},
        {"flags": UP | UV | BE | BS | ED, "tail": EXTENSIONS[:-1]},
    ],
    ids=repr,
)
def test_authenticator_data_that_is_not_right_is_refused(passkeys, soft, changes):
    assert not is_let_in(passkeys, soft.use(passkeys.login_options(), **changes))
    assert refuses_to_register(passkeys, lambda options: Authenticator().make(options, **changes))


@pytest.mark.parametrize("tail", [b"", bytes(16), bytes(16) + b"\xff\xff", bytes(18) + LAUGHS, bytes(18) + b"\x5b"])
def test_an_assertion_that_says_it_holds_a_key_costs_nothing(passkeys, soft, tail):
    assert not is_let_in(passkeys, soft.use(passkeys.login_options(), flags=UP | UV | BE | BS | AT, tail=tail))


def test_extensions_that_nobody_has_asked_for_are_ignored(passkeys, soft):
    flags = UP | UV | BE | BS | ED
    assert is_let_in(passkeys, soft.use(passkeys.login_options(), flags=flags, tail=EXTENSIONS))
    assert not refuses_to_register(
        passkeys, lambda options: Authenticator().make(options, flags=flags, tail=EXTENSIONS)
    )


def test_a_signature_of_another_key_or_over_something_else_is_refused(passkeys, soft):
    other = SoftPasskey("ES256", "shop.example", soft.handle, ec.generate_private_key(ec.SECP256R1()))
    other.credential_id = soft.credential_id
    assert not is_let_in(passkeys, other.use(passkeys.login_options()))
    for signature in (b"", b"x", b"\x30" * 72, other.sign(b"x"), bytes(64), b"x" * 9000):
        assert not is_let_in(passkeys, soft.use(passkeys.login_options(), signature=signature))
    used = soft.use(passkeys.login_options())
    data = bytearray(bytes_of(used["response"]["authenticatorData"]))
    data[36] += 1
    assert not is_let_in(passkeys, with_member(used, "authenticatorData", text_of(bytes(data))))


KEYS = {
    "no map": cbor2.dumps([1, 2]),
    "nothing in it": cbor2.dumps({}),
    "members missing": cbor2.dumps({1: 2, 3: -7}),
    "a kind that there is not": cbor2.dumps({1: 99, 3: -7}),
    "an algorithm that nobody asked for": cbor2.dumps({1: 2, 3: -36, -1: 3, -2: bytes(66), -3: bytes(66)}),
    "a point that is on no curve": cbor2.dumps({1: 2, 3: -7, -1: 1, -2: b"\1" * 32, -3: b"\1" * 32}),
    "an empty point": cbor2.dumps({1: 2, 3: -7, -1: 1, -2: b"", -3: b""}),
    "texts for bytes": cbor2.dumps({1: 2, 3: -7, -1: 1, -2: "x" * 32, -3: "y" * 32}),
    "EdDSA's algorithm": cbor2.dumps({1: 2, 3: -8, -1: 1, -2: b"\1" * 32, -3: b"\1" * 32}),
    "another curve": cbor2.dumps({1: 1, 3: -8, -1: 7, -2: b"\1" * 57}),
    "RSA of 1024 bits": cbor2.dumps({1: 3, 3: -257, -1: b"\xff" * 127 + b"\x01", -2: b"\x01\x00\x01"}),
    "RSA of 65536 bits": cbor2.dumps({1: 3, 3: -257, -1: b"\xff" * 8192, -2: b"\xff" * 8191}),
    "RSA with an even exponent": cbor2.dumps({1: 3, 3: -257, -1: b"\xff" * 256, -2: b"\x02"}),
    "a key twice": b"\xa2\x01\x02\x01\x02",
    "indefinite": b"\xbf\x01\x02\xff",
    "a tag": b"\xc2\x41\x01",
    "references": LAUGHS,
    "a length without end": b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff",
    "uncompressed": b"\x04" + bytes(64),
    "nothing": b"",
    "ES256 on P-384": cbor2.dumps(
        {
            1: 2,
            3: -7,
            -1: 2,
            -2: (numbers := ec.generate_private_key(ec.SECP384R1()).public_key().public_numbers()).x.to_bytes(
                48, "big"
            ),
            -3: numbers.y.to_bytes(48, "big"),
        }
    ),
    "RS256 with the curve's algorithm": cbor2.dumps(
        {
            1: 3,
            3: -7,
            -1: rsa.generate_private_key(65537, 2048).public_key().public_numbers().n.to_bytes(256, "big"),
            -2: b"\x01\x00\x01",
        }
    ),
}


@pytest.mark.parametrize("key", KEYS)
def test_a_public_key_that_nothing_can_be_verified_with_is_not_registered(passkeys, key):
    assert refuses_to_register(passkeys, lambda options: Authenticator().make(options, key=KEYS[key]))


@pytest.mark.parametrize(
    "changes",
    [
        {"fmt": "tpm"},
        {"fmt": "apple"},
        {"fmt": "android-safetynet", "statement": {"ver": "1", "response": b"a.b.c"}},
        {"fmt": "fido-u2f", "statement": {"sig": b"x", "x5c": [b"x"]}},
        {"fmt": 7},
        {"fmt": None},
        {"fmt": "none", "statement": {"sig": b"x"}},
        {"fmt": "packed", "statement": {"alg": -7, "sig": b"x"}},
        {"fmt": "packed", "statement": {"alg": -257, "sig": b"x"}},
        {"fmt": "packed", "statement": {"alg": -7, "sig": b"x", "x5c": [b"no certificate"]}},
        {"length": 0},
        {"length": 65_535},
        {"credential_id": b""},
        {"credential_id": b"x" * 1024},
        {"told_id": b"another id than it has"},
        {"object": b""},
        {"object": b"\xa0"},
        {"object": b"\x81" * 4000},
        {"object": LAUGHS},
        {"object": cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": "text"})},
        {"object": cbor2.dumps({"fmt": "none", "attStmt": [], "authData": bytes(37)})},
        {"object": cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": bytes(37)}) + b"x"},
        {"object": cbor2.dumps(cbor2.CBORTag(55799, {}))},
        {"transports": "usb"},
        {"transports": [7]},
    ],
    ids=lambda changes: str(changes)[:60],
)
def test_an_attestation_that_is_not_right_is_refused(passkeys, changes):
    assert refuses_to_register(passkeys, lambda options: Authenticator().make(options, **changes))


def test_what_a_browser_says_of_transports_is_kept_in_bounds(passkeys):
    told = ["usb", "usb", "hybrid", "a-new-one", "X", "", "x" * 99, *(f"t{'a' * each}" for each in range(20))]
    credential = Authenticator().make(passkeys.registration_options("7", "ada"), transports=told)
    assert passkeys.register("7", "x", credential).transports[:4] == ("usb", "hybrid", "a-new-one", "t")
    assert len(passkeys.list("7")[0].transports) == 8


def test_an_id_as_long_as_may_be_is_taken(passkeys):
    credential = Authenticator().make(passkeys.registration_options("7", "ada"), credential_id=b"x" * 1023)
    assert len(passkeys.register("7", "x", credential).credential_id) == 1023


def test_a_second_passkey_over_the_first_is_refused_by_its_id(passkeys, soft):
    """Somebody who has learned of a credential id, and of its key, does not get its owner into another account."""
    options = passkeys.registration_options("8", "mallory")
    with pytest.raises(Exception, match="registered already"):
        passkeys.register("8", "x", attest(soft, options))
    assert passkeys.verify_login(soft.use(passkeys.login_options())).user_id == "7"


@given(
    st.recursive(
        st.integers(-(2**63), 2**63 - 1) | st.binary(max_size=40) | st.text(max_size=10) | st.booleans() | st.none(),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.integers() | st.text(max_size=4), inner, max_size=4)
        ),
        max_leaves=12,
    )
)
def test_the_end_of_plain_cbor_is_found(value):
    data = cbor2.dumps(value)

    def depth(each):
        inner = [*each.values()] if isinstance(each, dict) else each if isinstance(each, list) else None
        return 0 if inner is None else 1 + max(map(depth, inner), default=0)

    if depth(value) > 4 or b"\xc2" in data or b"\xc3" in data:
        return
    assert end_of_item(data + b"rest") == len(data)
    for cut in range(len(data)):
        with pytest.raises(ValueError, match="CBOR"):
            end_of_item(data[:cut])


@pytest.mark.slow
@settings(max_examples=2000)
@given(st.binary(max_size=120))
def test_of_any_bytes_the_end_is_found_or_refused(data):
    for look in (end_of_item, refuse_odd_authenticator_data):
        try:
            look(data)
        except ValueError:
            continue


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.data())
def test_an_assertion_or_attestation_in_which_a_byte_differs_is_a_wrong_code(data):
    passkeys = passkeys_over(open_storage("memory:"))
    authenticator = Authenticator()
    options = passkeys.registration_options("7", "ada")
    made = authenticator.make(options)
    name = data.draw(st.sampled_from(["clientDataJSON", "attestationObject"]))
    raw = bytearray(bytes_of(made["response"][name]))
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    try:
        passkeys.register("7", "x", with_member(made, name, text_of(bytes(raw))))
    except CodeWrongError:
        return
    # A byte that nobody signs: the model, the count, the flags, or one of a member that is not looked at.
    assert passkeys.list("7")[0].public_key == cbor2.dumps(authenticator.made[0].public_key)
    assert PARTY.id == "shop.example"
