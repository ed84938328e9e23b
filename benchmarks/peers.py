"""Time `kpolicy scan` beside the linters that are found on PATH: the same input, alternating runs.

    python benchmarks/peers.py [--sizes 1,1000,10000] [--flat 1000,10000] [--input DIR ...]
                               [--repeat 5]
                               [--tools NAME,...] [--limit 300] [--once 30] [--anew] [--render]

`--flat` are generated manifests in one directory: kube-linter compares what is in a directory with
each other, so its time grows with the square there, and hardly at all with `--sizes`, where each
application has a directory of its own.

Every tool runs with its own default checks; Conftest and Kyverno, which have none, with one rule.
Each round runs all tools once, so that what else the machine does meets all of them; a ratio is the
median of the rounds' own ratios. A run before the rounds brings files and programs into the
system's cache. A tool that takes longer than `--once` seconds is run once, and one that would take
longer than `--limit`, judged by the next smaller input, is not run; both are said. Runs are kept in
results.json as they are made: a command that was stopped goes on where it was, `--anew` begins
again, and `--render` measures nothing. Section "Peers" of RESULTS.md and peers.svg are made of it.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import store
from generate import generate
from plot import chart
from scan import as_installed, edit, numbers
from tools import Tool, found_tools, version_of

PLOTS = {"tree": store.HERE / "peers.svg", "flat": store.HERE / "peers-flat.svg"}
OWN = "kpolicy"
#: Of an input as small as this, nearly all is start-up.
_START = 10


@dataclass(frozen=True)
class Run:
    """One run of a tool."""

    seconds: float
    cpu_seconds: float
    findings: int


class Failed(Exception):
    """A run that did not do its work, and why."""


def run(
    tool: Tool, target: Path, stream: Path, environment: Mapping[str, str], limit: float
) -> Run:
    """Run a tool on a directory (or on the same manifests in one stream).

    Raises `Failed` for one that ends otherwise than a linter does, or not within `limit` seconds.
    """
    command = [tool.program, *tool.arguments]
    if not tool.streamed:
        command.append(str(target))
    with tempfile.TemporaryFile("w+") as out, stream.open("rb") as given:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdin=given if tool.streamed else subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.DEVNULL,
            env=dict(environment),
        )
        usage = _wait(process, started + limit)
        seconds = time.perf_counter() - started
        if usage is None:
            raise Failed(f"not done within {limit:.0f} s")
        if process.returncode not in tool.statuses:
            raise Failed(f"exit status {process.returncode}")
        out.seek(0)
        try:
            findings = tool.count(out.read())
        except (ValueError, LookupError, TypeError, AttributeError):
            raise Failed("no report that could be read") from None
    return Run(seconds, usage.ru_utime + usage.ru_stime, findings)


def _wait(process: subprocess.Popen[bytes], until: float) -> Any:
    """Return what a process used; None where it was ended because it took too long."""
    pause = 0.0005
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return usage
        if time.perf_counter() > until:
            process.kill()
            process.wait()
            return None
        time.sleep(pause)
        pause = min(pause * 1.2, 0.01)


def expected(earlier: Sequence[tuple[int, float]], count: int) -> float:
    """Return the seconds to expect for `count` manifests from (count, seconds) of smaller inputs.

    At least in proportion, or as it grew between the last two; 0 without any.
    """
    known = sorted(point for point in earlier if point[0] < count)
    if not known:
        return 0.0
    last, seconds = known[-1]
    if last <= _START:
        return seconds
    power = 1.0
    if len(known) > 1 and known[-2][0] > _START:
        before, least = known[-2]
        power = max(1.0, math.log(seconds / least) / math.log(last / before))
    return float(seconds * (count / last) ** power)


def measure(
    data: dict[str, Any],
    label: str,
    count: int,
    layout: str,
    target: Path,
    tools: Sequence[Tool],
    options: argparse.Namespace,
    scratch: Path,
) -> None:
    """Run the tools on one input, round by round, and keep each run as it is made."""
    inputs = data.setdefault("peers", {})
    entry = inputs.setdefault(
        label, {"manifests": count, "layout": layout, "tools": {}, "left out": {}}
    )
    stream = scratch / "stream.yaml"
    files = sorted(path for path in target.rglob("*.y*ml") if path.is_file())
    with stream.open("wb") as out:
        for path in files:
            out.write(b"---\n" + path.read_bytes().rstrip() + b"\n")
    chance = random.Random(1)
    ready: dict[str, Mapping[str, str]] = {}
    once: set[str] = set()

    def one(tool: Tool, kept: bool) -> None:
        if tool.cache == "edited":
            edit(chance.choice(files))
            time.sleep(0.05)
        try:
            if tool.cache == "kept":
                # Another tool's run has edited a file since its last one.
                run(tool, target, stream, ready[tool.name], 2 * options.limit)
            made = run(tool, target, stream, ready[tool.name], 2 * options.limit)
        except Failed as error:
            entry["left out"][tool.name] = str(error)
            entry["tools"].pop(tool.name, None)
            return
        if made.seconds > options.once:
            once.add(tool.name)
        if kept or tool.name in once:
            record = entry["tools"].setdefault(tool.name, {"version": version_of(tool), "runs": []})
            run_ = [round(made.seconds, 4), round(made.cpu_seconds, 3)]
            record["runs"].append(run_)
            record["findings"] = made.findings

    def wanted(tool: Tool) -> bool:
        if tool.name in entry["left out"]:
            return False
        runs = len(entry["tools"].get(tool.name, {}).get("runs", ()))
        return runs < (1 if tool.name in once else options.repeat)

    for tool in tools:
        runs = [seconds for seconds, *_ in entry["tools"].get(tool.name, {}).get("runs", ())]
        if runs and max(runs) > options.once:
            once.add(tool.name)
        if not wanted(tool):
            continue
        likely = expected(
            [
                (other["manifests"], _median(other["tools"][tool.name]["runs"]))
                for other in inputs.values()
                if tool.name in other["tools"] and other["layout"] == layout and other["manifests"]
            ],
            count,
        )
        if likely > options.limit:
            entry["left out"][tool.name] = f"some {likely:,.0f} s would be expected"
            continue
        cache = scratch / f"cache-{tool.name.replace(' ', '-')}"
        cache.mkdir(mode=0o700, exist_ok=True)
        ready[tool.name] = {**os.environ, "KPOLICY_CACHE_DIR": str(cache)}
        one(tool, kept=False)
        store.save(data)
    while any(wanted(tool) for tool in tools if tool.name in ready):
        for tool in tools:
            if tool.name in ready and wanted(tool):
                one(tool, kept=True)
        store.save(data)
        print(f"{label}: {_progress(entry)}", flush=True)


def _median(runs: Sequence[Sequence[float]]) -> float:
    return statistics.median(seconds for seconds, *_ in runs)


def _progress(entry: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {_median(found['runs']):.2f} s" for name, found in entry["tools"].items()
    )


def ratio(runs: Sequence[Sequence[float]], own: Sequence[Sequence[float]]) -> float:
    """Return the median of a tool's seconds over kpolicy's, round by round."""
    pairs = zip(runs, own, strict=False)
    return statistics.median(theirs[0] / ours[0] for theirs, ours in pairs)


def names_of(peers: Mapping[str, Any]) -> list[str]:
    """Return the tools that ran on some input, kpolicy's own first, as they were met."""
    names = {name: None for entry in peers.values() for name in entry["tools"]}
    own = [name for name in names if name.startswith(OWN)]
    return [*own, *sorted(name for name in names if not name.startswith(OWN))]


