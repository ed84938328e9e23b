"""`kpolicy lint`: a scan by kube-linter's checks, its configuration and its selection rules.

Source: kube-linter's documentation of its command line and configuration file.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kpolicy.compat import with_custom_checks
from kpolicy.compat.kube_linter_checks import PACK, TEMPLATE_ONLY, builtin_checks
from kpolicy.compat.kube_linter_report import FAILED_TO_LOAD, LOAD_REMEDIATION, Check, Entry
from kpolicy.compat.kube_linter_templates import Template, templates
from kpolicy.config.model import Config
from kpolicy.errors import ConfigError, Problem, UsageError
from kpolicy.location import SourceLocation
from kpolicy.policy.model import Policy, Violation
from kpolicy.strict.suggest import did_you_mean

if TYPE_CHECKING:
    from kpolicy.engine.request import Toolbox
    from kpolicy.findings import Finding, Report
    from kpolicy.snapshot.resource import Resource
    from kpolicy.snapshot.snapshot import Snapshot

#: The configuration files that kube-linter looks for, in the working directory alone.
CONFIG_NAMES = (".kube-linter.yaml", ".kube-linter.yml")
#: kube-linter's check that downloads schemas; here the pack `schema` does that work.
SCHEMA_CHECK = "schema-validation"
#: Finds the objects that kube-linter cannot load.
_UNREADABLE = FAILED_TO_LOAD
_SCHEMA_POLICIES = ("schema-violation", "unknown-field")
#: The checks that share a template with another whose policy stands for the template.
_SHARING = {"docker-sock": "host-mounts", "access-to-create-pods": "access-to-resources"}


@dataclass(frozen=True, slots=True)
class Choice:
    """Flags that were given; None = not given, and the configuration decides."""

    add_all: bool | None = None
    no_defaults: bool | None = None
    include: tuple[str, ...] | None = None
    exclude: tuple[str, ...] | None = None
    ignore_paths: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Lint:
    """What to run: the toolbox with custom checks, the checks by name, and what to leave out."""

    toolbox: Toolbox
    checks: tuple[Check, ...]
    policies: tuple[str, ...]
    """Ids of the policies to select."""
    ignore_paths: tuple[str, ...]
    notes: tuple[str, ...] = ()


def find_config(given: str) -> str:
    """Return the configuration file to read: the one that is named, or the working directory's."""
    return given or next((name for name in CONFIG_NAMES if Path(name).is_file()), "")


def prepare(toolbox: Toolbox, config: Config, choice: Choice) -> Lint:
    """Return what to run. A flag that is given replaces the configuration's value.

    Raises `ConfigError` or `UsageError` for unknown checks and templates.
    """
    builtin = builtin_checks(toolbox)
    custom = {str(check.get("name", "")): check for check in config.checks}
    toolbox, config = with_custom_checks(toolbox, config)
    policies = {policy.id: policy for policy in toolbox.policies if policy.id in custom}
    known = checks_of(builtin)
    for name, check in custom.items():
        known[name] = _custom(check, policies[name])
    chosen = _chosen(known, custom, config, choice)
    notes = list(config.notes)
    ids = [name for name in chosen if name != SCHEMA_CHECK]
    if SCHEMA_CHECK in chosen:
        schema = [p.id for p in toolbox.policies if p.id in _SCHEMA_POLICIES]
        ids.extend(schema)
        if not schema:
            notes.append(f"{SCHEMA_CHECK} is not run: its policies are not there")
    given = choice.ignore_paths
    return Lint(
        _with_loading(toolbox),
        tuple(known[name] for name in chosen),
        tuple(ids),
        config.paths_exclude if given is None else given,
        tuple(notes),
    )


def _chosen(
    known: Mapping[str, Check], custom: Iterable[str], config: Config, choice: Choice
) -> list[str]:
    no_defaults = not config.defaults if choice.no_defaults is None else choice.no_defaults
    add_all = PACK in config.packs if choice.add_all is None else choice.add_all
    custom = set(custom)
    chosen = set(custom)
    for name, check in known.items():
        if name not in custom and (add_all or (check.default and not no_defaults)):
            chosen.add(name)
    # with_custom_checks put the custom checks into `include` already.
    written = [name for name in config.include if name not in custom]
    include = written if choice.include is None else choice.include
    exclude = config.exclude if choice.exclude is None else choice.exclude
    unknown = [name for name in include if name not in known and name not in exclude]
    if unknown:
        from_config = choice.include is None
        raise (ConfigError if from_config else UsageError)(
            *(_unknown(name, known, config if from_config else None) for name in unknown)
        )
    chosen.update(include)
    chosen.difference_update(exclude)
    return sorted(chosen)


