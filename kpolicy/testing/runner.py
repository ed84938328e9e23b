"""Runs policies' own tests: data in, data out. Used by pytest here and by `kpolicy test`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from kpolicy.errors import PolicyError, Problem
from kpolicy.findings import Finding
from kpolicy.frozen import freeze
from kpolicy.manifests.model import Limits, ManifestFile
from kpolicy.testing.model import Case, CaseResult, Coverage, Expected, TestFile, Unreachable

if TYPE_CHECKING:
    from kpolicy.engine.request import Toolbox
    from kpolicy.policy.compiled import CompiledPolicy
    from kpolicy.policy.model import Policy
    from kpolicy.policy.schema_check import SchemaChecker
    from kpolicy.snapshot.resource import Resource
    from kpolicy.snapshot.snapshot import Snapshot
    from kpolicy.testing.coverage import Observed

#: How a case's inline manifests are called in findings.
INLINE = "<case>"
BASE = "<base>"


class Seen(Protocol):
    """What a case has shown of its policy: a `CaseResult`, or what is left of one."""

    @property
    def policy(self) -> str:
        """The policy's id."""

    @property
    def failed(self) -> frozenset[int]:
        """Validations that found something."""

    @property
    def held(self) -> frozenset[int]:
        """Validations that held."""

    @property
    def taken(self) -> frozenset[tuple[int, str]]:
        """Branches that were taken."""


