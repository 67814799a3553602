"""What a user agent tells of a device: a list of real ones, told apart by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_tessera.services.user_agents import guess

REAL = json.loads((Path(__file__).parent.parent / "data" / "user-agents.json").read_text("utf-8"))


@pytest.mark.parametrize("row", REAL, ids=lambda row: row["user_agent"][-40:])
def test_the_program_the_system_and_the_kind_of_device_are_told(row):
    told = guess(row["user_agent"])
    assert (told.program[1], told.system, told.kind) == (row["program"], row["system"], row["kind"])


def test_programs_have_their_chinese_names():
    wechat = next(row for row in REAL if row["program"] == "WeChat")
    assert guess(wechat["user_agent"]).program == ("微信", "WeChat")


@given(st.text(max_size=256))
def test_B08_any_text_is_safe(text):
    told = guess(text)
    assert told.kind in ("phone", "tablet", "computer", "other")
    assert all(len(each) <= 31 for each in told.program)