def _unknown(name: str, known: Mapping[str, Check], config: Config | None) -> Problem:
    at = None
    if config is not None:
        number = config.include.index(name)
        at = config.origins.get(f"include.{number}") or SourceLocation(config.path)
    hint = did_you_mean(name, known) or "`kpolicy lint checks list` shows the checks"
    return Problem(f'there is no check "{name}"', at, hint)


def checks_of(builtin: Mapping[str, Policy]) -> dict[str, Check]:
    """Return kube-linter's built-in checks by name, sorted."""
    by_policy = {template.policy: template for template in templates().values()}
    by_key = templates()
    found = {
        SCHEMA_CHECK: Check(
            SCHEMA_CHECK,
            "Manifests are held to the schemas of their kinds.",
            "Correct the field that the message names.",
            "kubeconform",
            ("Any",),
            {"ignoreMissingSchemas": True, "strict": True},
        )
    }
    for name, policy in builtin.items():
        if name in TEMPLATE_ONLY:
            continue
        template = by_key[_SHARING[name]] if name in _SHARING else by_policy[name]
        found[name] = Check(
            name,
            one_paragraph(policy.description),
            one_paragraph(policy.remediation),
            template.key,
            _scope_names(policy, template),
            {p.name: p.default for p in policy.params if _is_set(p.default)},
            policy.default,
        )
    return dict(sorted(found.items()))


def one_paragraph(text: str) -> str:
    """Return a text without line breaks."""
    return " ".join(text.split())


def _is_set(value: Any) -> bool:
    return not (value is None or value == "" or value == [])


#: Where the scope of a built-in check is wider or narrower than its template's.
_SCOPES = {
    "dangling-networkpolicy": ("NetworkPolicy",),
    "dangling-networkpolicypeer-podselector": ("NetworkPolicy",),
    "dangling-service": ("Service",),
    "non-isolated-pod": ("DeploymentLike",),
    "required-annotation-email": ("DeploymentLike",),
    "required-label-owner": ("DeploymentLike",),
    "access-to-secrets": ("ClusterRoleBinding", "RoleBinding"),
    "access-to-create-pods": ("ClusterRoleBinding", "RoleBinding"),
    "wildcard-in-rules": ("ClusterRole", "Role"),
}


def _scope_names(policy: Policy, template: Template) -> tuple[str, ...]:
    return _SCOPES.get(policy.id, template.supported)


def _custom(check: Mapping[str, Any], policy: Policy) -> Check:
    kinds = check.get("objectKinds")
    given = {k: v for k, v in (check.get("params") or {}).items() if v is not None}
    scoped = "scope" in (check.get("places") or {})
    return Check(
        policy.id,
        str(check.get("description", "")),
        str(check.get("remediation", "")),
        str(check.get("template", "")),
        tuple(kinds or ()) if scoped else None,
        given,
    )


def _wrong_type(
    resource: Resource, snapshot: Snapshot, params: Mapping[str, Any]
) -> Iterable[Violation]:
    if resource.decoding == "wrong-type":
        told = (p for p in resource.problems if p.kind == "invalid-field-type")
        problem = next(told, None)
        yield Violation(problem.message, problem.pointer) if problem else Violation("wrong type")


def _with_loading(toolbox: Toolbox) -> Toolbox:
    """Return the toolbox with a policy that finds what kube-linter cannot load."""
    policy = Policy(id=_UNREADABLE, check=_wrong_type, metadata=MappingProxyType({"local": True}))
    return replace(toolbox, policies=(*toolbox.policies, policy))


def selected(lint: Lint) -> tuple[str, ...]:
    """Return the ids and globs to select: the checks, and what finds unreadable objects."""
    return (*lint.policies, _UNREADABLE)


