"""Time the volume-claim join: index build, questions, memory, and how they grow.

    python benchmarks/join.py [--sizes 1000,2000,5000,10000,50000,100000]
                              [--files 1000,2000,10000,50000] [--repeat 3] [--write]

Each size runs in a process of its own, over resources made in memory: groups of four manifests (an
application, a log shipper, a claim, a Service); in a tenth of the groups application and shipper
share the claim. Asked is what `split-sidecar` asks: for each application the helpers that share a
volume claim with it, through CEL and a filter, and for each Service and reference whether it leads
somewhere. The exponent is the slope of a least-squares line through the logarithms. The hot-key
case puts 10,000 mounters on one claim, 10 of them applications and 10 helpers, beside the same
number of manifests without it. `--files` scans generated files with `kpolicy scan --select
split-sidecar`, start-up included. With `--write` the tables replace the section "Join" of
RESULTS.md, with the plot join.svg.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "RESULTS.md"
PLOT = HERE / "join.svg"
BEGIN, END = "<!-- join: begin -->", "<!-- join: end -->"
DANGLING = ("selects", "mounts-claim", "uses-config", "uses-service-account")


# The work, in a process of its own


def manifests(count: int) -> list[dict[str, Any]]:
    """Return `count` bodies: groups of application, shipper, claim and Service."""
    found: list[dict[str, Any]] = []
    for i in range(count // 4):
        space = f"team-{i % 40}"
        shared = f"data-{i}" if i % 10 == 0 else f"own-{i}"
        found.append(_deployment(f"web-{i}", space, "web", f"data-{i}"))
        found.append(_deployment(f"shipper-{i}", space, "log-shipper", shared))
        found.append(_object("PersistentVolumeClaim", f"data-{i}", space, {}))
        selector = {"selector": {"app": f"web-{i}", "tier": "web"}, "ports": [{"port": 80}]}
        found.append(_object("Service", f"web-{i}", space, selector))
    return found


def hot(count: int) -> list[dict[str, Any]]:
    """Return `count` mounters of one claim: 10 applications, 10 helpers, others."""
    tiers = ["web"] * 10 + ["log-shipper"] * 10 + ["worker"] * (count - 20)
    return [_deployment(f"w-{i}", "shop", tier, "hot") for i, tier in enumerate(tiers)]


def _object(kind: str, name: str, space: str, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": space}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": spec}


def _deployment(name: str, space: str, tier: str, claim: str) -> dict[str, Any]:
    labels = {"app": name, "tier": tier}
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}]
    pod = {"containers": [{"name": "main", "image": "acme/app:1"}], "volumes": volumes}
    template = {"metadata": {"labels": labels}, "spec": pod}
    body = _object("Deployment", name, space, {"template": template})
    return {**body, "apiVersion": "apps/v1"}


def measure(bodies: list[dict[str, Any]]) -> dict[str, float]:
    """Return seconds by stage, the findings and the memory of the indexes."""
    from kpolicy import cel
    from kpolicy.frozen import freeze
    from kpolicy.manifests.model import Document
    from kpolicy.relations import Filter, JoinContext, directory, relations
    from kpolicy.relations.library import library
    from kpolicy.relations.missing import missing
    from kpolicy.snapshot import Kinds, Snapshot, resource_from

    kinds = Kinds.of()
    resources = [
        resource_from(Document(freeze(body), f"{i // 4:07}.yaml", i % 4), kinds)
        for i, body in enumerate(bodies)
    ]
    environment = cel.Environment(
        variables={"object": cel.DYN, "item": cel.DYN},
        libraries=(*cel.kubernetes_libraries(), library()),
    )
    is_main = environment.compile("object.isWorkload() && object.podLabels().tier == 'web'")
    is_helper = environment.compile("item.podLabels().tier == 'log-shipper'")
    peers = environment.compile("object.related('shared-volume-claim', 'helper')")
    known = directory(relations())
    gc.collect()
    gc.disable()
    clock = Clock()
    snapshot = Snapshot.of(resources, kinds)
    total = len(snapshot.resources)
    clock.lap("snapshot")
    before = memory()
    shared = snapshot.index(known["shared-volume-claim"].relation)
    clock.lap("index")
    after = memory()
    context = JoinContext(snapshot, relations=known)
    helper = Filter("helper", lambda r: is_helper.evaluate({"item": r.body}, context) is True)
    context.filters = {"helper": helper}
    clock.lap("prepare")
    findings = 0
    for resource in snapshot.resources:
        context.resource = resource
        bindings = {"object": resource.body}
        if is_main.evaluate(bindings, context) is True:
            findings += len(peers.evaluate(bindings, context))
    clock.lap("query")
    gaps = 0
    for name in DANGLING:
        for resource in snapshot.resources:
            gaps += sum(1 for _ in missing(snapshot, known[name], resource))
    clock.lap("dangling")
    path = snapshot.resources[0].path
    snapshot.with_file(path, snapshot.files[path][:1])
    clock.lap("derive")
    clock.laps["split"] = sum(clock.laps[k] for k in ("snapshot", "index", "query"))
    counts = [shared.count(r, helper) for r in snapshot.resources[:1]]
    return {**clock.laps, "manifests": total, "findings": findings, "missing": gaps,
            "megabytes": (after - before) / 2**20, "first": counts[0]}  # fmt: skip


class Clock:
    """Names the processor time since the last lap: other programs do not disturb it."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.process_time()

    def lap(self, name: str) -> None:
        """Note the seconds since the last lap."""
        now = time.process_time()
        self.laps[name] = now - self._last
        self._last = time.process_time()


