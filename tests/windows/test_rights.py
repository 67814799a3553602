"""Rights on Windows, which has no file modes: a folder's list of who may do what, and its files' by inheritance."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from flask_tessera.server import create_app

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "nt", reason="the lists of Windows")
CAN_BE_PRIVATE = sys.version_info >= ((3, 12, 4) if sys.version_info >= (3, 12) else (3, 11, 10))
EVERYBODY = (";;;WD)", ";;;BU)", ";;;AU)")
"""Everyone, all users, whoever is logged in: as they end an entry in SDDL."""


def rights_of(path: Path) -> str:
    """The list in the Security Descriptor Definition Language."""
    import ctypes

    security = ctypes.WinDLL("advapi32")
    found, text = ctypes.c_void_p(), ctypes.c_wchar_p()
    file_object, dacl, revision = 1, 4, 1
    assert not security.GetNamedSecurityInfoW(str(path), file_object, dacl, None, None, None, None, ctypes.byref(found))
    assert security.ConvertSecurityDescriptorToStringSecurityDescriptorW(
        found, revision, dacl, ctypes.byref(text), None
    )
    return text.value


@pytest.mark.skipif(not CAN_BE_PRIVATE, reason="this Python makes no private folders on Windows")
def test_K08_a_data_folder_that_the_service_makes_is_nobody_elses(tmp_path: Path):
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    create_app(environment={}, data=str(open_to_all / "数据 1"))
    assert (open_to_all / "数据 1" / "secret-key").exists()
    rights = rights_of(open_to_all / "数据 1")
    assert rights.count("(A;OICI;FA;;;") >= 2  # what is put there inherits it
    assert not any(each in rights for each in EVERYBODY)