def entries_of(
    report: Report, lint: Lint, resolve: Any, invalid: bool, lines: Any
) -> tuple[list[Entry], list[Entry], int]:
    """Return the reports, the objects that could not be loaded, and how many could be.

    `resolve` makes a shown path absolute; with `invalid` what could not be loaded is reported too;
    `lines` gives the lines of a file by its shown path.
    """
    document = _Documents(lines)
    names = {check.name: check for check in lint.checks}
    found = [
        _entry(f, names, resolve, document) for f in report.findings if f.policy != _UNREADABLE
    ]
    unreadable: dict[tuple[str, int, str], Entry] = {}
    broken: set[tuple[str, Any]] = set()
    for finding in (*report.findings, *report.suppressed):
        if finding.policy == _UNREADABLE:
            broken.add((finding.place.location.path, finding.resource))
            entry = _unreadable(finding, resolve)
            unreadable.setdefault((entry.path, entry.line, entry.message), entry)
    for item in report.invalid:
        path, line = resolve(item.location.path), item.location.line
        entry = Entry(FAILED_TO_LOAD, item.message, LOAD_REMEDIATION, path, line=line)
        unreadable.setdefault((path, line, item.message), entry)
    loaded = report.summary.resources - len(broken)
    invalid_entries = sorted(unreadable.values(), key=lambda e: (e.path, e.line))
    ordered = in_order(_one_each(found))
    return (ordered + invalid_entries if invalid else ordered), invalid_entries, loaded


def _one_each(entries: Iterable[Entry]) -> list[Entry]:
    """Return the reports with one schema report for each object, as kube-linter has it."""
    kept: list[Entry] = []
    seen: set[tuple[Any, ...]] = set()
    for entry in entries:
        if entry.check == SCHEMA_CHECK:
            key = (entry.path, entry.document, entry.kind, entry.namespace, entry.name)
            if key in seen:
                continue
            seen.add(key)
        kept.append(entry)
    return kept


class _Documents:
    """Tells the YAML documents of files apart by their lines."""

    def __init__(self, lines: Any) -> None:
        self._lines = lines
        self._breaks: dict[str, list[int]] = {}

    def __call__(self, location: SourceLocation) -> int:
        """Return the number of the document that a line is in."""
        path = location.path
        if path not in self._breaks:
            self._breaks[path] = [
                number for number, text in enumerate(self._lines(path), 1) if text.startswith("---")
            ]
        return bisect_left(self._breaks[path], location.line)


def _entry(
    finding: Finding, checks: Mapping[str, Check], resolve: Any, document: _Documents
) -> Entry:
    check = checks.get(finding.policy)
    ref = finding.resource
    return Entry(
        finding.policy if check is not None else SCHEMA_CHECK,
        finding.message,
        check.remediation if check is not None else one_paragraph(finding.remediation),
        resolve(finding.place.location.path),
        ref.namespace,
        ref.name,
        ref.api_version,
        ref.kind,
        finding.place.location.line,
        document(finding.place.location),
    )


def _unreadable(finding: Finding, resolve: Any) -> Entry:
    location = finding.place.location
    return Entry(
        FAILED_TO_LOAD, finding.message, LOAD_REMEDIATION, resolve(location.path),
        line=location.line,
    )  # fmt: skip


def in_order(entries: Sequence[Entry]) -> list[Entry]:
    """Return the reports in kube-linter's order: directory, file, object, check."""

    def object_of(entry: Entry) -> tuple[Any, ...]:
        identity = (entry.api_version, entry.kind, entry.namespace, entry.name)
        return (entry.path, entry.document, *identity)

    first: dict[tuple[Any, ...], int] = {}
    for entry in entries:
        key = object_of(entry)
        first[key] = min(first.get(key, entry.line), entry.line)

    def position(entry: Entry) -> tuple[Any, ...]:
        key = object_of(entry)
        return (entry.path.rpartition("/")[0], entry.path, first[key], key, entry.check)

    return sorted(entries, key=position)


def read_config(path: str) -> Config:
    """Return the configuration in a file of any name; the defaults where `path` is "".

    Raises `ConfigError`.
    """
    if not path:
        return Config()
    from kpolicy.config.loader import parse

    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(Problem("not UTF-8 text", SourceLocation(path))) from error
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
        raise ConfigError(Problem(what, SourceLocation(path))) from error
    return parse(path, text, kube_linter=True)
