"""`kpolicy test`: policies' own tests, `NAME_test.yaml` beside `NAME.yaml`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kpolicy.cli.options import loading_options
from kpolicy.records import dataclass

if TYPE_CHECKING:
    from kpolicy.errors import Problem
    from kpolicy.location import SourceLocation
    from kpolicy.testing import Coverage, PolicyTester, TestFile

FAILURES = 1
FAILED = 2


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one case: small, so that it travels between processes."""

    policy: str
    case: str
    location: SourceLocation
    problems: tuple[str, ...]
    matched: int
    failed: frozenset[int]
    held: frozenset[int]
    taken: frozenset[tuple[int, str]]
    seconds: float
    broken: bool = False
    """Whether the policy or the case could not be run at all."""


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH ...]")
@loading_options
@click.option(
    "-k",
    "--case",
    "pattern",
    default="",
    metavar="TEXT",
    help="Only cases whose policy or name contains TEXT.",
)
@click.option(
    "--coverage",
    is_flag=True,
    help="Name each validation that no case saw fail, or hold, and each branch of an expression"
    " that none took; such a gap is a failure.",
)
@click.option("--junit", default="", metavar="FILE", help="Write a JUnit report to FILE.")
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Worker processes.",
)
@click.option(
    "--update",
    is_flag=True,
    help="Rewrite what failing cases expect to what was found; look at the difference before"
    " you commit it.",
)
@click.option("-v", "--verbose", is_flag=True, help="List the cases that passed too.")
def test(paths: tuple[str, ...], **options: Any) -> int:
    """Run the tests that stand beside policies.

    PATH is a test file (NAME_test.yaml) or a directory of them; without one, this directory.
    Policies beside them are loaded too. A case whose policy met no resource fails: it would have
    tested nothing.

    Exit status: 0 every case passed; 1 some failed; 2 something could not be run.
    """
    from kpolicy.cli.covering import junit
    from kpolicy.cli.files import check_writable, write_file
    from kpolicy.cli.loading import load
    from kpolicy.cli.plugins import report_plugin_problems
    from kpolicy.cli.problems import report_problems
    from kpolicy.errors import Problem, UsageError
    from kpolicy.testing import PolicyTester

    if options["junit"]:
        check_writable(options["junit"])
    found, problems = _find(paths or (".",))
    options["policy_paths"] = (*options["policy_paths"], *_policies_of(found))
    loaded = load(options)
    chosen = _chosen(found, options["pattern"])
    if not chosen and not problems:
        hint = f"-k {options['pattern']}" if options["pattern"] else "NAME_test.yaml holds cases"
        raise UsageError(Problem("there are no cases to run", None, hint))
    catalogue = loaded.catalogue
    # A choice of cases shows a part of what the tests cover: their total would say nothing.
    counted = options["coverage"] or not options["pattern"]
    policies = catalogue.policies.values()
    tester = PolicyTester(loaded.toolbox, policies, catalogue.texts, branches=counted)
    if options["update"]:
        _update(tester, chosen)
        found, problems = _find(paths or (".",))
        chosen = _chosen(found, options["pattern"])
    outcomes = _run(tester, chosen, options["jobs"])
    run = [outcome for outcome in outcomes if not outcome.broken]
    covered = tester.coverage(run, chosen) if counted else []
    gaps = [each for each in covered if each.gaps] if options["coverage"] else []
    # Without --coverage too, a wrong mark is a mistake: it would hide a gap to come.
    wrong = [problem for each in covered for problem in each.problems]
    _say(outcomes, covered, gaps, options["verbose"])
    if options["junit"]:
        write_file(options["junit"], junit(outcomes, gaps))
    if wrong:
        report_problems(wrong)
    if problems:
        report_problems(problems)
    broken = bool(problems) or any(outcome.broken for outcome in outcomes)
    status = FAILED if broken else 0
    if not status and (gaps or wrong or any(outcome.problems for outcome in outcomes)):
        status = FAILURES
    return report_plugin_problems(loaded.host) or status


def _find(paths: Sequence[str]) -> tuple[list[TestFile], list[Problem]]:
    """Return the test files below `paths`, and what is wrong with others."""
    from kpolicy.errors import KpolicyError, Problem
    from kpolicy.location import SourceLocation
    from kpolicy.policy.catalogue import shown
    from kpolicy.testing import load_tests

    files: dict[Path, None] = {}
    problems: list[Problem] = []
    for text in paths:
        path = Path(text)
        if path.is_dir():
            inside = (p for end in ("yaml", "yml") for p in path.rglob(f"*_test.{end}"))
            files.update(dict.fromkeys(sorted(p for p in inside if not _hidden(p, path))))
        elif path.exists():
            files[path] = None
        else:
            problems.append(Problem("no such file or directory", SourceLocation(text)))
    found: list[TestFile] = []
    for path in files:
        try:
            found.append(load_tests(shown(path), path.read_text(encoding="utf-8")))
        except KpolicyError as error:
            problems += error.problems
        except (OSError, UnicodeDecodeError) as error:
            what = getattr(error, "strerror", None) or "not UTF-8 text"
            problems.append(Problem(f"cannot be read: {what}", SourceLocation(str(path))))
    return found, problems


