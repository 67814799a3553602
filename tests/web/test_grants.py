"""Roles and permissions in the forms that users have them."""

from __future__ import annotations

from enum import Enum, Flag, IntEnum, StrEnum, auto
from types import SimpleNamespace

import pytest

from flask_tessera import ConfigError
from flask_tessera.web.grants import names_granted


class Role(Enum):
    ADMIN = "admin"
    STAFF = "staff member"


class Numbered(IntEnum):
    ADMIN = 1


class Automatic(Enum):
    ADMIN = auto()


class Text(StrEnum):
    ADMIN = "admin"


class Rights(Flag):
    READ = auto()
    WRITE = auto()


class Named:
    """As a row of a table of roles."""

    def __init__(self, name):
        self.name = name


def several(*given):
    yield from given


class WithMethods:
    def role(self):
        return Role.ADMIN

    def roles(self):
        return [Named("owner"), "staff"]


FORMS = {
    "text": ("admin", {"admin"}),
    "no text": ("", {""}),
    "none": (None, set()),
    "an enum of texts": (Role.ADMIN, {"admin", "ADMIN"}),
    "a text enum": (Text.ADMIN, {"admin", "ADMIN"}),
    "an enum of numbers": (Numbered.ADMIN, {"ADMIN"}),
    "an automatic enum": (Automatic.ADMIN, {"ADMIN"}),
    "a flag": (Rights.READ, {"READ"}),
    "several flags": (Rights.READ | Rights.WRITE, {"READ", "WRITE"}),
    "no flag": (Rights(0), set()),
    "an object with a name": (Named("admin"), {"admin"}),
    "a function": (lambda: "admin", {"admin"}),
    "a function that gives several": (lambda: [Role.ADMIN, "x"], {"admin", "ADMIN", "x"}),
    "a list": (["admin", "owner"], {"admin", "owner"}),
    "a tuple": (("admin",), {"admin"}),
    "a set": ({"admin"}, {"admin"}),
    "a generator": (several("a", "b"), {"a", "b"}),
    "a list of all kinds": ([Role.STAFF, Named("n"), "t", None], {"staff member", "STAFF", "n", "t"}),
    "lists in a list": ([["a"], ("b", "c")], {"a", "b", "c"}),
    "no list": ([], set()),
}


@pytest.mark.parametrize(("value", "names"), FORMS.values(), ids=FORMS)
def test_every_form_names_what_it_means(value, names):
    assert names_granted(SimpleNamespace(role=value), "role", "roles") == names


def test_both_attributes_count_together():
    user = SimpleNamespace(role="member", roles=["admin", "owner"])
    assert names_granted(user, "role", "roles") == {"member", "admin", "owner"}
    assert names_granted(SimpleNamespace(role=None, roles=["admin"]), "role", "roles") == {"admin"}
    assert names_granted(SimpleNamespace(role="admin", roles=[]), "role", "roles") == {"admin"}


def test_methods_are_asked():
    assert names_granted(WithMethods(), "role", "roles") == {"admin", "ADMIN", "owner", "staff"}


def test_a_property_that_fails_is_not_one_that_is_absent():
    class Broken:
        role = "member"

        @property
        def roles(self):
            return self.groups

    with pytest.raises(AttributeError, match="groups"):
        names_granted(Broken(), "role", "roles")


def test_a_method_that_needs_arguments_is_a_fault_of_the_application():
    class OfTenants:
        def roles(self, tenant):
            return [tenant]

    with pytest.raises(ConfigError, match="the method roles of a user cannot be called without arguments: give text"):
        names_granted(OfTenants(), "role", "roles")


def test_a_type_error_within_a_method_stays_what_it_is():
    def roles():
        return "x" + 1

    with pytest.raises(TypeError, match="concatenate"):
        names_granted(SimpleNamespace(roles=roles), "role", "roles")


def test_a_mapping_is_asked_for_its_members():
    assert names_granted({"role": "admin", "roles": None}, "role", "roles") == {"admin"}


def test_a_mapping_is_not_asked_for_its_methods():
    with pytest.raises(ConfigError, match="neither keys nor items"):
        names_granted({"role": "admin"}, "keys", "items")


@pytest.mark.parametrize("user", [7, "anna", object(), SimpleNamespace(permissions=["x"]), {}])
def test_a_user_who_has_neither_attribute_is_a_fault_of_the_application(user):
    with pytest.raises(ConfigError, match=r"neither role nor roles: register a @tessera\.user_loader"):
        names_granted(user, "role", "roles")


@pytest.mark.parametrize(
    "value",
    [
        5,
        True,
        1.5,
        b"admin",
        {"admin": True},
        object(),
        [5],
        ["admin", 5],
        [b"admin"],
        [[["too deep", ["x"]]]],
        Named(5),
        # The class in place of a member: all of its names would be granted.
        Role,
        [Role],
        type("Editor", (), {"name": "admin"}),
    ],
)
def test_a_form_that_names_nothing_is_a_fault_of_the_application(value):
    with pytest.raises(ConfigError, match=r"which names nothing: give text, an Enum"):
        names_granted(SimpleNamespace(roles=value), "role", "roles")


def test_a_text_is_one_name_however_many_words_it_has():
    assert names_granted(SimpleNamespace(role="admin owner"), "role") == {"admin owner"}
