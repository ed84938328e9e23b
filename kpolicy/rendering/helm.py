"""`helm template` on the copy of a chart."""

from __future__ import annotations

import re
from pathlib import Path

from kpolicy.location import SourceLocation
from kpolicy.manifests.model import Rendered
from kpolicy.manifests.places import numbered
from kpolicy.rendering.charts import CHART
from kpolicy.rendering.jobs import Failure, HelmJob, Output
from kpolicy.rendering.programs import Failed, Programs
from kpolicy.rendering.scratch import Scratch
from kpolicy.rendering.tree import FileTree, Unreadable

__all__ = ["render_chart"]

_SET_FILE = "--set-file"
_SOURCE = re.compile(r"^# Source: (?P<path>\S.*)$", re.MULTILINE)
#: `... (web/templates/a.yaml:3:5): ...` and `YAML parse error on web/templates/a.yaml: ...`.
_AT_COLUMN = re.compile(
    r"\(?(?P<path>[^\s():]+/templates/[^\s():]+):(?P<line>\d+)(?::(?P<column>\d+))?"
)
_PARSE_ERROR = re.compile(r"YAML parse error on (?P<path>[^\s:]+):")
_MISSING = re.compile(r"found in Chart.yaml, but missing in charts/ directory")
_DEBUG = re.compile(r"\n*Use --debug flag to render out invalid YAML\s*\Z")


def render_chart(job: HelmJob, tree: FileTree, root: Path, programs: Programs) -> Output | Failure:
    """Render a chart in the empty directory `root`."""
    scratch = Scratch(root, tree)
    try:
        given = [text.partition("=")[2] for flag, text in job.parameters if flag == _SET_FILE]
        scratch.copy((job.chart, *job.values, *given))
    except Unreadable as error:
        return Failure.at(SourceLocation(tree.shown(error.name)), str(error))
    command = [programs.found.helm, "template", *_arguments(job, scratch)]
    try:
        data = programs.run(command, scratch.files, scratch.home)
    except Failed as error:
        return _failure(job, tree, scratch, str(error))
    return Output(data, _origins(job, tree, scratch, data))


def _arguments(job: HelmJob, scratch: Scratch) -> list[str]:
    """Return the arguments of `helm template`.

    Names come from the scanned tree: after `--` none is taken for an option (`--post-renderer`).
    """
    arguments = ["--namespace", job.namespace or "default"]
    if not job.skip_crds:
        arguments.append("--include-crds")
    if job.skip_tests:
        arguments.append("--skip-tests")
    for name in job.values:
        arguments += ["--values", str(scratch.files / name)]
    for number, text in enumerate(job.inline):
        file = scratch.home / f"values-{number}.yaml"
        file.write_text(text, encoding="utf-8")
        arguments += ["--values", str(file)]
    for flag, assignment in job.parameters:
        if flag == _SET_FILE:
            key, _, name = assignment.partition("=")
            assignment = f"{key}={scratch.files / name}"
        arguments += [flag, assignment]
    if job.kube_version:
        arguments += ["--kube-version", job.kube_version]
    for version in job.api_versions:
        arguments += ["--api-versions", version]
    return [*arguments, "--", job.release, str(scratch.files / job.chart)]


def _failure(job: HelmJob, tree: FileTree, scratch: Scratch, words: str) -> Failure:
    """Return why Helm failed, in its words, at the template that it names or the chart."""
    message = scratch.own_words(words).removeprefix("Error: ")
    message = _DEBUG.sub("", message).strip()
    if _MISSING.search(message):
        message += f"; `helm dependency build {tree.shown(job.chart)}` vendors it"
    at = job.at
    found = _AT_COLUMN.search(message) or _PARSE_ERROR.search(message)
    if found is not None:
        name = _source_name(job, scratch, found["path"])
        if name:
            groups = found.groupdict()
            line, column = groups.get("line") or 0, groups.get("column") or 0
            at = SourceLocation(tree.shown(name), int(line), int(column))
    return Failure.at(at, f"helm template: {message}{_of(job)}")


def _of(job: HelmJob) -> str:
    return f" ({job.label})" if job.label else ""


def _source_name(job: HelmJob, scratch: Scratch, source: str) -> str:
    """Return the file that Helm calls `CHART/templates/...`; "" where it is in an archive."""
    inner = source.partition("/")[2]
    name = f"{job.chart}/{inner}" if job.chart else inner
    return name if (scratch.files / name).is_file() else ""


def _origins(job: HelmJob, tree: FileTree, scratch: Scratch, data: bytes) -> Rendered:
    """Return which template each document of the output comes from, by its `# Source:` comment."""
    chart_file = f"{job.chart}/{CHART}" if job.chart else CHART
    texts: dict[str, bytes] = {}
    origins: list[tuple[str, str]] = []
    for chunk, _, count in numbered(data):
        found = _SOURCE.search(chunk.text)
        source = found["path"].strip() if found is not None else ""
        name = _source_name(job, scratch, source) or chart_file
        shown = tree.shown(name)
        if shown not in texts:
            texts[shown] = scratch.read(name) or b""
        origins += [(shown, source)] * count
    return Rendered(
        program="helm",
        subject=tree.shown(job.chart),
        label=job.label,
        entry=tree.shown(chart_file),
        origins=tuple(origins),
        texts=texts,
    )
