"""`--format` and `--output`, paired by position: which report goes where."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kpolicy.errors import PluginError, Problem, UsageError
from kpolicy.records import dataclass

if TYPE_CHECKING:
    from kpolicy.findings import Report
    from kpolicy.plugins.manager import PluginHost
    from kpolicy.reporters.model import ReportContext, Reporter

#: The format that a file's name asks for, where `--output` comes without `--format`.
BY_SUFFIX = {
    ".json": "json", ".sarif": "sarif", ".md": "markdown", ".csv": "csv", ".html": "html",
    ".txt": "text",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Output:
    """One report to write; `path` "" = standard output."""

    reporter: Reporter
    path: str = ""


def pair(
    formats: Sequence[str], paths: Sequence[str], reporters: Sequence[Reporter]
) -> list[Output]:
    """Return the outputs that `--format F` and `--output FILE` mean.

    The n-th format goes to the n-th file; formats without a file go to standard output, which
    takes one. A file without a format gets the one its name ends in, else text.
    Raises `UsageError`.
    """
    known = {reporter.name: reporter for reporter in reporters}
    names = list(formats)
    for path in paths[len(names) :]:
        wanted = BY_SUFFIX.get(Path(path).suffix.lower(), "text")
        names.append(wanted if wanted in known else "text")
    if not names:
        names = ["text"]
    for name in names:
        if name not in known:
            from kpolicy.strict.suggest import did_you_mean

            hint = did_you_mean(name, known) or f"formats: {', '.join(known)}"
            raise UsageError(Problem(f'--format: there is no format "{name}"', None, hint))
    places = [path if path != "-" else "" for path in paths]
    places += [""] * (len(names) - len(places))
    if places.count("") > 1:
        raise UsageError(
            Problem(
                "several formats would go to standard output",
                None,
                "give each --format but one its --output FILE; they are paired by position",
            )
        )
    files = [os.path.realpath(place) for place in places if place]
    for number, file in enumerate(files):
        if file in files[:number] and file != os.path.realpath(os.devnull):
            raise UsageError(Problem(f"two reports would go to {file}"))
    return [Output(known[name], place) for name, place in zip(names, places, strict=True)]


def write(
    outputs: Sequence[Output], report: Report, contexts: dict[bool, ReportContext], host: PluginHost
) -> list[Problem]:
    """Write every output; return what went wrong. One that fails does not keep back the others.

    `contexts` holds the context for standard output (True) and for files (False).
    """
    from kpolicy.cli.files import write_file, write_stdout

    problems: list[Problem] = []
    for output in outputs:
        try:
            text = render(output.reporter, report, contexts[not output.path], host)
            if output.path:
                write_file(output.path, text)
            else:
                write_stdout(text)
        except (PluginError, UsageError) as error:
            problems += error.problems
    return problems


def render(reporter: Reporter, report: Report, context: ReportContext, host: PluginHost) -> str:
    """Return what a reporter makes of a report. Raises `PluginError` when a plugin's one fails."""
    owner = host.owner("kpolicy_reporters", reporter.name)
    if owner in ("", "kpolicy"):
        return reporter.render(report, context)
    label = f'plugin "{owner}", hook kpolicy_reporters: reporter "{reporter.name}"'
    from kpolicy.engine.deadline import DidNotReturn
    from kpolicy.engine.supervision import Ended, supervised

    unit = host.calls.unit(label)

    def work() -> object:
        with host.calls.call(unit):
            return reporter.render(report, context)

    try:
        text = supervised(host.calls, work)
    except (Ended, DidNotReturn):
        raise PluginError from None  # recorded with the plugins' other problems
    except (Exception, SystemExit) as error:
        from kpolicy.plugins.importing import describe

        raise PluginError(Problem(f"{label} failed: {describe(error)}")) from error
    if not isinstance(text, str):
        raise PluginError(Problem(f"{label} returned a {type(text).__name__}, expected str"))
    return text


def wants_color(choice: str, stream: object) -> bool:
    """Return whether to colour: `always`, `never`, or `auto` as the terminal and environment say.

    NO_COLOR (no-color.org) and FORCE_COLOR are heard, and a dumb terminal gets none.
    """
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"


def is_terminal(stream: object) -> bool:
    """Return whether a stream is a terminal; a closed or replaced one is none."""
    try:
        return bool(stream.isatty())  # type: ignore[attr-defined]
    except (AttributeError, ValueError):
        return False


def terminal_width() -> int:
    """Return the width of the terminal on standard output, 0 when it is none."""
    if not is_terminal(sys.stdout):
        return 0
    import shutil

    return shutil.get_terminal_size().columns