def _hidden(path: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(root).parts)


def _policies_of(found: Iterable[TestFile]) -> list[str]:
    """Return the policy files that stand beside test files."""
    paths: dict[str, None] = {}
    for tests in found:
        for end in ("_test.yaml", "_test.yml"):
            if tests.path.endswith(end):
                beside = tests.path.removesuffix(end) + end.removeprefix("_test")
                if Path(beside).is_file():
                    paths[beside] = None
    return list(paths)


def _chosen(found: Iterable[TestFile], pattern: str) -> list[TestFile]:
    from dataclasses import replace

    chosen = []
    for tests in found:
        cases = tuple(c for c in tests.cases if pattern in f"{tests.policy}: {c.name}")
        if cases:
            chosen.append(replace(tests, cases=cases))
    return chosen


def _run(tester: PolicyTester, chosen: Sequence[TestFile], jobs: int) -> list[Outcome]:
    """Run all cases, in processes where that is wanted and possible; in the order of the files."""
    import multiprocessing

    can_fork = "fork" in multiprocessing.get_all_start_methods()
    if jobs == 1 or len(chosen) < 2 or not can_fork:
        return [outcome for tests in chosen for outcome in _run_file(tester, tests)]
    from concurrent.futures import ProcessPoolExecutor

    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(jobs, context, _remember, (tester,)) as pool:
        return [o for outcomes in pool.map(_run_remembered, chosen) for o in outcomes]


def _update(tester: PolicyTester, chosen: Sequence[TestFile]) -> None:
    """Rewrite the findings of cases that fail because of them, and say which files changed."""
    from kpolicy.cli.files import write_file
    from kpolicy.errors import KpolicyError
    from kpolicy.testing.update import updated

    for tests in chosen:
        found = {}
        for case in tests.cases:
            try:
                result = tester.run_case(tests.policy, case, Path(tests.path).parent)
            except (KpolicyError, OSError):
                continue
            # A case that met no resource tests nothing: that is for a person to mend.
            if result.problems and (result.matched or case.matches == 0):
                found[case.name] = result.findings
        if found:
            text = Path(tests.path).read_text(encoding="utf-8")
            write_file(tests.path, updated(tests.path, text, found))
            click.echo(f"{tests.path}: {len(found)} updated", err=True)


#: In a worker process: the tester that it was made with.
_REMEMBERED: list[PolicyTester] = []


def _remember(tester: PolicyTester) -> None:
    _REMEMBERED[:] = [tester]


def _run_remembered(tests: TestFile) -> list[Outcome]:
    return _run_file(_REMEMBERED[0], tests)


def _run_file(tester: PolicyTester, tests: TestFile) -> list[Outcome]:
    from kpolicy.errors import KpolicyError

    outcomes = []
    nothing: frozenset[Any] = frozenset()
    for case in tests.cases:
        try:
            result = tester.run_case(tests.policy, case, Path(tests.path).parent)
        except (KpolicyError, OSError) as error:
            said = (str(error),)
            at = case.location
            outcomes.append(
                Outcome(tests.policy, case.name, at, said, 0, nothing, nothing, nothing, 0, True)
            )
            continue
        outcomes.append(
            Outcome(
                tests.policy,
                case.name,
                case.location,
                result.problems,
                result.matched,
                result.failed,
                result.held,
                result.taken,
                result.seconds,
            )
        )
    return outcomes


def _say(
    outcomes: Sequence[Outcome],
    covered: Sequence[Coverage],
    gaps: Sequence[Coverage],
    verbose: bool,
) -> None:
    from kpolicy.cli.covering import gap_lines, total_line
    from kpolicy.cli.files import write_stdout
    from kpolicy.reporters.rendering import clean, one_line, plural

    lines = []
    for outcome in outcomes:
        title = one_line(f"{outcome.location}: {outcome.policy}: {outcome.case}")
        if outcome.problems:
            lines.append(f"{title}: {'cannot be run' if outcome.broken else 'failed'}")
            lines += [
                f"    {line}" for problem in outcome.problems for line in problem.splitlines()
            ]
        elif verbose:
            lines.append(f"{title}: passed")
    lines += [line for coverage in gaps for line in gap_lines(coverage)]
    failed = sum(bool(outcome.problems) for outcome in outcomes)
    policies = len({outcome.policy for outcome in outcomes})
    counts = [plural(len(outcomes) - failed, "case") + " passed"]
    counts += [f"{failed} failed"] if failed else []
    counts += [f"{plural(len(gaps), 'policy')} with gaps"] if gaps else []
    lines.append(f"{', '.join(counts)} ({plural(policies, 'policy')}).")
    if covered:
        lines.append(total_line(covered))
        if not gaps and any(each.gaps for each in covered):
            lines.append("`--coverage` names what is missing.")
    write_stdout(clean("\n".join(lines)) + "\n")
