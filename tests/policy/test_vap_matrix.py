"""The matrix of features and tests in docs/admission-policies.md names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "admission-policies.md"
#: Where tests stand that the page names without a folder, as the heading of its column says.
HERE = ROOT / "tests" / "policy"

#: What the page must have a test for: a word of the first column each.
FEATURES = (
    "v1beta1", "v1alpha1", "groups", "versions", "resources", "subresources", "operations", "scope",
    "excludeResourceRules", "namespaceSelector", "objectSelector", "matchPolicy", "matchConditions",
    "variables", "message", "messageExpression", "reason", "auditAnnotations", "failurePolicy",
    "matchResources", "validationActions", "no Binding", "paramRef", "parameterNotFoundAction",
    "--params", "custom kinds", "request", "userInfo", "oldObject", "namespaceObject",
    "MutatingAdmissionPolicy", "CRD rules", "Kyverno", "Gatekeeper", "export", "type checking",
    "--results all", "quantities",
)  # fmt: skip


def rows() -> list[tuple[str, str]]:
    """Return the feature and the tests of each row."""
    text = PAGE.read_text(encoding="utf-8").partition("## Where each of this is tested")[2]
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    split = [line.strip("| ").split(" | ", 1) for line in lines]
    return [(feature, tests) for feature, tests in split if feature != "Feature"]


def named(cell: str) -> list[tuple[Path, str]]:
    """Return (file, beginning of a test's name, "" for the whole file) of a cell.

    A name without a folder or a file stands where the one before it does.
    """
    found: list[tuple[Path, str]] = []
    folder, file = HERE, HERE
    for name in re.findall(r"`([^`]+)`", cell):
        path, _, test = name.rpartition("::")
        if name.endswith((".py", ".yaml")):
            path, test = name, ""
        if "/" in path:
            folder = (ROOT / path).parent
        if path:
            file = folder / Path(path).name
        found.append((file, test.rstrip("…")))
    return found


@pytest.mark.parametrize(("feature", "cell"), rows(), ids=[feature for feature, _ in rows()])
def test_a_row_names_tests_that_exist(feature: str, cell: str) -> None:
    assert named(cell), feature
    for file, beginning in named(cell):
        assert file.is_file(), f"{feature}: there is no {file}"
        if file.suffix == ".yaml":
            continue
        tests = re.findall(r"^def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
        assert any(name.startswith(beginning) for name in tests), f"{feature}: no {beginning}"


@pytest.mark.parametrize("word", FEATURES)
def test_each_feature_has_a_row(word: str) -> None:
    assert any(word in feature for feature, _ in rows())