class PolicyTester:
    """Policies with what they need to run; each is compiled once, when its first case runs.

    `policies` are those that may be tested, `texts` the files they came from (for error places),
    `engine` what evaluates CEL, as in `kpolicy scan --engine`; `branches` = watch which branches
    of expressions the cases take, which about doubles the time.
    """

    def __init__(
        self,
        toolbox: Toolbox,
        policies: Iterable[Policy],
        texts: Mapping[str, str] | None = None,
        engine: str = "compiled",
        *,
        branches: bool = True,
    ) -> None:
        from kpolicy.policy.compiled import CompileContext
        from kpolicy.relations.index import directory
        from kpolicy.snapshot.kinds import Kinds

        self.policies = {policy.id: policy for policy in policies}
        self._toolbox = toolbox
        self._kinds = Kinds.of(toolbox.workload_kinds)
        self._relations = directory(toolbox.relations)
        self._context = CompileContext(
            toolbox.libraries, frozenset(self._relations), self._kinds, texts or {}, engine
        )
        self._compiled: dict[str, CompiledPolicy] = {}
        self._schemas: SchemaChecker | None = None
        # The reference evaluator has trees of its own, which cannot be watched.
        self._watching = branches and engine == "compiled"
        self._observed: dict[str, Observed] = {}

    def compiled(self, policy_id: str) -> CompiledPolicy:
        """Return a policy, compiled. Raises `PolicyError` for an unknown or a broken one."""
        from kpolicy.policy.compiled import compile_policy
        from kpolicy.strict.suggest import did_you_mean

        found = self._compiled.get(policy_id)
        if found is None:
            policy = self.policies.get(policy_id)
            if policy is None:
                hint = did_you_mean(policy_id, self.policies)
                raise PolicyError(Problem(f'no policy is called "{policy_id}"', None, hint))
            compiled, problems = compile_policy(policy, self._context)
            if compiled is None or problems:
                raise PolicyError(*problems)
            wrong = self._schema_checker().check(compiled).mistyped
            if wrong:
                raise PolicyError(*wrong)
            found = self._compiled[policy_id] = compiled
        return found

    def _schema_checker(self) -> SchemaChecker:
        from kpolicy import schemas
        from kpolicy.policy.schema_check import SchemaChecker

        if self._schemas is None:
            self._schemas = SchemaChecker(self._context, schemas.load())
        return self._schemas

    def run(self, tests: TestFile) -> Iterator[CaseResult]:
        """Run every case of a test file."""
        for case in tests.cases:
            yield self.run_case(tests.policy, case, Path(tests.path).parent)

    def run_case(self, policy_id: str, case: Case, directory: Path = Path()) -> CaseResult:
        """Run one case. `directory` is where its `files` are looked up.

        Raises `PolicyError` for a policy that is unknown or does not compile.
        """
        compiled = self.compiled(policy_id)
        observed = self._watched(policy_id)
        if observed is not None:
            compiled = observed.compiled
            observed.take()
        started = time.perf_counter()
        problems: list[str] = []
        inputs = _inputs(case, directory)
        snapshot = self._snapshot(inputs, problems)
        base = None
        if case.base:
            given = [ManifestFile(BASE, data=case.base.encode())]
            base = self._snapshot(given, problems)
        params = self._params(compiled.policy, case, problems)
        findings: list[Finding] = []
        matched = 0
        failed: set[int] = set()
        held: set[int] = set()
        if not problems:
            findings, outcomes = self._evaluate(compiled, case, params, snapshot, base, inputs)
            matched = len(outcomes)
            every = range(len(compiled.validations) or 1)
            for broken in outcomes:
                failed |= broken
                held |= {index for index in every if index not in broken}
            problems += _differences(case, findings, matched)
        return CaseResult(
            policy_id, case, tuple(problems), tuple(findings), matched, frozenset(failed),
            frozenset(held), time.perf_counter() - started,
            frozenset() if observed is None else observed.take(),
        )  # fmt: skip

    def _watched(self, policy_id: str) -> Observed | None:
        """Return the policy with probes in it, None where branches are not watched."""
        from kpolicy.testing.coverage import Observed

        if not self._watching:
            return None
        found = self._observed.get(policy_id)
        if found is None:
            found = self._observed[policy_id] = Observed(self.compiled(policy_id))
        return found

    def coverage(self, results: Iterable[Seen], tests: Iterable[TestFile] = ()) -> list[Coverage]:
        """Return what the results show of each policy in them, in the order of their ids.

        `tests` are the files that the results are of: they may mark branches as unreachable.
        """
        from kpolicy.testing.coverage import coverage_of

        marks: dict[str, list[Unreachable]] = {}
        for file in tests:
            marks.setdefault(file.policy, []).extend(file.unreachable)
        taken: dict[str, set[tuple[int, str]]] = {}
        failed: dict[str, set[int]] = {}
        held: dict[str, set[int]] = {}
        for result in results:
            failed.setdefault(result.policy, set()).update(result.failed)
            held.setdefault(result.policy, set()).update(result.held)
            taken.setdefault(result.policy, set()).update(result.taken)
        found = []
        for policy in sorted(failed):
            observed = self._watched(policy)
            if observed is None:
                count = len(self.compiled(policy).validations) or 1
                seen = (frozenset(failed[policy]), frozenset(held[policy]))
                found.append(Coverage(policy, count, *seen))
                continue
            found.append(
                coverage_of(
                    observed, self._context, failed[policy], held[policy], taken[policy],
                    marks.get(policy, ()),
                )
            )  # fmt: skip
        return found

    def _snapshot(self, files: Sequence[ManifestFile], problems: list[str]) -> Snapshot:
        from kpolicy.manifests import load
        from kpolicy.snapshot.resource import resource_from
        from kpolicy.snapshot.snapshot import Snapshot

        resources: list[Resource] = []
        for file in files:
            loaded = load(file, Limits())
            problems += [f"{i.location}: {i.message}" for i in loaded.invalid]
            problems += [
                f"{file.path} is not made of manifests: {s.reason}" for s in loaded.skipped
            ]
            resources += [resource_from(document, self._kinds) for document in loaded.documents]
        return Snapshot.of(resources, self._kinds)

    def _params(self, policy: Policy, case: Case, problems: list[str]) -> Mapping[str, Any]:
        from kpolicy.policy.params import resolve

        values, wrong = resolve(policy, case.params)
        problems += [f"{message} {hint}".strip() for _, message, hint in wrong]
        frozen: Mapping[str, Any] = freeze(values)
        return frozen

    def _evaluate(
        self,
        compiled: CompiledPolicy,
        case: Case,
        params: Mapping[str, Any],
        snapshot: Snapshot,
        base: Snapshot | None,
        files: Sequence[ManifestFile],
    ) -> tuple[list[Finding], list[set[int]]]:
        """Return the findings and, for each resource met, the validations that failed for it."""
        from kpolicy.engine.evaluate import Unit
        from kpolicy.engine.findings import Placer, finish
        from kpolicy.engine.join import JoinEvaluator
        from kpolicy.engine.local import Settings
        from kpolicy.engine.plan import Plan
        from kpolicy.engine.tally import Tally
        from kpolicy.policy.catalogue import Catalogue
        from kpolicy.policy.matching import Matcher

        policy = compiled.policy
        if "vap" in policy.metadata:
            from kpolicy.engine.admission.unit import admission_unit

            unit = admission_unit(compiled, snapshot.kinds, 0)
        else:
            unit = Unit(compiled, Matcher(policy, snapshot.kinds), params)
        plan = Plan((unit,), snapshot.kinds, self._relations, Catalogue({policy.id: policy}))
        before = {r: old for r in snapshot.resources if base and (old := base.get(r.key))}
        settings = Settings(Limits(), case.operation, before, case.user, everything=True)
        evaluator = JoinEvaluator(plan, settings, snapshot, base)
        tally = Tally()
        placer = Placer({file.path: file for file in files})
        outcomes: list[set[int]] = []
        for resource in snapshot.resources:
            if not unit.matcher.may_meet(resource):
                continue
            bindings, operation = evaluator.bindings(resource)
            test = unit.matcher.test_for(operation)
            if test is not None and not test(resource):
                continue
            known = len(tally.findings)
            evaluator.evaluate(unit, resource, bindings, placer, tally)
            # What is left out by its policy's conditions was not met.
            new = [raw for raw in tally.findings[known:] if raw.validation >= 0]
            if new:
                broken = {f.validation for f in new if f.outcome in ("fail", "error")}
                outcomes.append(broken)
        finished = [finding for finding, _ in finish(tally.findings, {policy.id: policy})]
        return [f for f in finished if f.outcome in ("fail", "error")], outcomes


