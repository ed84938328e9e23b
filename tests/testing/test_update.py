"""What cases expect is rewritten to what was found, and nothing else is touched."""

from __future__ import annotations

from typing import Any

from kpolicy.findings import Finding, Place, Related, ResourceRef
from kpolicy.location import SourceLocation
from kpolicy.testing.loader import load_tests
from kpolicy.testing.update import updated

TEXT = """\
policy: p   # the policy
cases:
  - name: one
    # what it shows
    findings:
      - {resource: Pod/a, line: 3}   # first
      - resource: Pod/b
        line: 4

    # between
    manifests: |
      a: 1
  - name: two
    manifests: |
      b: 2
    findings: 0   # none
  - {name: three, manifests: "c: 3", findings: [{message: old}]}
# the end
"""


def found(name: str, message: str = "is: bad", **changes: Any) -> Finding:
    """Return a finding."""
    values: dict[str, Any] = {
        "policy": "p", "pack": "", "severity": "warning", "outcome": "fail", "message": message,
        "resource": ResourceRef("v1", "Pod", "", name), "fingerprint": name,
        "place": Place(SourceLocation("<case>", 7, 1)),
    }  # fmt: skip
    return Finding(**(values | changes))


def test_findings_are_replaced_and_comments_stay() -> None:
    text = updated("t.yaml", TEXT, {"one": [found("c")], "two": [found("d"), found("e", "x")]})
    assert text == TEXT.replace(
        "\n      - {resource: Pod/a, line: 3}   # first"
        "\n      - resource: Pod/b\n        line: 4\n",
        "\n      - {resource: Pod/c, line: 7}\n",
    ).replace(
        "findings: 0   # none",
        'findings:\n      - {resource: Pod/d, message: "is: bad", line: 7}'
        "\n      - {resource: Pod/e, message: x, line: 7}   # none",
    )


def test_no_findings_become_a_number() -> None:
    text = updated("t.yaml", TEXT, {"one": []})
    assert "    findings: 0\n\n    # between\n" in text


def test_each_case_keeps_to_what_it_compared() -> None:
    text = updated("t.yaml", TEXT, {"three": []})
    assert 'manifests: "c: 3", findings: 0}' in text
    text = updated("t.yaml", TEXT, {"three": [found("c", "new"), found("d", "x y")]})
    assert 'manifests: "c: 3", findings: [{message: new}, {message: "x y"}]}' in text
    assert [e.message for e in load_tests("t.yaml", text).cases[2].findings] == ["new", "x y"]


def test_what_is_written_can_be_read_and_fits() -> None:
    other = Related(ResourceRef("v1", "Service", "n", "s"), Place(SourceLocation("<case>", 1, 1)))
    findings = [found("c", "a 'quoted' \"text\" # and {more}", outcome="error"), found("d")]
    source = TEXT.replace("line: 3}", "line: 3, related: [], message: m, item: x}")
    findings = [Finding(**{**_fields(f), "related": (other,), "item": "it em"}) for f in findings]
    text = updated("t.yaml", source, {"one": findings})
    case = load_tests("t.yaml", text).cases[0]
    assert [e.fits(f) for e, f in zip(case.findings, findings, strict=True)] == [True, True]
    assert case.findings[0].related == ("Service/n/s",)


def _fields(finding: Finding) -> dict[str, Any]:
    return {name: getattr(finding, name) for name in Finding.__slots__}


def test_nothing_to_update_changes_nothing() -> None:
    assert updated("t.yaml", TEXT, {}) == TEXT
    assert updated("t.yaml", TEXT, {"unknown": [found("c")]}) == TEXT
