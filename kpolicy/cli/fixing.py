"""`kpolicy scan --fix` and `--diff`: scan, mend, and scan again until nothing changes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import click

from kpolicy.findings import UNFIXED, Finding, Report
from kpolicy.fixes.edit import edit_file
from kpolicy.fixes.files import Overlay, OverlaySource, unified_diff, write_back
from kpolicy.location import SourceLocation
from kpolicy.manifests.model import Note

if TYPE_CHECKING:
    from kpolicy.cli.outputs import Output
    from kpolicy.engine.request import ScanRequest, Toolbox

__all__ = ["Mended", "mend", "show_diff"]

#: After so many rounds of scanning and mending, what is left stays.
ROUNDS = 50

Scan = Callable[["ScanRequest", "Toolbox"], Report]


class Mended(NamedTuple):
    """What came of mending."""

    report: Report
    """What remains; where nothing was to be written, what was found."""
    diff: str
    files: int
    """How many files differ."""


class _Done(NamedTuple):
    """A fix that was made."""

    path: str
    fingerprint: str


def mend(request: ScanRequest, toolbox: Toolbox, scan: Scan, write: bool) -> Mended:
    """Scan and mend what can be mended, in memory at first; with `write`, in the files as well.

    Policies see each other's fixes: the input is scanned again until no fix is left. Without
    `write` the report is the first scan's. Raises what scanning raises.
    """
    overlay = Overlay()
    sources = tuple(OverlaySource(source, overlay) for source in toolbox.sources)
    laid = replace(toolbox, sources=sources)
    first = report = scan(request, laid)
    done: list[_Done] = []
    made: set[tuple[str, str, str]] = set()
    notes: list[Note] = []
    for _ in range(ROUNDS):
        notes = []
        changed = False
        for path, findings in _fixable(report).items():
            changed |= _edit(overlay, path, findings, done, made, notes)
        if not changed:
            break
        report = scan(request, laid)
    notes += _unfixed(report)
    paths = {o.filename: path for path, o in overlay.origins.items() if o.filename in overlay.data}
    diff = ""
    failed = False
    for filename, path in sorted(paths.items(), key=lambda pair: pair[1]):
        problem = write_back(overlay.origins[path], overlay.data[filename]) if write else ""
        if problem:
            notes.append(Note(f"not fixed: {problem}", _file(path)))
            done = [one for one in done if one.path != path]
            del overlay.data[filename]
            failed = True
        else:
            diff += unified_diff(path, overlay.before[filename], overlay.data[filename])
    if failed:
        report = scan(request, laid)
    if not write:
        return Mended(_with_notes(first, notes), diff, len(overlay.data))
    left = {(f.place.location.path, f.fingerprint) for f in report.findings}
    fixed = sum(1 for one in done if (one.path, one.fingerprint) not in left)
    report = replace(report, summary=replace(report.summary, fixed=fixed))
    return Mended(_with_notes(report, notes), diff, len(overlay.data))


def _unfixed(report: Report) -> list[Note]:
    """Return a note on the fixes that are not made since nobody wrote what they would mend."""
    places = sorted({f.place.location for f in report.findings if UNFIXED in f.details})
    if not places:
        return []
    count = f"{len(places)} places are" if len(places) > 1 else "1 place is"
    return [
        Note(f"{count} not mended: what is wrong there was rendered, and is not written as it is "
             "in one file", places[0])
    ]  # fmt: skip


def _with_notes(report: Report, notes: list[Note]) -> Report:
    return replace(report, notes=tuple(dict.fromkeys((*report.notes, *notes))))


def _fixable(report: Report) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for finding in report.findings:
        if finding.fix is not None and finding.outcome == "fail":
            found.setdefault(finding.place.location.path, []).append(finding)
    return found


def _edit(
    overlay: Overlay,
    path: str,
    findings: list[Finding],
    done: list[_Done],
    made: set[tuple[str, str, str]],
    notes: list[Note],
) -> bool:
    """Make the fixes of one file in the overlay; return whether its text has changed."""
    data = overlay.current(path)
    if isinstance(data, str):
        notes.append(Note(f"not fixed: {data}", _file(path)))
        return False
    wanted = []
    for finding in findings:
        assert finding.fix is not None
        if _key(path, finding) in made:
            _refuse(notes, finding, "its fix was made, and has not mended it")
        else:
            wanted.append(finding)
    if not wanted:
        return False
    edited = edit_file(path, data, [f.fix for f in wanted if f.fix is not None])
    for number, why in edited.refused:
        _refuse(notes, wanted[number], why)
    for number in edited.made:
        made.add(_key(path, wanted[number]))
        done.append(_Done(path, wanted[number].fingerprint))
    if edited.data == data:
        return False
    overlay.data[overlay.origins[path].filename] = edited.data
    return True


def _key(path: str, finding: Finding) -> tuple[str, str, str]:
    return path, finding.policy, repr(finding.fix)


def _refuse(notes: list[Note], finding: Finding, why: str) -> None:
    notes.append(Note(f"{finding.policy} is not fixed: {why}", finding.place.location))


def _file(path: str) -> SourceLocation:
    return SourceLocation(path)


_STYLES = {"+": "32", "-": "31", "@": "36"}


def show_diff(diff: str, outputs: Sequence[Output], color: str) -> None:
    """Print the diff before a text report; to standard error where a program reads the other."""
    from kpolicy.cli.files import write_stdout
    from kpolicy.cli.outputs import is_terminal, wants_color
    from kpolicy.reporters.rendering import clean

    to_program = any(not output.path and output.reporter.name != "text" for output in outputs)
    stream = sys.stderr if to_program else sys.stdout
    if is_terminal(stream):
        diff = clean(diff)
    if wants_color(color, stream):
        lines = diff.splitlines()
        diff = "".join(
            f"\x1b[{_STYLES[line[0]]}m{line}\x1b[0m\n" if line[:1] in _STYLES else f"{line}\n"
            for line in lines
        )
    if to_program:
        click.echo(diff.encode("utf-8", "surrogateescape"), err=True)
    else:
        write_stdout(f"{diff}\n")
