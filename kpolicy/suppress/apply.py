"""Which findings are reported, which are suppressed by what, and which suppressions did nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from fnmatch import translate

from kpolicy.config.model import Config, ConfigSuppression
from kpolicy.findings import Finding, ResourceRef, Suppression
from kpolicy.location import SourceLocation
from kpolicy.manifests.model import Note
from kpolicy.records import dataclass
from kpolicy.suppress.annotations import Ignore
from kpolicy.suppress.comments import Comment, comments_of, covering


@dataclass(frozen=True, slots=True)
class Annotated:
    """A resource that carries suppressing annotations."""

    resource: ResourceRef
    location: SourceLocation
    ignores: tuple[Ignore, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """All that can suppress, as far as it is known before the findings are."""

    config: Config
    baseline: frozenset[str] = frozenset()
    baseline_is_the_trees: bool = False
    """Whether the scanned tree's author can write it: then it silences no enforced policy."""
    today: date | None = None
    enabled: bool = True
    """False = a security run: nothing but the baseline suppresses."""
    relative_path: Callable[[str], str] = str
    """From a shown path to the one that the configuration's globs are held against."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the findings."""

    reported: tuple[Finding, ...]
    suppressed: tuple[Finding, ...]
    notes: tuple[Note, ...] = ()
    unused: tuple[Note, ...] = ()


def apply(
    findings: Sequence[Finding],
    annotated: Mapping[tuple[str, int, str], Annotated],
    anchors: Sequence[tuple[str, int, str]],
    rules: Rules,
    read_lines: Callable[[str], Sequence[str]],
) -> Outcome:
    """Return what is reported and what is suppressed.

    `anchors[i]` = (path, document, pointer) of the resource of `findings[i]`, a key of `annotated`
    where that resource has suppressing annotations. `read_lines` gives a scanned file's text; it is
    asked only for files with findings. Passes and skips are never suppressed.
    """
    work = _Applying(rules, annotated, read_lines)
    reported: list[Finding] = []
    suppressed: list[Finding] = []
    for finding, anchor in zip(findings, anchors, strict=True):
        found = work.suppression(finding, anchor)
        if found is None:
            reported.append(finding)
        else:
            suppressed.append(replace(finding, suppression=found))
    return Outcome(tuple(reported), tuple(suppressed), tuple(work.notes), tuple(work.unused()))


