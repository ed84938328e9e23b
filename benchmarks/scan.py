"""Time `kpolicy scan` from a cold start, as a user runs it: a process for each run.

    python benchmarks/scan.py [--sizes 1,1000,10000] [--jobs 1,2] [--real DIRECTORY]
                              [--repeat 5] [--anew] [--render] [--write]

Cold means that no scan result is cached (`--no-cache`); compiled policies are, since they are made
once for each installation. For each size the manifests of `generate.py` are scanned `--repeat`
times; the median is reported, with the findings as a check that the work was done. `--real` adds a
directory of real files. A further table gives the reading alone, without evaluation, on one core;
another one scans from the cache: nothing changed, and one file edited.
What was measured is kept in results.json, input by input: a command that was stopped goes on where
it was, `--anew` begins again, and `--render` measures nothing. With `--write` (or `--render`) the
tables replace the section "Scan" of RESULTS.md, and scan.svg is drawn.
"""

from __future__ import annotations

import argparse
import compileall
import importlib.util
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import store
from generate import generate
from plot import chart

PLOT = store.HERE / "scan.svg"

READ = """
import sys, time
from kpolicy.manifests import discover, load
started = time.process_time()
files = discover(sys.argv[1:]).files
found = time.process_time()
documents = size = 0
for file in files:
    documents += len(load(file).documents)
    size += file.size
done = time.process_time()
print(len(files), documents, size, found - started, done - found)
"""


@dataclass(frozen=True)
class Run:
    """One scan: how long it took, what its largest process held, what it reported."""

    seconds: float
    cpu_seconds: float
    peak_megabytes: float
    summary: dict[str, object]


@dataclass(frozen=True)
class Row:
    """The median of several runs on one input."""

    name: str
    jobs: int
    resources: int
    findings: int
    seconds: float
    cpu_seconds: float
    peak_megabytes: float

    def __str__(self) -> str:
        rate = self.resources / self.seconds if self.seconds else 0
        return (
            f"| {self.name} | {self.jobs} | {self.resources:,} | {self.findings:,} "
            f"| {self.seconds:.3f} | {self.cpu_seconds:.3f} | {rate:,.0f} "
            f"| {self.peak_megabytes:.0f} |"
        )


def run(target: Path, jobs: int, more: list[str], cache: Path | None = None) -> Run:
    """Scan `target` once in a process of its own; with results kept where `cache` is given."""
    command = [sys.executable, "-m", "kpolicy", "scan", str(target), "--isolated"]
    command += ["--format", "json", "--jobs", str(jobs), "--quiet", *more]
    environment = dict(os.environ)
    if cache is None:
        command.append("--no-cache")
    else:
        environment["KPOLICY_CACHE_DIR"] = str(cache)
    with tempfile.TemporaryFile() as out:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.PIPE, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        stderr = process.stderr.read().decode() if process.stderr else ""
        if process.stderr:
            process.stderr.close()
        if process.returncode not in (0, 1, 2):
            raise SystemExit(f"{' '.join(command)} failed:\n{stderr}")
        out.seek(0)
        report = json.loads(out.read() or b"{}")
    if "summary" not in report:
        raise SystemExit(f"{' '.join(command)} reported nothing:\n{stderr}")
    cpu = usage.ru_utime + usage.ru_stime
    return Run(seconds, cpu, usage.ru_maxrss / 1024, report["summary"])


def as_installed() -> None:
    """Give kpolicy the bytecode that installing it does; an environment may forbid writing any."""
    found = importlib.util.find_spec("kpolicy")
    for folder in (found and found.submodule_search_locations) or ():
        compileall.compile_dir(folder, quiet=1)


def measure(name: str, target: Path, jobs: int, repeat: int, more: list[str]) -> Row:
    """Return the median of `repeat` scans of `target`."""
    runs = [run(target, jobs, more) for _ in range(repeat)]
    summaries = {json.dumps(one.summary, sort_keys=True) for one in runs}
    if len(summaries) > 1:
        raise SystemExit(f"{name}: the runs do not report the same: {summaries}")
    summary = runs[0].summary
    findings = summary["findings"]
    count = sum(findings.values()) if isinstance(findings, dict) else 0
    resources = summary["resources"]
    return Row(
        name,
        jobs,
        resources if isinstance(resources, int) else 0,
        count,
        statistics.median(one.seconds for one in runs),
        statistics.median(one.cpu_seconds for one in runs),
        max(one.peak_megabytes for one in runs),
    )


