"""What the tests of the pages share."""

from __future__ import annotations

import pytest

from tests.web.conftest import BrokenStorage

from .accounts import PagesApp, Visitor
from .sites import Browser, make


@pytest.fixture
def new_shop():
    """Makes sites with the pages: `new_shop(console={…}, TESSERA_…=…)`."""
    return make


@pytest.fixture
def shop():
    return make()


@pytest.fixture
def browser(shop):
    made = Browser(shop.app)
    assert made.sign_in().status_code == 303
    return made


@pytest.fixture
def broken_storage():
    storage = BrokenStorage()
    yield storage
    storage.is_broken = False


@pytest.fixture
def home(tmp_path):
    return PagesApp(tmp_path)


@pytest.fixture
def ada(home):
    """Somebody with an account, who is signed in."""
    home.register()
    visitor = Visitor(home).login()
    assert visitor.path == "/console/devices"
    return visitor