class _Applying:
    def __init__(
        self,
        rules: Rules,
        annotated: Mapping[tuple[str, int, str], Annotated],
        read_lines: Callable[[str], Sequence[str]],
    ) -> None:
        self.rules = rules
        self.annotated = annotated
        self.read_lines = read_lines
        self.notes: list[Note] = []
        self.lines: dict[str, Sequence[str]] = {}
        self.comments: dict[str, dict[int, Comment]] = {}
        self.used: set[object] = set()
        today = rules.today or date.today()
        self.config = [
            _ConfigRule(rule, number)
            for number, rule in enumerate(rules.config.suppressions)
            if not rule.until or date.fromisoformat(rule.until) >= today
        ]
        self.expired = [
            _ConfigRule(rule, number)
            for number, rule in enumerate(rules.config.suppressions)
            if rule.until and date.fromisoformat(rule.until) < today
        ]

    def suppression(self, finding: Finding, anchor: tuple[str, int, str]) -> Suppression | None:
        if finding.outcome not in ("fail", "error"):
            return None
        found = None
        if self.rules.enabled:
            found = self._by_config(finding)
            own = self._by_annotation(finding, anchor) or self._by_comment(finding)
            if own is not None and self.rules.config.enforces(finding.policy):
                self._refuse(own.kind, finding, own.location)
                own = None
            if own is not None and self.rules.config.require_reasons and not own.reason:
                message = f'the {own.kind} that silences "{finding.policy}" gives no reason'
                self.notes.append(Note(message, own.location or finding.place.location))
                own = None
            found = found or own
        if found is None and finding.fingerprint in self.rules.baseline:
            found = Suppression("baseline")
            if self.rules.baseline_is_the_trees and self.rules.config.enforces(finding.policy):
                self._refuse("baseline", finding, None)
                found = None
        if found is None and self.expired and self.rules.enabled:
            self._recall(finding)
        return found

    def _recall(self, finding: Finding) -> None:
        """Say of a finding that was suppressed until a day that has passed."""
        path = self.rules.relative_path(finding.place.location.path)
        for rule in self.expired:
            if rule.covers(finding, path):
                self.used.add(rule.number)
                message = f'the suppression of "{finding.policy}" ended on {rule.rule.until}'
                self.notes.append(Note(message, rule.rule.location))

    def _refuse(self, what: str, finding: Finding, at: SourceLocation | None) -> None:
        message = f'"{finding.policy}" is enforced; the {what} that would silence it does not count'
        self.notes.append(Note(message, at or finding.place.location))

    def _by_annotation(self, finding: Finding, anchor: tuple[str, int, str]) -> Suppression | None:
        entry = self.annotated.get(anchor)
        if entry is None:
            return None
        for ignore in entry.ignores:
            if ignore.covers(finding.policy):
                self.used.add((anchor, ignore.key))
                return Suppression("annotation", ignore.reason, entry.location)
        return None

    def _by_comment(self, finding: Finding) -> Suppression | None:
        at = finding.place.location
        if not at.line:
            return None
        lines = self.lines.get(at.path)
        if lines is None:
            lines = self.lines[at.path] = self.read_lines(at.path)
            self.comments[at.path] = comments_of(lines)
        comments = self.comments[at.path]
        if not comments:
            return None
        comment = covering(comments, lines, at.line, finding.policy)
        if comment is None:
            return None
        self.used.add((at.path, comment.line))
        return Suppression("comment", comment.reason, SourceLocation(at.path, comment.line, 1))

    def _by_config(self, finding: Finding) -> Suppression | None:
        path = self.rules.relative_path(finding.place.location.path)
        for rule in self.config:
            if rule.covers(finding, path):
                if self.rules.config.guards(finding.policy):
                    # The note that this is tried is made where the configuration is read.
                    return None
                self.used.add(rule.number)
                return Suppression("config", rule.rule.reason, rule.rule.location)
        return None

    def unused(self) -> list[Note]:
        """Return a note for each suppression that did nothing; comments of read files only."""
        notes = []
        for anchor, entry in self.annotated.items():
            notes += [
                Note(
                    f"annotation {ignore.key} of {entry.resource} suppresses nothing",
                    entry.location,
                )
                for ignore in entry.ignores
                if (anchor, ignore.key) not in self.used
            ]
        for path, comments in self.comments.items():
            notes += [
                Note(
                    f"the comment that ignores {', '.join(comment.patterns)} suppresses nothing",
                    SourceLocation(path, line, 1),
                )
                for line, comment in comments.items()
                if (path, line) not in self.used
            ]
        notes += [
            Note("the suppression suppresses nothing", rule.rule.location)
            for rule in self.config
            if rule.number not in self.used
        ]
        notes += [
            Note(f"the suppression ended on {rule.rule.until}", rule.rule.location)
            for rule in self.expired
            if rule.number not in self.used
        ]
        return notes


class _ConfigRule:
    """A suppression of the configuration with its globs made ready."""

    def __init__(self, rule: ConfigSuppression, number: int) -> None:
        self.rule = rule
        self.number = number
        self._parts = [
            _either(globs) for globs in (rule.policies, rule.kinds, rule.namespaces, rule.names)
        ]
        self._paths = _path_pattern(rule.paths)

    def covers(self, finding: Finding, path: str) -> bool:
        resource = finding.resource
        values = (finding.policy, resource.kind, resource.namespace, resource.name)
        for pattern, value in zip(self._parts, values, strict=True):
            if pattern is not None and not pattern.match(value):
                return False
        return self._paths is None or self._paths.match(path) is not None


def _either(globs: Sequence[str]) -> re.Pattern[str] | None:
    return re.compile("|".join(translate(g) for g in globs)) if globs else None


def _path_pattern(globs: Sequence[str]) -> re.Pattern[str] | None:
    """Return what matches paths: `dir`, `dir/**`, `*.yaml`; `*` stays in one directory."""
    return re.compile("|".join(path_glob(g) for g in globs)) if globs else None


def path_glob(glob: str) -> str:
    """Return the regular expression of a path glob; a directory stands for all below it."""
    text = glob.strip("/").removeprefix("./").removesuffix("/**")
    out = []
    index = 0
    while index < len(text):
        if text.startswith("**/", index):
            out.append("(?:.*/)?")
            index += 3
        elif text.startswith("**", index):
            out.append(".*")
            index += 2
        elif text[index] == "*":
            out.append("[^/]*")
            index += 1
        elif text[index] == "?":
            out.append("[^/]")
            index += 1
        else:
            out.append(re.escape(text[index]))
            index += 1
    anywhere = "" if "/" in glob.strip("/") or glob.startswith("/") else "(?:.*/)?"
    return f"{anywhere}{''.join(out)}(?:/.*)?\\Z"
