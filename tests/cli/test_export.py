"""`kpolicy export vap`: what it writes, what it says, and docs/export.md."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import Result

Run = Callable[..., Result]
PAGE = Path(__file__).parents[2] / "docs" / "export.md"
_REFUSED = re.compile(r"not exported: (\S+): (.*) \(.*\)")


def test_a_policy_and_its_binding_go_to_standard_output(run: Run, repository: Path) -> None:
    result = run("export", "vap", "latest-tag")
    assert result.exit_code == 0, result.stderr
    policy, binding = yaml.safe_load_all(result.stdout)
    assert (policy["kind"], policy["metadata"]["name"]) == (
        "ValidatingAdmissionPolicy",
        "latest-tag",
    )
    assert binding["spec"]["policyName"] == "latest-tag"
    assert result.stderr == "1 policy exported for Kubernetes 1.30 and later, 0 refused.\n"


def test_a_named_policy_that_is_refused_is_an_error_with_its_place(
    run: Run, repository: Path
) -> None:
    result = run("export", "vap", "dangling-service", "latest-tag")
    assert result.exit_code == 2
    assert 'policy "dangling-service" cannot be exported: ' in result.stderr
    assert "looks at other resources" in result.stderr
    assert "name: latest-tag" in result.stdout


def test_a_pack_is_written_to_a_file_a_policy(run: Run, repository: Path) -> None:
    result = run("export", "vap", "--pack", "pss-baseline", "--output", "vap/")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == ""
    written = sorted(path.name for path in (repository / "vap").iterdir())
    assert "pss-host-namespaces.yaml" in written
    assert f"{len(written)} policies exported" in result.stderr


def test_the_configuration_s_parameters_and_severities_count(run: Run, repository: Path) -> None:
    config = {
        "policies": ["policies"],
        "severity": {"no-latest": "error"},
        "params": {"no-latest": {"tag": "edge"}},
    }
    (repository / ".kpolicy.yaml").write_text(json.dumps(config))
    policy, binding = yaml.safe_load_all(run("export", "vap", "no-latest").stdout)
    assert "'edge'" in policy["spec"]["validations"][0]["expression"]
    assert binding["spec"]["validationActions"] == ["Deny"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "no policy to export"),
        (("nope",), 'no policy "nope"'),
        (("--pack", "sidecr"), 'did you mean "sidecar"'),
        (("latest-tag", "--kubernetes-version", "1.29"), "1.29 is older than what is written"),
        (("latest-tag", "--kubernetes-version", "new"), '"new" is no version'),
        (("latest-tag", "--action", "Deny", "--action", "Warn"), "exclude each other"),
    ],
)
def test_mistakes(arguments: tuple[str, ...], message: str, run: Run, repository: Path) -> None:
    result = run("export", "vap", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""


def test_the_page_counts_what_is_exported(run: Run, repository: Path) -> None:
    """`KPOLICY_UPDATE_GOLDEN=1` brings the page up to date."""
    result = run("export", "vap", "--all", "--isolated")
    names = [body["metadata"]["name"] for body in yaml.safe_load_all(result.stdout)]
    refused = dict(_REFUSED.findall(result.stderr))
    lines = [f"{len(set(names))} are exported, {len(refused)} are refused:", ""]
    lines += ["| reason | policies |", "|---|---|"]
    reasons: dict[str, list[str]] = {}
    for policy, reason in sorted(refused.items()):
        reason = re.sub(r"^\w[\w.]*\(\) looks", "a function looks", reason)
        reason = re.sub(r"cost [\d,]+;", "cost too much;", reason)
        reasons.setdefault(reason, []).append(f"`{policy}`")
    for reason, count in Counter({r: len(p) for r, p in reasons.items()}).most_common():
        lines.append(f"| {reason} | {count}: {', '.join(reasons[reason])} |")
    mark = "<!-- begin of the generated table -->\n"
    end = "<!-- end of the generated table -->"
    text = PAGE.read_text("utf-8")
    head, _, rest = text.partition(mark)
    fresh = head + mark + "\n".join(lines) + "\n" + end + rest.partition(end)[2]
    if os.environ.get("KPOLICY_UPDATE_GOLDEN"):
        PAGE.write_text(fresh, "utf-8")
    assert text == fresh or os.environ.get("KPOLICY_UPDATE_GOLDEN")