def section(data: Mapping[str, Any]) -> str:
    """Return the section "Peers" of RESULTS.md."""
    peers = data["peers"]
    names = names_of(peers)
    versions = {
        name: entry["tools"][name]["version"]
        for entry in peers.values()
        for name in entry["tools"]
        if not name.startswith(OWN)
    }
    lines = [
        "## Peers",
        "",
        f"`python benchmarks/peers.py` on {data['machine']}. Seconds by the clock, start-up "
        "included, median of alternating runs; in brackets how many times what kpolicy took in the "
        "same rounds, from a cold start with as many processes as there are cores. Every tool with "
        "its default checks; Conftest and Kyverno with one rule. "
        + ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
        + ". A mark (1) is a single run. Plots: [a directory for "
        "each application](peers.svg), [one directory](peers-flat.svg).",
        "",
        f"| input | {' | '.join(names)} |",
        f"|---|{'---:|' * len(names)}",
    ]
    for label, entry in peers.items():
        own = entry["tools"].get(OWN, {}).get("runs", ())
        cells = []
        for name in names:
            found = entry["tools"].get(name)
            if found is None:
                cells.append("")
                continue
            factor = f" ({ratio(found['runs'], own):.2f})" if own and name != OWN else ""
            alone = " (1)" if len(found["runs"]) == 1 else ""
            cells.append(f"{_median(found['runs']):.2f}{factor}{alone}")
        lines.append(f"| {label} | {' | '.join(cells)} |")
    lines += ["", "What each reported:", ""]
    lines += [f"| input | {' | '.join(names)} |", f"|---|{'---:|' * len(names)}"]
    for label, entry in peers.items():
        cells = [
            f"{found['findings']:,}" if (found := entry["tools"].get(name)) else ""
            for name in names
        ]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    left = [
        f"- {label}: {name}: {why}."
        for label, entry in peers.items()
        for name, why in entry["left out"].items()
    ]
    if left:
        lines += ["", "Not measured:", "", *left]
    return "\n".join(lines) + "\n"