def memory() -> int:
    """Return the resident bytes of this process; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * 4096


# Runs and tables


def run(case: str, size: int, repeat: int) -> dict[str, float]:
    """Return the median of several processes on one case."""
    rows: list[dict[str, float]] = []
    for _ in range(repeat):
        command = [sys.executable, __file__, "--one", case, str(size)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        rows.append(json.loads(done.stdout))
    return {key: statistics.median(row[key] for row in rows) for key in rows[0]}


def exponent(rows: Sequence[dict[str, float]], key: str) -> float:
    """Return the slope of log(time) over log(size)."""
    points = [(math.log(row["manifests"]), math.log(row[key])) for row in rows if row[key] > 0]
    if len(points) < 2:
        return math.nan
    mean_x = statistics.mean(x for x, _ in points)
    mean_y = statistics.mean(y for _, y in points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread


def scan_files(size: int, repeat: int) -> dict[str, float]:
    """Return the median seconds of `kpolicy scan` on generated files, with only the join policy."""
    from generate import generate

    with tempfile.TemporaryDirectory() as folder:
        generate(size, Path(folder))
        command = [sys.executable, "-m", "kpolicy", "scan", folder, "--select", "split-sidecar",
                   "--format", "json", "--no-cache", "--isolated"]  # fmt: skip
        seconds: list[float] = []
        processor: list[float] = []
        report: dict[str, Any] = {}
        for _ in range(repeat):
            before, started = children(), time.perf_counter()
            done = subprocess.run(command, check=False, capture_output=True, text=True)
            seconds.append(time.perf_counter() - started)
            processor.append(children() - before)
            report = json.loads(done.stdout)
    summary = report["summary"]
    return {
        "manifests": summary["resources"],
        "findings": sum(summary["findings"].values()),
        "seconds": statistics.median(seconds),
        "processor": statistics.median(processor),
    }


def children() -> float:
    """Return the processor seconds of all finished child processes."""
    times = os.times()
    return times.children_user + times.children_system


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---:|" * len(head)]
    return [*lines, *("| " + " | ".join(row) + " |" for row in rows)]


def milliseconds(seconds: float) -> str:
    """Return a time in milliseconds."""
    return f"{seconds * 1000:,.1f}"


def report(
    rows: Sequence[dict[str, float]],
    hot_rows: Sequence[tuple[dict[str, float], dict[str, float]]],
    files: Sequence[dict[str, float]],
    command: str,
) -> str:
    """Return the section of RESULTS.md."""
    stages = ("snapshot", "index", "query", "dangling", "derive")
    lines = [
        BEGIN,
        "## Join",
        "",
        f"`{command}`. Milliseconds of processor time, one process, resources in memory; "
        "*query*: the helpers that "
        "share a claim with each application, through CEL with a filter; *dangling*: "
        f"`missing` of {len(DANGLING)} relations for every resource, their indexes included; "
        "*derive*: one file changed, all built indexes updated.",
        "",
    ]
    lines += table(
        ("manifests", *stages, "findings", "index MB"),
        [
            (
                f"{row['manifests']:,.0f}",
                *(milliseconds(row[stage]) for stage in stages),
                f"{row['findings']:,.0f}",
                f"{row['megabytes']:.1f}",
            )
            for row in rows
        ],
    )
    fitted = ", ".join(
        f"{name} {exponent(rows, key):.2f}"
        for name, key in (("index", "index"), ("query", "query"), ("dangling", "dangling"),
                          ("snapshot + index + query", "split"))
    )  # fmt: skip
    lines += ["", f"Growth exponents: {fitted}. Plot: [join.svg](join.svg).", ""]
    if hot_rows:
        lines += ["Hot key: all mount one claim, 10 applications, 10 helpers.", ""]
        lines += table(
            (
                "manifests",
                "hot, snapshot + index + query",
                "without the hot key",
                "ratio",
                "findings",
            ),
            [
                (
                    f"{hot_row['manifests']:,.0f}",
                    milliseconds(hot_row["split"]),
                    milliseconds(plain["split"]),
                    f"{hot_row['split'] / plain['split']:.2f}",
                    f"{hot_row['findings']:,.0f}",
                )
                for hot_row, plain in hot_rows
            ],
        )
        lines.append("")
    if files:
        lines += [
            "From files, `kpolicy scan --select split-sidecar --no-cache`, start-up included:", "",
        ]  # fmt: skip
        lines += table(
            ("manifests", "seconds", "processor seconds", "findings"),
            [
                (
                    f"{f['manifests']:,.0f}",
                    f"{f['seconds']:.2f}",
                    f"{f['processor']:.2f}",
                    f"{f['findings']:,.0f}",
                )
                for f in files
            ],
        )
        if len(files) > 1:
            lines += ["", f"Growth exponent of processor time: {exponent(files, 'processor'):.2f}."]
        lines.append("")
    lines.append(END)
    return "\n".join(lines)


def plot(rows: Sequence[dict[str, float]]) -> str:
    """Return a log-log plot as SVG, with a line of slope 1 for comparison."""
    width, height, margin = 640, 400, 60
    series = (("index", "#1f77b4"), ("query", "#2ca02c"), ("dangling", "#d62728"))
    sizes = [math.log10(row["manifests"]) for row in rows]
    times = [math.log10(row[key] * 1000) for row in rows for key, _ in series]
    x_low, x_high = min(sizes), max(sizes)
    y_low, y_high = math.floor(min(times)), math.ceil(max(times))

    def x(value: float) -> float:
        return margin + (value - x_low) / max(x_high - x_low, 1e-9) * (width - 2 * margin)

    def y(value: float) -> float:
        return height - margin - (value - y_low) / max(y_high - y_low, 1) * (height - 2 * margin)

    def line(points: Sequence[tuple[float, float]], style: str) -> str:
        path = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in points)
        return f'<polyline points="{path}" fill="none" {style}/>'

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for power in range(y_low, y_high + 1):
        parts.append(line([(x_low, power), (x_high, power)], 'stroke="#ddd"'))
        parts.append(f'<text x="8" y="{y(power) + 4:.1f}">{10.0**power:g} ms</text>')
    for row, size in zip(rows, sizes, strict=True):
        label = f"{row['manifests'] / 1000:g}k"
        parts.append(f'<text x="{x(size) - 10:.1f}" y="{height - margin + 18}">{label}</text>')
    start = math.log10(rows[0]["index"] * 1000)
    parts.append(
        line([(x_low, start), (x_high, start + x_high - x_low)],
             'stroke="#999" stroke-dasharray="4 4"')
    )  # fmt: skip
    for number, (key, colour) in enumerate(series):
        points = [(s, math.log10(r[key] * 1000)) for s, r in zip(sizes, rows, strict=True)]
        parts.append(line(points, f'stroke="{colour}" stroke-width="2"'))
        parts.append(
            f'<text x="{margin + 10}" y="{margin + 16 * number}" fill="{colour}">{key}</text>'
        )
    parts.append(f'<text x="{margin + 10}" y="{margin + 48}" fill="#999">slope 1</text></svg>')
    return "\n".join(parts) + "\n"


def write(section: str) -> None:
    """Put the section into RESULTS.md, in the place of the old one."""
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else "# Results\n"
    pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    if pattern.search(text):
        text = pattern.sub(lambda _: section, text)
    else:
        text = f"{text.rstrip()}\n\n{section}\n"
    RESULTS.write_text(text, encoding="utf-8")


CASES: dict[str, Callable[[int], list[dict[str, Any]]]] = {"groups": manifests, "hot": hot}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what the command line asks for."""

    def numbers(text: str) -> list[int]:
        return [int(part) for part in text.split(",") if part]

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument(
        "--sizes", type=numbers, default=numbers("1000,2000,5000,10000,50000,100000")
    )
    parser.add_argument("--hot", type=numbers, default=[10_000])
    parser.add_argument("--files", type=numbers, default=numbers("1000,2000,10000,50000"))
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--one", nargs=2, metavar=("CASE", "SIZE"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        case, size = options.one
        print(json.dumps(measure(CASES[case](int(size)))))
        return
    from scan import as_installed

    as_installed()
    rows = [run("groups", size, options.repeat) for size in options.sizes]
    hot_rows = [
        (run("hot", size, options.repeat), run("groups", size, options.repeat))
        for size in options.hot
    ]
    files = [scan_files(size, options.repeat) for size in options.files]
    given = " ".join(sys.argv[1:] if arguments is None else arguments)
    section = report(rows, hot_rows, files, f"python benchmarks/join.py {given}".rstrip())
    print(section)
    if options.write:
        write(section)
        PLOT.write_text(plot(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
