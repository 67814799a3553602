"""The benchmarks run, and judge as they say; how fast anything is, is not tested here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks import plot
from benchmarks.results import Goal, Result, ratio_goal
from benchmarks.timing import Contestant, Timing, compare

ROOT = Path(__file__).resolve().parent.parent
NAMES = ["P1", "P2", "P3", "P4", "P6", "P7", "P8", "P9", "P10", "P11", "endings"]


def start(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *map(str, arguments)]
    return subprocess.run(command, check=False, cwd=ROOT, text=True, capture_output=True)


@pytest.fixture(scope="module")
def short_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """What the short form printed, and the folder of its files."""
    folder = tmp_path_factory.mktemp("benchmarks") / "results"
    done = start("--short", "--folder", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, folder


@pytest.mark.parametrize("name", NAMES)
def test_the_short_form_runs_every_benchmark_and_writes_its_figures(short_run: tuple[str, Path], name: str):
    printed, folder = short_run
    result = json.loads((folder / "short.json").read_text("utf-8"))["results"][name]

    assert f"\n{name}  {result['title']}\n" in printed
    assert result["rows"]
    assert {goal["verdict"] for goal in result["goals"]} <= {"met", "MISSED", "not measured"}


def test_the_plot_of_a_run_shows_every_goal(short_run: tuple[str, Path]):
    _, folder = short_run
    results = json.loads((folder / "short.json").read_text("utf-8"))["results"]
    goals = [f"{name} {goal['what']}" for name, result in results.items() for goal in result["goals"]]

    texts = [element.text for element in ET.parse(folder / "short.svg").iter() if element.text]

    assert set(goals) <= set(texts)


def test_git_overlooks_the_results(short_run: tuple[str, Path]):
    assert (short_run[1] / ".gitignore").read_text("ascii") == "*\n"


def test_a_benchmark_that_does_not_exist_is_named_with_those_that_do():
    done = start("P99")

    assert done.returncode == 2
    assert f"there is no benchmark P99; there are {', '.join(NAMES)}" in done.stderr


@pytest.mark.parametrize(
    ("goal", "verdict"),
    [
        (Goal("faster", 12, at_least=True, median=12.0), "met"),
        (Goal("faster", 12, at_least=True, median=11.99), "MISSED"),
        (Goal("near the floor", 1.6, at_least=False, median=1.6), "met"),
        (Goal("near the floor", 1.6, at_least=False, median=1.61), "MISSED"),
        (Goal("faster than a peer that is not installed", 12, at_least=True, median=None), "not measured"),
    ],
)
def test_a_goal_is_judged_by_the_median_and_its_limit_is_within(goal: Goal, verdict: str):
    assert goal.verdict == verdict


def test_a_goal_whose_minima_say_otherwise_is_disputed():
    assert Goal("faster", 12, at_least=True, median=12.5, minimum=11.5).is_disputed
    assert not Goal("faster", 12, at_least=True, median=12.5, minimum=13.0).is_disputed


def test_a_ratio_is_taken_of_medians_and_of_minima():
    goal = ratio_goal("theirs ÷ ours", Timing((40.0, 60.0, 90.0)), Timing((4.0, 5.0, 9.0)), 11)

    assert (goal.median, goal.minimum, goal.verdict) == (12.0, 10.0, "met")


def test_a_ratio_with_a_peer_that_is_missing_is_not_measured():
    assert ratio_goal("theirs ÷ ours", None, Timing((4.0,)), 11).verdict == "not measured"


def test_what_is_added_is_the_difference_round_by_round():
    assert Timing((30.0, 42.0)).minus(Timing((20.0, 30.0))).values == (10.0, 12.0)


def test_everybody_has_as_many_turns_as_there_are_rounds():
    calls: dict[str, list[int]] = {"ours": [], "theirs": []}

    timings = compare([Contestant(name, done.append, [1, 2]) for name, done in calls.items()], rounds=5, block=1)

    assert [len(timing.values) for timing in timings.values()] == [5, 5]
    assert all(set(done) == {1, 2} for done in calls.values())


def test_a_plot_of_hostile_names_is_still_xml():
    result = Result("P0", "", (), [], [Goal('<&"', 1, at_least=True, median=2.0)])

    assert ET.fromstring(plot.draw([result])).tag == f"{{{plot.NAMESPACE}}}svg"