def again(name: str, target: Path, repeat: int, more: list[str], seed: int) -> list[float]:
    """Return what scanning a copy of `target` again takes: kept, unchanged, one file edited.

    Seconds and processor seconds of each, medians.

    The runs alternate, so that a noise of the machine meets all of them.
    """
    kinds = ("kept", "warm", "edited")
    times: dict[str, list[Run]] = {kind: [] for kind in kinds}
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as directory:
        copy, cache = Path(directory) / "tree", Path(directory) / "cache"
        cache.mkdir(mode=0o700)
        shutil.copytree(target, copy, symlinks=True)
        files = sorted(path for path in copy.rglob("*.yaml") if not path.is_symlink())
        run(copy, 0, more, cache)  # fills the cache of compiled policies
        for _ in range(repeat):
            for kept in cache.glob("results-*"):
                kept.unlink()
            time.sleep(0.3)  # a file as young as the index would be read again
            for kind in kinds:
                if kind == "edited":
                    edit(chance.choice(files))
                times[kind].append(run(copy, 0, more, cache))
        fresh = run(copy, 0, more)
        if fresh.summary != times["edited"][-1].summary:
            raise SystemExit(f"{name}: a cached scan does not report what another one does")
    return [
        statistics.median(figures)
        for kind in kinds
        for figures in (
            [one.seconds for one in times[kind]],
            [one.cpu_seconds for one in times[kind]],
        )
    ]


def edit(path: Path) -> None:
    """Change a file as somebody does: a number of it, and a comment."""
    text = path.read_text()
    path.write_text(
        re.sub(r"(replicas|port|maxReplicas): (\d)", r"\1: \g<2>1", text) + "# edited\n"
    )


def reading(target: Path, repeat: int) -> list[float]:
    """Return what reading `target` takes without evaluating anything, on one core.

    Files, documents, bytes, processor seconds to find and to read them, the best of `repeat`.
    """
    best: list[float] | None = None
    for _ in range(repeat):
        done = subprocess.run(
            [sys.executable, "-c", READ, str(target)], capture_output=True, text=True, check=True
        )
        figures = [float(word) for word in done.stdout.split()]
        if best is None or figures[4] < best[4]:
            best = figures
    assert best is not None
    return best


def inputs(
    sizes: list[int], real: list[Path], directory: Path, seed: int
) -> Iterator[tuple[str, Path]]:
    """Yield (name, directory) of everything to scan."""
    for size in sizes:
        target = directory / str(size)
        generate(size, target, seed)
        yield f"{size:,} generated", target
    for path in real:
        yield f"real: {path.name}", path


def measured(
    data: dict[str, Any], name: str, target: Path, options: argparse.Namespace, more: list[str]
) -> None:
    """Add to `data` what is not there yet of one input, and keep each part as it is made."""
    entry = data.setdefault("scan", {}).setdefault(name, {"jobs": {}})
    # One run of what takes long says as much as five.
    repeat = options.repeat if manifests_of(name) < 50_000 else min(options.repeat, 3)
    for jobs in options.jobs:
        if str(jobs) not in entry["jobs"]:
            load = os.getloadavg()[0]
            row = measure(name, target, jobs, repeat, more)
            print(row, flush=True)
            entry["jobs"][str(jobs)] = {**asdict(row), "runs": repeat, "load": load}
            store.save(data)
    if "reading" not in entry:
        entry["reading"] = reading(target, repeat)
        store.save(data)
    if options.again and "again" not in entry:
        entry["again"] = again(name, target, repeat, more, options.seed)
        print(again_cells(name, entry["again"]), flush=True)
        store.save(data)


def manifests_of(name: str) -> int:
    """Return the number of manifests in an input of this name; 0 where it was not generated."""
    count, _, rest = name.partition(" ")
    return int(count.replace(",", "")) if rest == "generated" else 0


def again_cells(name: str, figures: list[float]) -> str:
    """Return the table row of scans from the cache."""
    return f"| {name} | {' | '.join(f'{figure:.3f}' for figure in figures)} |"


