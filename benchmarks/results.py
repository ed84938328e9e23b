"""Measure everything and write RESULTS.md and the plots: the one command.

    python benchmarks/results.py [--sizes 1,1000,10000,50000,100000] [--real DIR ...] [--repeat 5]
                                 [--only scan,peers,join,admission,cel] [--anew] [--render]

Runs scan.py, peers.py, join.py, admission.py and cel.py one after the other. What scan.py and
peers.py measured is kept in results.json, so that a run that was stopped goes on; `--anew` measures
all again, and `--render` writes RESULTS.md and the plots from what is there. With the default sizes
it takes an hour or so, most of it for the peers; `--sizes 1,1000` takes some minutes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence

from scan import numbers
from store import HERE

STEPS = ("scan", "peers", "join", "admission", "cel")
#: Above this size nothing is learnt from more runs than one or two.
LARGE = 10_000


def commands(options: argparse.Namespace) -> list[list[str]]:
    """Return the commands to run, in order."""
    sizes = ",".join(map(str, options.sizes))
    repeat = str(options.repeat)
    again = [name for name in ("anew", "render") if getattr(options, name)]
    flags = [f"--{name}" for name in again]
    real = [word for directory in options.real for word in ("--real", directory)]
    given = [word for directory in options.real for word in ("--input", directory)]
    largest = [size for size in options.sizes if size >= 1_000] or [1_000]
    joined = ",".join(map(str, largest))
    files = flat = ",".join(str(size) for size in largest if size <= 50_000) or joined
    steps = {
        "scan": ["--sizes", sizes, "--repeat", repeat, *real, "--write", *flags],
        "peers": ["--sizes", sizes, "--flat", flat, "--repeat", repeat, *given, *flags],
        "join": ["--sizes", joined, "--files", files, "--repeat", "2", "--write"],
        "admission": ["--write"],
        "cel": ["--write"],
    }
    kept = ("scan", "peers")
    return [
        [sys.executable, str(HERE / f"{name}.py"), *steps[name]]
        for name in STEPS
        if name in options.only and (name in kept or not options.render)
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and run the steps; a step that fails ends it with its status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", type=numbers, default=[1, 1_000, 10_000, 50_000, 100_000])
    parser.add_argument("--real", action="append", default=[], metavar="DIR")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(STEPS))
    parser.add_argument("--anew", action="store_true")
    parser.add_argument("--render", action="store_true")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.only if name not in STEPS]
    if unknown:
        parser.error(f"--only: {', '.join(unknown)}: known are {', '.join(STEPS)}")
    for command in commands(options):
        print("+", " ".join(command[1:]).replace(f"{HERE}/", "benchmarks/"), flush=True)
        done = subprocess.run(command)
        if done.returncode:
            raise SystemExit(done.returncode)


if __name__ == "__main__":
    main()