def plot(data: Mapping[str, Any], layout: str) -> str:
    """Return seconds over generated manifests of a layout, a line for each tool."""
    peers = {k: entry for k, entry in data["peers"].items() if entry["layout"] == layout}
    series = {
        name: [
            (entry["manifests"], _median(entry["tools"][name]["runs"]))
            for entry in peers.values()
            if entry["manifests"] and name in entry["tools"]
        ]
        for name in names_of(peers)
    }
    where = "in one directory" if layout == "flat" else "in directories"
    return chart(f"Generated manifests {where}, default checks", "manifests", "seconds", series)


def render(data: Mapping[str, Any]) -> None:
    """Write the section and the plots."""
    store.write_section("peers", section(data))
    drawn = {entry["layout"] for entry in data["peers"].values() if entry["manifests"]}
    for layout, file in PLOTS.items():
        # A layout that was not measured yet keeps the plot that is there.
        if layout in drawn:
            file.write_text(plot(data, layout))


def inputs(options: argparse.Namespace, scratch: Path) -> Iterator[tuple[str, int, str, Path]]:
    """Yield label, manifests, layout and directory; a given one is copied: a file is edited."""
    for layout, sizes in (("tree", options.sizes), ("flat", options.flat)):
        for size in sizes:
            target = scratch / "input"
            shutil.rmtree(target, ignore_errors=True)
            generate(size, target, options.seed, flat=layout == "flat")
            where = ", one directory" if layout == "flat" else ""
            yield f"{size:,} generated{where}", size, layout, target
    for given in options.input:
        target = scratch / "input"
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(given, target, ignore_dangling_symlinks=True)
        yield f"real: {Path(given).name}", 0, "real", target


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, measure what is not there yet, and write section and plot."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", type=numbers, default=[1, 1_000, 10_000])
    parser.add_argument("--flat", type=numbers, default=[1_000, 10_000])
    parser.add_argument("--input", action="append", default=[], metavar="DIR")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--tools", help="these peers alone, by name, separated by commas")
    parser.add_argument("--limit", type=float, default=300.0, metavar="SECONDS")
    parser.add_argument("--once", type=float, default=30.0, metavar="SECONDS")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--anew", action="store_true", help="forget what was measured before")
    parser.add_argument("--render", action="store_true", help="measure nothing")
    options = parser.parse_args(arguments)
    if options.render:
        render(store.measured("peers"))
        return
    data = store.begin("peers", options.anew)
    as_installed()
    with tempfile.TemporaryDirectory() as directory:
        scratch = Path(directory)
        names = options.tools.split(",") if options.tools else None
        chosen = found_tools(scratch, names)
        for label, count, layout, target in inputs(options, scratch):
            for kept in scratch.glob("cache-*"):
                shutil.rmtree(kept)
            measure(data, label, count, layout, target, chosen, options, scratch)
    render(data)


if __name__ == "__main__":
    main()
