"""Time ValidatingAdmissionPolicies: 75 of them over 1,000 generated manifests, from a cold start.

    python benchmarks/admission.py [--policies 75] [--manifests 1000] [--repeat 5] [--write]

The policies are what `kpolicy export vap` writes of the built-in ones, each with its Binding. Cold
means that nothing is cached: they are read, parsed, type-checked and compiled in each run, and
every decision is reported (`--results all`). With `--write` the section "Admission policies" of
RESULTS.md is replaced.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import store
from generate import generate
from scan import as_installed

KPOLICY = [sys.executable, "-m", "kpolicy"]


def export(count: int, directory: Path) -> list[Path]:
    """Write exported policies, and return the first `count` files."""
    directory.mkdir()
    command = [*KPOLICY, "export", "vap", "--all", "--isolated", "--output", f"{directory}/"]
    subprocess.run(command, check=True, capture_output=True)
    files = sorted(directory.glob("*.yaml"))[:count]
    if len(files) < count:
        raise SystemExit(f"only {len(files)} policies can be exported")
    return files


def run(files: list[Path], target: Path, cache: Path) -> tuple[float, float, dict[str, int]]:
    """Scan once; return seconds, processor seconds and the report's summary."""
    command = [*KPOLICY, "scan", str(target), "--isolated", "--no-builtin", "--results", "all"]
    command += ["--format", "json", "--quiet"]
    command += [word for file in files for word in ("-p", str(file))]
    environment = {**os.environ, "KPOLICY_CACHE_DIR": str(cache)}
    with tempfile.TemporaryFile() as out:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in (0, 1):
            raise SystemExit(f"kpolicy scan ended with status {process.returncode}")
        out.seek(0)
        summary: dict[str, int] = json.load(out)["summary"]
    return seconds, usage.ru_utime + usage.ru_stime, summary


def main() -> None:
    """Read the command line, measure, and write the section if asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--policies", type=int, default=75)
    parser.add_argument("--manifests", type=int, default=1_000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="replace the section in RESULTS.md")
    options = parser.parse_args()
    as_installed()
    with tempfile.TemporaryDirectory() as directory:
        scratch = Path(directory)
        files = export(options.policies, scratch / "policies")
        generate(options.manifests, scratch / "manifests")
        runs = []
        for number in range(options.repeat):
            cache = scratch / f"cache-{number}"
            cache.mkdir(mode=0o700)
            runs.append(run(files, scratch / "manifests", cache))
    summary = runs[0][2]
    section = "\n".join(
        [
            "## Admission policies",
            "",
            f"`python benchmarks/admission.py` on {store.machine()}: {len(files)} "
            f"ValidatingAdmissionPolicies with their Bindings over {options.manifests:,} generated "
            f"manifests, every decision reported, nothing cached; median of {options.repeat} runs, "
            "start-up included.",
            "",
            "| policies | resources | evaluations | seconds | CPU s |",
            "|---:|---:|---:|---:|---:|",
            f"| {summary['policies']} | {summary['resources']:,} | {summary['evaluations']:,} "
            f"| {statistics.median(run[0] for run in runs):.2f} "
            f"| {statistics.median(run[1] for run in runs):.2f} |",
        ]
    )
    if options.write:
        store.write_section("admission", section)
    print(section)


if __name__ == "__main__":
    main()
