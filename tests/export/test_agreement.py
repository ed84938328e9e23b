"""Exported policies, read back as any ValidatingAdmissionPolicy and so without kpolicy's own
functions, decide as the policies that they were made from."""

from __future__ import annotations

import random
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import kpolicy
from kpolicy.config.model import Config
from kpolicy.engine.plan import Plan, make_plan
from kpolicy.engine.request import ScanRequest, Selection
from kpolicy.export import Exported, Options, Refusal
from kpolicy.export.text import as_yaml
from kpolicy.export.vap import export_policy
from kpolicy.frozen import freeze
from kpolicy.plugins.manager import make_toolbox
from kpolicy.schemas.decoding import default_decoder
from kpolicy.testing.loader import load_tests
from kpolicy.testing.model import Case

POLICIES = Path(__file__).parents[2] / "policies"
TOOLBOX = make_toolbox()

Decision = tuple[str, str, str, str]


def plan_of(params: dict[str, dict[str, Any]] | None = None, *ids: str) -> Plan:
    request = ScanRequest(selection=Selection(select=ids or ("*",)), params=params or {})
    return make_plan(TOOLBOX, request, Config())


def export_all(plan: Plan, options: Options = Options()) -> dict[str, Exported]:  # noqa: B008
    found = {}
    for unit in plan.units:
        try:
            policy = export_policy(
                unit.compiled, unit.params, plan.kinds, TOOLBOX.libraries, options
            )
        except Refusal:
            continue
        found[policy.id] = policy
    return found


@cache
def exportable() -> dict[str, Exported]:
    return export_all(plan_of())


@cache
def cases() -> dict[str, tuple[Case, ...]]:
    """The cases of every exportable policy that need one file of manifests and no base."""
    found = {}
    for path in sorted(POLICIES.rglob("*_test.yaml")):
        tests = load_tests(str(path), path.read_text())
        if tests.policy in exportable():
            found[tests.policy] = tuple(
                case for case in tests.cases
                if not (case.base or case.files or case.user or case.operation)
            )  # fmt: skip
    return found


def documents(case: Case) -> list[Any]:
    given = list(yaml.safe_load_all(case.manifests)) if case.manifests else list(case.objects)
    return [body for body in given if decodes(body)]


def decodes(body: Any) -> bool:
    """Whether an API server would get as far as admission with this object."""
    if not isinstance(body, dict) or not isinstance(body.get("metadata"), dict):
        return False
    if not all(isinstance(body.get(key), str) for key in ("apiVersion", "kind")):
        return False
    return default_decoder().decode(freeze(body)).verdict == "typed"


def decisions(report: kpolicy.Report) -> set[Decision]:
    assert not report.problems, report.problems
    return {
        (finding.place.location.path, str(finding.resource), finding.policy, finding.outcome)
        for finding in report.findings
    }


def compare(folder: Path, exported: dict[str, Exported], **originals: Any) -> set[Decision]:
    """Scan the manifests in `folder` with the originals and with what was exported."""
    policies = folder.parent / f"{folder.name}-policies.yml"
    policies.write_text(as_yaml(d for each in exported.values() for d in each.documents))
    common: dict[str, Any] = {"isolated": True, "cache": False}
    ours = kpolicy.scan(folder, select=list(exported), **common, **originals)
    theirs = kpolicy.scan(folder, policies=policies, builtin=False, **common)
    assert sorted(decisions(ours) ^ decisions(theirs)) == []
    return decisions(ours)


def write(folder: Path, bodies: Iterator[tuple[str, list[Any]]]) -> None:
    folder.mkdir(exist_ok=True)
    for name, found in bodies:
        if found:
            (folder / f"{name}.yaml").write_text(yaml.safe_dump_all(found))


def test_most_of_the_policies_that_see_one_object_can_be_exported() -> None:
    assert len(exportable()) >= 80


def test_exported_policies_decide_their_own_tests_alike(tmp_path: Path) -> None:
    plain = (
        (f"{policy}-{number}", documents(case))
        for policy, found in cases().items()
        for number, case in enumerate(found)
        if not case.params
    )
    folder = tmp_path / "manifests"
    write(folder, plain)
    found = compare(folder, exportable())
    assert len({policy for _, _, policy, _ in found}) > 60


def with_params() -> Iterator[Any]:
    for policy, found in cases().items():
        for case in found:
            if case.params and documents(case):
                yield pytest.param(policy, case, id=f"{policy}: {case.name}")


@pytest.mark.parametrize(("policy", "case"), list(with_params()))
@pytest.mark.parametrize("where", ["literal", "configmap"])
def test_parameters_travel_along(policy: str, case: Case, where: Any, tmp_path: Path) -> None:
    params = {policy: dict(case.params)}
    plan = plan_of(params, policy)
    exported = export_all(plan, Options(params=where))
    if where == "configmap" and not exported:
        pytest.skip("a ConfigMap cannot hold these parameters, or the estimate of its cost is high")
    folder = tmp_path / "manifests"
    write(folder, iter([("case", documents(case))]))
    compare(folder, exported, params=params)


@cache
def seeds() -> list[Any]:
    return [body for found in cases().values() for case in found for body in documents(case)]


def containers(node: Any) -> Iterator[Any]:
    if isinstance(node, (dict, list)) and node:
        yield node
        for below in node.values() if isinstance(node, dict) else node:
            yield from containers(below)


def mutated(body: Any, random_: random.Random) -> Any:
    """Return a body with some fields gone, some elements doubled, some values from elsewhere."""
    body = deepcopy(body)
    for _ in range(random_.randint(1, 4)):
        node = random_.choice(list(containers(body)))
        if isinstance(node, list):
            index = random_.randrange(len(node))
            if random_.random() < 0.4:
                del node[index]
            else:
                node.append(deepcopy(node[index]))
            continue
        key = random_.choice(list(node))
        donor = random_.choice(seeds())
        values = [n[key] for n in containers(donor) if isinstance(n, dict) and key in n]
        if values and random_.random() < 0.6:
            node[key] = deepcopy(random_.choice(values))
        elif key not in ("apiVersion", "kind", "metadata"):
            del node[key]
    return body


@settings(
    max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(min_value=0, max_value=2**32))
def test_exported_policies_decide_alike_whatever_the_object(
    seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    random_ = random.Random(seed)
    bodies = [mutated(random_.choice(seeds()), random_) for _ in range(120)]
    folder = tmp_path_factory.mktemp("mutated") / "manifests"
    write(folder, ((str(n), [body]) for n, body in enumerate(bodies) if decodes(body)))
    compare(folder, exportable())


def test_what_is_bound_to_warn_still_decides_alike(tmp_path: Path) -> None:
    """The Binding's action changes how a decision counts, not the decision."""
    plan = plan_of(None, "latest-tag")
    exported = export_all(plan, replace(Options(), actions=("Audit",)))
    folder = tmp_path / "manifests"
    write(folder, iter([("pods", [body for body in seeds() if body["kind"] == "Pod"])]))
    assert compare(folder, exported)
