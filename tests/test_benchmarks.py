"""The benchmarks run, and judge as they say; how fast anything is, is not tested here."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from benchmarks import chart, plot
from benchmarks.chart import Axis, Chart
from benchmarks.load import Load, request
from benchmarks.results import Goal, Result, ratio_goal
from benchmarks.round_trips import counting
from benchmarks.timing import Contestant, Timing, compare
from tests.length import shortly

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
IN_PROCESS = ["P1", "P2", "P3", "P4", "P9", "P11", "alike"]
WITH_SERVERS = ["P6", "P7", "P8", "P10", "P12", "endings"]
NAMES = sorted([*IN_PROCESS, *WITH_SERVERS], key=lambda name: (name.isalpha(), len(name), name))


def start(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *map(str, arguments)]
    return subprocess.run(command, check=False, cwd=ROOT, text=True, capture_output=True)


@pytest.mark.slow
@pytest.mark.timeout(900)  # some minutes where the machine is busy
@pytest.mark.parametrize(
    "names", shortly([["P1"], IN_PROCESS, WITH_SERVERS]), ids=["one", "without servers", "with servers"]
)
def test_the_short_form_runs_every_benchmark_and_writes_its_figures(tmp_path: Path, names: list[str]):
    folder = tmp_path / "results"
    done = start("--short", "--folder", folder, *names)
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((folder / "short.json").read_text("utf-8"))["results"]

    assert list(results) == names
    for name, result in results.items():
        assert f"\n{name}  {result['title']}\n" in done.stdout
        assert result["rows"]
        assert {goal["verdict"] for goal in result["goals"]} <= {"met", "MISSED", "not measured"}
    goals = {f"{name} {goal['what']}" for name, result in results.items() for goal in result["goals"]}
    assert goals <= texts_of(folder / "short.svg")
    for name in {"P8", "P10"} & set(names):
        file = folder / f"short-{name}-1.svg"
        (found,) = results[name]["charts"]
        assert f"written: {file}" in done.stdout
        assert {found["title"], *found["curves"]} <= texts_of(file)
    assert (folder / ".gitignore").read_text("ascii") == "*\n"


def texts_of(file: Path) -> set[str]:
    return {element.text for element in ET.parse(file).iter() if element.text}


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


def test_a_chart_of_hostile_names_and_of_nothing_is_still_xml():
    axes = Axis("<&", is_logarithmic=True), Axis("&>")
    curves = {'<&"': [(0.0, 0.0), (10.0, 3.0)]}

    drawn = [chart.draw(Chart("&", *axes, found, limit=limit)) for found in (curves, {}) for limit in (None, 5.0)]

    assert {ET.fromstring(text).tag for text in drawn} == {f"{{{plot.NAMESPACE}}}svg"}


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    status = 200

    def do_GET(self):
        body = b"{}" if self.headers["Authorization"] == "Bearer good" else b"{-}"
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    request_queue_size = 64

    def handle_error(self, *arguments: object) -> None:
        """A client may leave at any time."""


@pytest.fixture
def port() -> Iterator[int]:
    """Of a web server that keeps connections."""
    with Server(("127.0.0.1", 0), Answering) as server:
        threading.Thread(target=server.serve_forever).start()
        yield server.server_port
        server.shutdown()


def test_a_round_trip_is_counted_whenever_a_client_speaks_after_its_server(port: int):
    with counting(port) as counter:
        connection = HTTPConnection("127.0.0.1", counter.port)
        for _ in range(3):
            connection.request("GET", "/")
            connection.getresponse().read()
        connection.close()

    assert counter.trips == 3


def test_a_load_counts_what_was_answered(port: int):
    done, took = Load(port, [request("/", "good"), request("/", "other")]).run(0.2)

    assert done > 0
    assert took >= 0.2


def test_a_load_takes_no_refusal_for_an_answer(port: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Answering, "status", 401)

    with pytest.raises(ValueError, match="401"):
        Load(port, [request("/", "bad")]).run(0.2)
