"""With --results all, a policy says of each resource of its kinds why it has nothing to say."""

from __future__ import annotations

import pytest
from scan_kit import deployment, policy, run, write

CASES = {
    "condition": (
        "matchConditions: [{name: scaled, expression: has(object.spec.replicas)}]",
        'skipped: match condition "scaled" is false',
    ),
    "name": (
        "match: {kinds: [Deployment], names: {exclude: ['web']}}",
        "skipped: namespace, name, labels or operation do not match",
    ),
    "label": (
        "match: {kinds: [Deployment], labels: {matchLabels: {tier: web}}}",
        "skipped: namespace, name, labels or operation do not match",
    ),
}


@pytest.mark.parametrize(("match", "message"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("reach", ["object != null", "object.related('selected-by').size() == 0"])
def test_a_resource_that_is_left_out_is_a_skip_with_its_reason(tmp_path, match, message, reach):
    """Whether the policy is local or joins."""
    root = write(tmp_path / "in", {"a.yaml": deployment("web", "a")})
    text = policy("p", f'{match}\nvalidations: [{{expression: "{reach}"}}]')
    (finding,) = run(root, text, results_all=True).findings
    assert (finding.outcome, finding.message) == ("skip", message)
    assert not run(root, text).findings


def test_a_kind_that_is_not_looked_at_is_not_listed(tmp_path):
    root = write(tmp_path / "in", {"a.yaml": deployment("web", "a")})
    text = policy("p", "match: {kinds: [Service]}\nvalidations: [{expression: 'false'}]")
    assert not run(root, text, results_all=True).findings
