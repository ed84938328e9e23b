"""Draw findings of the default set, to be judged by hand: rows of docs/real-manifests.md.

    python scripts/draw_findings.py ../shared/real-manifests --count 50 --seed 20261121

Each finding's place in the draw is a hash of the seed and what the finding is, so that a finding
more or less elsewhere does not change the others' luck. What the file says at the finding's line is
printed under each row; the verdict is the reader's.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import kpolicy
from kpolicy.findings import Finding


def draw(findings: list[Finding], root: Path, count: int, seed: int) -> list[Finding]:
    """Return `count` of the findings, by file and line; `root` is cut from their paths."""

    def luck(finding: Finding) -> bytes:
        text = f"{seed} {finding.fingerprint} {relative(finding, root)}"
        return hashlib.sha256(text.encode()).digest()

    drawn = sorted(findings, key=luck)[:count]
    return sorted(drawn, key=lambda f: (relative(f, root), f.place.location.line, f.policy))


def relative(finding: Finding, root: Path) -> str:
    """Return the finding's path below `root`."""
    path = Path(finding.place.location.path)
    return path.resolve().relative_to(root.resolve()).as_posix()


def main() -> None:
    """Print the drawn findings as rows of a Markdown table, each with the line it points at."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("root", type=Path)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--seed", type=int, default=20261121)
    options = parser.parse_args()
    findings = list(kpolicy.scan([str(options.root)], isolated=True).findings)
    for number, finding in enumerate(draw(findings, options.root, options.count, options.seed), 1):
        path, line = relative(finding, options.root), finding.place.location.line
        text = (options.root / path).read_text(encoding="utf-8").splitlines()[line - 1]
        print(f"| {number} | {path} | {line} | {finding.policy} |  |  |")
        print(f"    {finding.message}\n    > {text}")
    print(f"{options.count} of {len(findings)} findings")


if __name__ == "__main__":
    main()
