"""Comparing with other linters: what is read from them, and what is made of the figures."""

from __future__ import annotations

import argparse
import json
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("count", "output", "findings"),
    [
        ("count_kpolicy", {"summary": {"findings": {"error": 1, "warning": 2}}}, 3),
        ("count_kube_linter", {"Reports": [{}, {}]}, 2),
        ("count_kube_linter", {"Reports": None}, 0),
        (
            "count_kube_score",
            [
                {
                    "checks": [
                        {"grade": 1, "skipped": False, "comments": [{}, {}]},
                        {"grade": 10, "skipped": False, "comments": None},
                        {"grade": 0, "skipped": True, "comments": [{}]},
                    ]
                }
            ],
            2,
        ),
        ("count_conftest", [{"failures": [{}]}, {"successes": 3}], 1),
        ("count_polaris", {"Results": [{"a": {"Success": False}, "b": {"Success": True}}]}, 1),
        ("count_checkov", {"summary": {"failed": 4}}, 4),
        ("count_checkov", [{"summary": {"failed": 4}}, {"passed": 0, "failed": 1}], 5),
    ],
)  # fmt: skip
def test_findings_are_counted_in_what_each_linter_prints(
    count: str, output: object, findings: int
) -> None:
    assert getattr(import_module("tools"), count)(json.dumps(output)) == findings


def test_kyverno_says_its_findings_in_its_last_line() -> None:
    count = import_module("tools").count_kyverno
    assert (
        count("Applying 1 policy rule(s)...\npass: 5, fail: 12, warn: 0, error: 0, skip: 0\n") == 12
    )
    with pytest.raises(ValueError):
        count("no such file")


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("0.8.3\n", "0.8.3"),
        ("Conftest: v0.63.1-dev\nOPA: 1.9.0\n", "0.63.1-dev"),
        ('{"Version":"1.2.3"}', "1.2.3"),
        ("dev\n", "of its own build"),
    ],
)
def test_a_version_is_found_in_what_a_linter_says_of_itself(text: str, version: str) -> None:
    assert import_module("tools").version_in(text).rstrip('"}') == version


def test_a_ratio_is_that_of_runs_of_one_round() -> None:
    """The second round was slow for both: by medians apart, the ratio would be 5."""
    ratio = import_module("peers").ratio
    assert ratio([[2.0], [20.0], [2.0]], [[1.0], [10.0], [1.0]]) == 2.0
    assert ratio([[8.0]], [[2.0], [4.0]]) == 4.0


@pytest.mark.parametrize(
    ("earlier", "count", "seconds"),
    [
        ([], 1_000, 0),
        ([(1, 0.5)], 1_000, 0.5),
        ([(1, 0.5), (1_000, 2.0)], 10_000, 20),
        ([(1_000, 1.0), (10_000, 100.0)], 100_000, 10_000),
        ([(1_000, 1.0), (10_000, 5.0)], 20_000, 10),
        ([(50_000, 99.0)], 10_000, 0),
    ],
)
def test_what_a_larger_input_will_take_is_judged_by_smaller_ones(
    earlier: list[tuple[int, float]], count: int, seconds: float
) -> None:
    assert import_module("peers").expected(earlier, count) == pytest.approx(seconds)


DATA: dict[str, Any] = {
    "machine": "2 cores, Python 3.11",
    "peers": {
        "1,000 generated": {
            "manifests": 1000,
            "layout": "tree",
            "tools": {
                "kpolicy": {"version": "0.1.0", "runs": [[1, 1], [2, 1]], "findings": 7},
                "other <lint>": {"version": "9.9.9", "runs": [[3.0, 3]], "findings": 5},
            },
            "left out": {"slow": "some 900 s would be expected"},
        },
        "real: charts": {
            "manifests": 0,
            "layout": "real",
            "tools": {"kpolicy": {"version": "0.1.0", "runs": [[4, 4]], "findings": 1}},
            "left out": {},
        },
    },
}


def test_the_table_says_medians_ratios_versions_and_what_is_missing() -> None:
    text = import_module("peers").section(DATA)
    assert "| 1,000 generated | 1.50 | 3.00 (3.00) (1) |" in text
    assert "| real: charts | 4.00 (1) |  |" in text
    assert "other <lint> 9.9.9" in text
    assert "| 1,000 generated | 7 | 5 |" in text
    assert "- 1,000 generated: slow: some 900 s would be expected." in text


def test_the_plot_is_xml_with_a_line_for_each_tool() -> None:
    root = ElementTree.fromstring(import_module("peers").plot(DATA, "tree"))
    names = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"kpolicy", "other <lint>", "manifests", "seconds"} <= set(names)
    assert len(list(root.iter("{http://www.w3.org/2000/svg}polyline"))) == 2