def reading_cells(name: str, figures: list[float]) -> str:
    """Return the table row of reading alone."""
    files, documents, size, finding, seconds = figures
    return (
        f"| {name} | {files:,.0f} | {documents:,.0f} | {size / 1e6:.1f} | {finding:.3f} "
        f"| {seconds:.3f} | {files / seconds:,.0f} | {size / seconds / 1e6:.1f} |"
    )


def section(data: dict[str, Any]) -> str:
    """Return the section "Scan" of RESULTS.md."""
    entries = data["scan"]
    names = [field.name for field in fields(Row)]
    every = [found for entry in entries.values() for found in entry["jobs"].values()]
    rows = [Row(*(found[name] for name in names)) for found in every]
    lines = [
        "## Scan",
        "",
        f"`python benchmarks/scan.py` on {data['machine']}; median of "
        f"{'/'.join(str(runs) for runs in sorted({found['runs'] for found in every}))} runs, "
        "start-up included, no cached results. CPU seconds are those of all processes, peak "
        "memory is that of the largest one. Load of the machine meanwhile: "
        f"{max(found['load'] for found in every):.1f} (above the number of cores, other work "
        "slowed these runs). Plot: [scan.svg](scan.svg).",
        "",
        "| input | jobs | resources | findings | seconds | CPU s | resources/s | peak MB |",
        "|---|---|---|---|---|---|---|---|",
        *map(str, rows),
        "",
        "Reading alone (find the files; read, parse and freeze them), CPU seconds, the best run:",
        "",
        "| input | files | objects | MB | find s | read s | files/s | MB/s |",
        "|---|---|---|---|---|---|---|---|",
        *(reading_cells(name, e["reading"]) for name, e in entries.items() if "reading" in e),
    ]
    kept = [again_cells(name, e["again"]) for name, e in entries.items() if "again" in e]
    if kept:
        lines += [
            "",
            "Scanned again, as many processes as cores: with nothing kept yet and keeping the "
            "results, with nothing changed since, and with one file edited; seconds, CPU s.",
            "",
            "| input | kept: seconds | CPU s | unchanged: seconds | CPU s "
            "| one file edited: seconds | CPU s |",
            "|---|---|---|---|---|---|---|",
            *kept,
        ]
    return "\n".join(lines) + "\n"


def plot(data: dict[str, Any]) -> str:
    """Return seconds over generated manifests: cold by number of processes, and from the cache."""
    series: dict[str, list[tuple[float, float]]] = {}
    for name, entry in data["scan"].items():
        count = manifests_of(name)
        if not count:
            continue
        for jobs, found in entry["jobs"].items():
            label = f"cold, {jobs} process{'es' if jobs != '1' else ''}"
            series.setdefault(label, []).append((count, found["seconds"]))
        if "again" in entry:
            series.setdefault("nothing changed", []).append((count, entry["again"][2]))
            series.setdefault("one file edited", []).append((count, entry["again"][4]))
    return chart("kpolicy scan, generated manifests", "manifests", "seconds", series)


def render(data: dict[str, Any]) -> None:
    """Write section and plot."""
    store.write_section("scan", section(data))
    PLOT.write_text(plot(data))


def numbers(text: str) -> list[int]:
    """Return the integers of a comma-separated list."""
    return [int(part) for part in text.split(",") if part]


def main() -> None:
    """Read the command line, measure what is not there yet, and write the tables if asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", type=numbers, default=[1, 1_000, 10_000])
    parser.add_argument("--jobs", type=numbers, default=[1, 2])
    parser.add_argument("--real", type=Path, action="append", default=[])
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--no-again", dest="again", action="store_false", help="measure no scans from the cache"
    )
    parser.add_argument("--anew", action="store_true", help="forget what was measured before")
    parser.add_argument("--render", action="store_true", help="measure nothing")
    parser.add_argument("--write", action="store_true", help="replace the section in RESULTS.md")
    options, more = parser.parse_known_args()
    more = [argument for argument in more if argument != "--"]
    if options.render:
        render(store.measured("scan"))
        return
    data = store.begin("scan", options.anew)
    as_installed()
    with tempfile.TemporaryDirectory() as directory:
        first = True
        for name, target in inputs(options.sizes, options.real, Path(directory), options.seed):
            if first:
                run(target, 1, more)  # fills the cache of compiled policies
                first = False
            measured(data, name, target, options, more)
    if options.write:
        render(data)
    else:
        print(section(data))


if __name__ == "__main__":
    main()
