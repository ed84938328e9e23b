"""The digest of what is scanned: of resources, not of files, and blind to kpolicy's annotations."""

from __future__ import annotations

from pathlib import Path

import pytest
from scan_kit import toolbox

from kpolicy.engine import ScanRequest, scan
from kpolicy.engine.digest import digest_of as digest_of_prints
from kpolicy.engine.digest import prints_of

WEB = {"kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": [{"name": "a"}]}}
JOB = {"kind": "Job", "metadata": {"name": "job"}}


def digest_of(bodies: list[dict[str, object]]) -> str:
    return digest_of_prints(prints_of(bodies))


def annotated(**annotations: str) -> dict[str, object]:
    return {**WEB, "metadata": {"name": "web", "annotations": annotations}}


def test_the_order_of_resources_and_keys_does_not_count() -> None:
    turned = dict(reversed(WEB.items()))
    assert digest_of([WEB, JOB]) == digest_of([JOB, turned])


@pytest.mark.parametrize(
    "other", [[WEB], [WEB, JOB, JOB], [WEB, {**JOB, "spec": None}], [annotated(a="b"), JOB]]
)
def test_everything_else_counts(other: list[dict[str, object]]) -> None:
    assert digest_of(other) != digest_of([WEB, JOB])


def test_annotations_of_kpolicy_do_not_count() -> None:
    own = annotated(**{"kpolicy.dev/digest": "sha256:1", "ignore.kpolicy.dev/x": "why"})
    assert digest_of([own]) == digest_of([WEB])
    both = annotated(**{"kpolicy.dev/digest": "sha256:1", "a": "b"})
    assert digest_of([both]) == digest_of([annotated(a="b")])
    template = {"spec": {"template": {"metadata": {"annotations": {"kpolicy.dev/x": "y"}}}}}
    assert digest_of([template]) == digest_of([{"spec": {"template": {"metadata": {}}}}])


def test_a_scan_says_it_and_holds_the_input_to_it(tmp_path: Path) -> None:
    text = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\n"
    (tmp_path / "one.yaml").write_text(text)
    targets = (str(tmp_path),)
    report = scan(ScanRequest(targets=targets), toolbox())
    assert report.digest.startswith("sha256:")
    (tmp_path / "one.yaml").rename(tmp_path / "two.yaml")
    again = scan(ScanRequest(targets=targets, expect_digest=report.digest), toolbox())
    assert (again.digest, again.problems) == (report.digest, ())
    (tmp_path / "two.yaml").write_text(text.replace("web", "other"))
    (problem,) = scan(ScanRequest(targets=targets, expect_digest=report.digest), toolbox()).problems
    assert f"but {report.digest} was expected" in problem.message


def test_it_is_of_the_head_where_there_is_a_base(tmp_path: Path) -> None:
    for revision, names in (("base", ["web"]), ("head", ["web", "other"])):
        (tmp_path / revision).mkdir()
        for name in names:
            text = f"apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\n"
            (tmp_path / revision / f"{name}.yaml").write_text(text)
    head, base = str(tmp_path / "head"), str(tmp_path / "base")
    expected = scan(ScanRequest(targets=(head,)), toolbox()).digest
    assert scan(ScanRequest(targets=(base,)), toolbox()).digest != expected
    assert scan(ScanRequest(targets=(head,), base=base), toolbox()).digest == expected


@pytest.mark.parametrize("value", [2**70, "\ud800", float("nan"), "kpolicy.dev/"])
def test_values_that_no_server_takes_count_too(value: object) -> None:
    assert digest_of([{**JOB, "spec": value}]) != digest_of([{**JOB, "spec": "another"}])
