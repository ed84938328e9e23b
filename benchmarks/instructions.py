"""Count the processor's instructions of a cold scan, stage by stage: the same on a busy machine.

    python benchmarks/instructions.py [--manifests 1000]

Times of a shared machine differ by a fifth from run to run; instructions by a thousandth. Each
stage is run up to its end in a process of its own under valgrind (package valgrind), and the
differences are printed, per manifest. What valgrind cannot see is what memory and the kernel cost.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from generate import generate

STAGES = (
    "start", "read", "parse", "digest", "decode", "local policies", "join",
    "local policies, as a worker", "join of rows",
)  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--manifests", type=int, default=1_000)
    parser.add_argument("--stage", type=int, default=-1, help=argparse.SUPPRESS)
    parser.add_argument("--directory", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stage >= 0:
        run(options.directory, STAGES[options.stage])
        return
    if shutil.which("valgrind") is None:
        raise SystemExit("valgrind is not installed")
    with tempfile.TemporaryDirectory() as directory:
        generate(options.manifests, Path(directory))
        run(directory, STAGES[0])  # policies are kept now, and start from the cache
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            counts = list(pool.map(lambda n: instructions(n, directory), range(len(STAGES))))
    total = dict(zip(STAGES, counts, strict=True))
    print(f"start: {total['start'] / 1e6:,.0f} million instructions")
    decoded = total["decode"]
    told = {
        "read": total["read"] - total["start"],
        "parse": total["parse"] - total["read"],
        "digest": total["digest"] - total["parse"],
        "decode": decoded - total["digest"],
        "local policies": total["local policies"] - decoded,
        "join": total["join"] - total["local policies"],
        "local policies, as a worker": total["local policies, as a worker"] - decoded,
        "join of rows": total["join of rows"] - total["local policies, as a worker"],
    }
    for stage, count in told.items():
        print(f"{stage}: {count / options.manifests / 1e3:,.0f} thousand a manifest")


def instructions(stage: int, directory: str) -> int:
    """Return how many instructions a process executes until the end of a stage."""
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={os.devnull}"]
    command += [sys.executable, __file__, "--stage", str(stage), "--directory", directory]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "0"},
    )
    found = re.search(r"Collected : (\d+)", done.stderr)
    if found is None:
        raise SystemExit(f"valgrind said no count:\n{done.stderr}")
    return int(found[1])


def run(directory: str, until: str) -> None:
    """Scan a directory until the end of a stage."""
    import gc

    from kpolicy.engine.digest import print_of
    from kpolicy.engine.intake import intake
    from kpolicy.engine.join import join_rows, join_whole
    from kpolicy.engine.local import local_phase, settings_of
    from kpolicy.engine.outside import world_of
    from kpolicy.engine.plan import make_plan
    from kpolicy.engine.request import ScanRequest
    from kpolicy.engine.settings import effective_config
    from kpolicy.manifests import load
    from kpolicy.manifests.loader import read_bytes
    from kpolicy.plugins.manager import make_toolbox
    from kpolicy.snapshot.resource import resource_from

    gc.disable()
    toolbox = make_toolbox((), False)
    request = ScanRequest(targets=(directory,), isolated=True)
    config = effective_config(request, toolbox)
    plan, settings = make_plan(toolbox, request, config), settings_of(request)
    found = intake(request, toolbox, config)
    reached = STAGES.index(until)
    if reached == 0:
        return
    if until == "read":
        for file in found.files:
            read_bytes(file, request.limits)
        return
    if reached <= STAGES.index("decode"):
        for file in found.files:
            for document in load(file, request.limits).documents:
                if until in ("digest", "decode"):
                    print_of(document.body)
                if until == "decode":
                    resource_from(document, plan.kinds)
        return
    rows = reached >= STAGES.index("local policies, as a worker")
    tally = local_phase(plan, settings, found.files, keep_bodies=not rows, at_hand=True)
    if until in ("join", "join of rows"):
        files = {file.path: file for file in found.files}
        world = world_of(config, tally, plan.kinds, files)
        (join_rows if rows else join_whole)(plan, settings, tally, files, world)


if __name__ == "__main__":
    main()