def test_a_chart_keeps_order_and_scale() -> None:
    """Ten times as much is one step further, on both axes."""
    text = import_module("plot").chart("t", "x", "y", {"a": [(1, 0.1), (10, 1), (100, 10)]})
    line = next(ElementTree.fromstring(text).iter("{http://www.w3.org/2000/svg}polyline"))
    points = [tuple(map(float, pair.split(","))) for pair in line.attrib["points"].split()]
    (x1, y1), (x2, y2), (x3, y3) = points
    assert x2 - x1 == pytest.approx(x3 - x2, abs=0.2)
    assert y1 - y2 == pytest.approx(y2 - y3, abs=0.2)
    assert x1 < x2 and y1 > y2
    with pytest.raises(ValueError):
        import_module("plot").chart("t", "x", "y", {"a": []})


def test_a_section_takes_the_place_of_the_old_one() -> None:
    with_section = import_module("store").with_section
    first = with_section("# Results\n", "a", "one\n")
    both = with_section(first, "b", "two")
    assert with_section(both, "a", "three") == both.replace("one", "three")
    assert both.count("begin") == 2


@pytest.fixture
def measure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Measures small programs in place of linters, and gives what was kept."""
    peers, store, tools = (import_module(name) for name in ("peers", "store", "tools"))
    monkeypatch.setattr(store.save, "__defaults__", (tmp_path / "results.json",))
    target = tmp_path / "input"
    target.mkdir(exist_ok=True)
    (target / "a.yaml").write_text("kind: A\n")

    def run(script: str, data: dict[str, Any], **more: Any) -> dict[str, Any]:
        tool = tools.Tool("t", sys.executable, ("-c", script), ("--version",), int, **more)
        options = argparse.Namespace(repeat=2, once=30.0, limit=60.0)
        peers.measure(data, "1 generated", 1, "tree", target, [tool], options, tmp_path)
        return data["peers"]["1 generated"]

    return run


def test_runs_are_kept_and_not_made_again(
    measure: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    script = f"open({str(tmp_path / 'log')!r}, 'a').write('x'); print(3)"
    data: dict[str, Any] = {}
    entry = measure(script, data)
    assert [len(entry["tools"]["t"]["runs"]), entry["tools"]["t"]["findings"]] == [2, 3]
    assert (tmp_path / "log").read_text() == "xxx", "two rounds, and one before them"
    assert measure(script, json.loads((tmp_path / "results.json").read_text())) == entry
    assert (tmp_path / "log").read_text() == "xxx"


def test_manifests_come_as_one_stream_for_a_linter_that_wants_them_so(
    measure: Callable[..., dict[str, Any]],
) -> None:
    script = "import sys; print(len(sys.stdin.read()))"
    entry = measure(script, {}, streamed=True)
    assert entry["tools"]["t"]["findings"] == len("---\nkind: A\n")


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("print('no number')", "no report that could be read"),
        ("raise SystemExit(3)", "exit status 3"),
    ],
)
def test_a_linter_that_fails_is_left_out_and_said_so(
    measure: Callable[..., dict[str, Any]], script: str, why: str
) -> None:
    entry = measure(script, {})
    assert (entry["tools"], entry["left out"]) == ({}, {"t": why})


def test_figures_of_another_machine_are_not_gone_on_from(tmp_path: Path) -> None:
    store = import_module("store")
    kept = tmp_path / "results.json"
    store.save({"machine": "another", "scan": {"1 generated": {}}}, kept)
    assert store.begin("scan", False, kept) == {"machine": store.machine()}
    store.save({"machine": store.machine(), "scan": {"x": {}}, "peers": {}}, kept)
    assert store.begin("scan", False, kept)["scan"] == {"x": {}}
    assert store.begin("scan", True, kept) == {"machine": store.machine(), "peers": {}}


def test_drawing_what_was_not_measured_is_told(tmp_path: Path) -> None:
    kept = tmp_path / "results.json"
    with pytest.raises(SystemExit, match="no figures of scan yet"):
        import_module("store").measured("scan", kept)
    kept.write_text('{"scan": {"1": {}}}')
    assert import_module("store").measured("scan", kept)["scan"]


def test_one_command_runs_the_steps_that_are_wanted() -> None:
    results = import_module("results")
    options = argparse.Namespace(
        sizes=[1, 1000, 100_000], real=["charts"], repeat=2, only=["peers", "join"],
        anew=True, render=False,
    )  # fmt: skip
    peers, join = results.commands(options)
    assert peers[2:] == [
        "--sizes", "1,1000,100000", "--flat", "1000", "--repeat", "2", "--input", "charts", "--anew"
    ]  # fmt: skip
    assert join[2:6] == ["--sizes", "1000,100000", "--files", "1000"]
    options.render = True
    assert [Path(command[1]).name for command in results.commands(options)] == ["peers.py"]
