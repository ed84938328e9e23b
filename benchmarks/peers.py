"""Time `kpolicy scan` beside the linters that are found on PATH: the same input, alternating runs.

    python benchmarks/peers.py [--sizes 1,1000,10000] [--repeat 5] [--input DIR ...] [--write]

Every tool runs with its own default checks; Conftest, which has none, with one rule. Each round
runs all tools once, so that what else the machine does meets all of them; the medians and their
ratios to kpolicy's are reported. `cached` is kpolicy with nothing changed since its last scan. With
`--write` the table replaces the section "Peers" of RESULTS.md.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from generate import generate
from scan import as_installed, machine

RESULTS = Path(__file__).with_name("RESULTS.md")
BEGIN, END = "<!-- peers: begin -->", "<!-- peers: end -->"

RULE = """\
package main

deny contains msg if {
    some container in input.spec.template.spec.containers
    not container.securityContext.runAsNonRoot
    msg := sprintf("container %s may run as root", [container.name])
}
"""


@dataclass(frozen=True)
class Tool:
    """A linter, the arguments before the directory, and how it says its version."""

    name: str
    program: str
    arguments: tuple[str, ...]
    version: tuple[str, ...]
    each_file: bool = False
    """It takes files and no directory."""


def tools(rule: Path) -> list[Tool]:
    """Return kpolicy and the peers that are on PATH."""
    kpolicy = str(Path(sys.executable).parent / "kpolicy")
    cold = ("scan", "--isolated", "-q", "--format", "json", "--no-cache")
    known = [
        Tool("kpolicy", kpolicy, cold, ("--version",)),
        Tool("kpolicy, one process", kpolicy, (*cold, "-j1"), ("--version",)),
        Tool("kpolicy, cached", kpolicy, cold[:-1], ("--version",)),
        Tool("kube-linter", "kube-linter", ("lint", "--format", "json"), ("version",)),
        Tool("kube-score", "kube-score", ("score", "-o", "json"), ("version",), True),
        Tool("Conftest", "conftest", ("test", "-p", str(rule), "-o", "json"), ("--version",)),
        Tool("Polaris", "polaris", ("audit", "--format", "json", "--audit-path"), ("version",)),
        Tool("Checkov", "checkov", ("--quiet", "--framework", "kubernetes", "-o", "json", "-d"),
             ("--version",)),
    ]  # fmt: skip
    return [tool for tool in known if shutil.which(tool.program)]


def seconds(tool: Tool, target: Path, environment: dict[str, str]) -> float:
    """Run a tool on a directory and return how long it took."""
    if tool.each_file:
        command = [tool.program, *tool.arguments, *map(str, sorted(target.rglob("*.yaml")))]
    else:
        command = [tool.program, *tool.arguments, str(target)]
    started = time.perf_counter()
    subprocess.run(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment, check=False
    )
    return time.perf_counter() - started


def medians(times: dict[str, list[float]]) -> dict[str, float]:
    """Return the median of each tool's times."""
    return {name: statistics.median(found) for name, found in times.items()}


def table(rows: Sequence[tuple[str, dict[str, float]]]) -> list[str]:
    """Return a Markdown table: seconds of each tool, and how many times kpolicy's that is."""
    names = list(rows[0][1])
    lines = [f"| input | {' | '.join(names)} |", f"|---|{'---:|' * len(names)}"]
    for label, found in rows:
        own = found["kpolicy"]
        cells = [f"{found[name]:.2f} ({found[name] / own:.2f})" for name in names]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return lines


def version(tool: Tool) -> str:
    """Return the version that a tool says of itself, in the first line that it prints."""
    done = subprocess.run([tool.program, *tool.version], capture_output=True, text=True)
    found = re.search(r"\d+\.\d+\.\d+", (done.stdout or done.stderr).partition("\n")[0])
    return found[0] if found else "of its own build"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--sizes", default="1,1000,10000")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--input", action="append", default=[], metavar="DIR")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    as_installed()
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        rule = place / "rule"
        rule.mkdir()
        (rule / "main.rego").write_text(RULE)
        cache = place / "cache"
        cache.mkdir(mode=0o700)
        environment = {**os.environ, "KPOLICY_CACHE_DIR": str(cache)}
        chosen = tools(rule)
        inputs: list[tuple[str, Path]] = []
        for size in map(int, options.sizes.split(",")):
            target = place / str(size)
            generate(size, target)
            inputs.append((f"{size:,} generated", target))
        inputs += [(Path(given).name, Path(given).resolve()) for given in options.input]
        rows = []
        for label, target in inputs:
            times: dict[str, list[float]] = {tool.name: [] for tool in chosen}
            for tool in chosen:  # files and programs come into the system's cache
                seconds(tool, target, environment)
            for _ in range(options.repeat):
                for tool in chosen:
                    times[tool.name].append(seconds(tool, target, environment))
            rows.append((label, medians(times)))
        named = ", ".join(
            f"{t.name} {version(t)}" for t in chosen if not t.name.startswith("kpolicy")
        )
    method = (
        f"`python benchmarks/peers.py`. Seconds by the clock, median of {options.repeat} "
        f"alternating runs; in brackets how many times kpolicy's. {named}. {machine()}."
    )
    lines = ["## Peers", "", method, "", *table(rows)]
    text = "\n".join(lines) + "\n"
    print(text)
    if options.write:
        old = RESULTS.read_text()
        section = f"{BEGIN}\n{text}{END}\n"
        pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}\n", re.S)
        RESULTS.write_text(
            pattern.sub(lambda _: section, old) if BEGIN in old else f"{old}\n{section}"
        )


if __name__ == "__main__":
    main()