def _inputs(case: Case, directory: Path) -> list[ManifestFile]:
    files = [
        ManifestFile(name, filename=str(directory / name), data=(directory / name).read_bytes())
        for name in case.files
    ]
    if case.manifests:
        files.append(ManifestFile(INLINE, data=case.manifests.encode()))
    if case.objects:
        import json

        text = "\n---\n".join(json.dumps(value) for value in case.objects)
        files.append(ManifestFile(INLINE, data=text.encode()))
    return files


def _differences(case: Case, findings: Sequence[Finding], matched: int) -> list[str]:
    """Return how the findings differ from what the case expects, in words."""
    problems = []
    if case.matches is None and matched == 0:
        problems.append("the policy met no resource (`matches: 0` says that this is meant)")
    elif case.matches is not None and matched != case.matches:
        problems.append(f"expected to meet {case.matches} resources, met {matched}")
    if case.count is not None:
        errors = [f for f in findings if f.outcome == "error"]
        problems += [f"unexpected error: {_shown(f)}" for f in errors]
        if len(findings) != case.count:
            problems.append(f"expected {case.count} findings, got {len(findings)}")
            problems += [f"found: {_shown(f)}" for f in findings]
        return problems
    left = list(findings)
    for expected in sorted(case.findings, key=_vagueness):
        fitting = [f for f in left if expected.fits(f)][: expected.count]
        if len(fitting) < expected.count:
            more = f" (found {len(fitting)})" if fitting else ""
            problems.append(f"missing: {expected}{more}")
        for finding in fitting:
            left.remove(finding)
    problems += [f"unexpected: {_shown(f)}" for f in left]
    return problems


def _vagueness(expected: Expected) -> int:
    said = (expected.resource, expected.message, expected.line, expected.item, expected.related)
    return -sum(1 for value in said if value)


def _shown(finding: Finding) -> str:
    related = ", ".join(str(r.resource) for r in finding.related)
    outcome = "" if finding.outcome == "fail" else f" [{finding.outcome}]"
    text = f'{finding.resource} line {finding.place.location.line}{outcome} "{finding.message}"'
    return f"{text} related: {related}" if related else text
