"""`kpolicy.scan`: the Python door to the same scan."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import kpolicy

CHECKOUT = Path(__file__).parents[2]


def test_scan_returns_a_report(repository: Path) -> None:
    report = kpolicy.scan("apps", builtin=False, policies=["policies"])
    assert [(f.policy, f.resource.name) for f in report.findings] == [("no-latest", "bad")]
    assert report.count("warning") == 1
    assert kpolicy.exit_status(report) == 1
    assert kpolicy.exit_status(report, fail_on="error") == 0


def test_scan_takes_paths_and_parameters(repository: Path) -> None:
    report = kpolicy.scan(
        [Path("apps/good.yaml"), "apps/bad.yaml"],
        builtin=False,
        policies=Path("policies"),
        params={"no-latest": {"tag": "1.2"}},
    )
    assert [f.resource.name for f in report.findings] == ["good"]


def test_scan_takes_standard_input_as_bytes(repository: Path) -> None:
    data = Path("apps/bad.yaml").read_bytes()
    report = kpolicy.scan("-", stdin=data, builtin=False, policies="policies")
    assert [f.place.location.path for f in report.findings] == ["<stdin>"]


def test_scan_hears_a_named_configuration(repository: Path) -> None:
    Path("strict.yaml").write_text("exclude: [no-latest]\n")
    report = kpolicy.scan("apps", builtin=False, policies="policies", config="strict.yaml")
    assert report.findings == ()


def test_scan_raises_what_the_command_line_prints(repository: Path) -> None:
    with pytest.raises(kpolicy.UsageError, match="no-latst"):
        kpolicy.scan("apps", builtin=False, policies="policies", select=["no-latst"])
    with pytest.raises(kpolicy.KpolicyError, match=r"missing\.yaml"):
        kpolicy.scan("apps", config="missing.yaml")


def test_every_public_name_exists() -> None:
    for name in kpolicy.__all__:
        assert getattr(kpolicy, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        kpolicy.nothing  # noqa: B018


def test_importing_the_package_imports_nothing_else() -> None:
    code = (
        "import sys, kpolicy, kpolicy.cel\n"
        "print([m for m in ('yaml', 'pyrsistent', 'click', 'celpy', 'lark', 'pluggy')"
        " if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=CHECKOUT, check=True
    )
    assert done.stdout.strip() == "[]"
