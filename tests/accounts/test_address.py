"""Client addresses: what one person holds is one network."""

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_tessera.accounts.address import UNKNOWN, network_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("::FFFF:cb00:7107", "203.0.113.7"),
        ("0:0:0:0:0:ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("2001:0DB8:0001:0002:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::1", "::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("fe80::1%anything the client likes", "fe80::/64"),
    ],
)
def test_L08_spellings_of_one_network_are_one(address, network):
    assert network_of(address) == network


@pytest.mark.parametrize(
    "address",
    [
        *(
            "",
            "unknown",
            "localhost",
            "203.0.113.7:80",
            "[::1]",
            "203.0.113.007",
            "203.0.113.7 ",
            " ::1",
            "1.2.3.4, 5.6.7.8",
        ),
        *("256.1.1.1", "1.2.3", "16909060", "0x7f.1", "2001:db8::/64", "203.0.113.7\n", "１.2.3.4", ":::", "\ud800"),
        *(None, 1, 2**100, True, b"\x01\x02\x03\x04", b"1.2.3.4", ["1.2.3.4"], "fe80::1%" + "x" * 100, "1" * 10_000),
    ],
)
def test_L08_garbage_shares_one_bucket(address):
    assert network_of(address) == UNKNOWN


@settings(deadline=None)
@given(st.ip_addresses(v=6))
def test_L08_all_addresses_of_one_64_are_one_network(address):
    if address.ipv4_mapped:
        return
    network = ipaddress.IPv6Network(network_of(str(address)))
    assert network.prefixlen == 64
    assert address in network
    assert network_of(str(network[-1])) == str(network)


@settings(deadline=None)
@given(st.ip_addresses(v=4))
def test_L08_ipv4_and_its_mapped_form_are_one_network(address):
    assert network_of(str(address)) == network_of(f"::ffff:{address}") == str(address)


@settings(deadline=None)
@given(st.text() | st.binary() | st.integers())
def test_L08_nothing_raises(address):
    assert len(network_of(address)) <= 64
