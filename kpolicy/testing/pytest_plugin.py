"""Lets pytest collect policies' own tests: every case of a `NAME_test.yaml` is a test.

It is active wherever kpolicy is installed (entry point `pytest11`); `-p no:kpolicy` turns it off.
The policy comes from `NAME.yaml` beside the test file, or from what is installed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from kpolicy.engine.request import Toolbox
    from kpolicy.testing.model import Case
    from kpolicy.testing.runner import PolicyTester

_ENDS = ("_test.yaml", "_test.yml")
_TOOLBOX = pytest.StashKey["Toolbox"]()


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect a test file of kpolicy's; one of another tool is left alone."""
    if not file_path.name.endswith(_ENDS):
        return None
    try:
        text = file_path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    tops = {line.partition(":")[0] for line in text.splitlines() if not line.startswith((" ", "#"))}
    if not {"policy", "cases"} <= tops:
        return None
    made: pytest.Collector = PolicyTests.from_parent(parent, path=file_path)
    return made


class PolicyTests(pytest.File):
    """A `NAME_test.yaml`."""

    def collect(self) -> Iterator[pytest.Item]:
        """Yield an item for each case."""
        from kpolicy.errors import KpolicyError
        from kpolicy.testing.loader import load_tests

        try:
            tests = load_tests(str(self.path), self.path.read_text(encoding="utf-8"))
        except KpolicyError as error:
            raise self.CollectError(str(error)) from error
        tester = self._tester()
        for case in tests.cases:
            item: Any = PolicyCase.from_parent(self, name=case.name)
            item.set(tests.policy, case, tester)
            yield item

    def _tester(self) -> PolicyTester:
        from kpolicy.policy.catalogue import build, read_pack, read_paths
        from kpolicy.testing.runner import PolicyTester

        toolbox = self._toolbox()
        end = next(end for end in _ENDS if self.path.name.endswith(end))
        beside = self.path.with_name(self.path.name.removesuffix(end) + end.removeprefix("_test"))
        files = {f.path: f for pack in toolbox.packs for f in read_pack(pack)}
        if beside.is_file():
            files.update((f.path, f) for f in read_paths([str(beside)])[0])
        catalogue = build(files.values(), toolbox.policies, toolbox.formats)
        policies = catalogue.policies.values()
        # Coverage is what `kpolicy test` says; pytest runs the cases alone.
        return PolicyTester(toolbox, policies, catalogue.texts, branches=False)

    def _toolbox(self) -> Toolbox:
        """Return the installed plugins' toolbox, made once for a run."""
        from kpolicy.plugins.manager import make_toolbox

        stash = self.config.stash
        if _TOOLBOX not in stash:
            stash[_TOOLBOX] = make_toolbox()
        return stash[_TOOLBOX]


class CaseFailed(Exception):
    """A case whose findings are not the expected ones."""


class PolicyCase(pytest.Item):
    """One case."""

    def set(self, policy: str, case: Case, tester: PolicyTester) -> None:
        """Give the item what it runs."""
        self.policy = policy
        self.case = case
        self.tester = tester

    def runtest(self) -> None:
        """Run the case; raises `CaseFailed` with every difference."""
        result = self.tester.run_case(self.policy, self.case, self.path.parent)
        if result.problems:
            raise CaseFailed("\n".join(result.problems))

    def repr_failure(
        self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None
    ) -> str | Any:
        """Return the differences alone: a traceback through kpolicy says nothing of a policy."""
        from kpolicy.errors import KpolicyError

        if isinstance(excinfo.value, (CaseFailed, KpolicyError)):
            return f"{self.case.location}: {self.policy}: {self.name}\n{excinfo.value}"
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return where the case stands."""
        return self.path, max(self.case.location.line - 1, 0), f"{self.policy}: {self.name}"
