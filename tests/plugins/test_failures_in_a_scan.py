"""A plugin that fails in the middle of a scan is named; all other findings are as without it."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from kpolicy.cli.main import main

Install = Callable[..., str]

POLICIES = """\
apiVersion: kpolicy.dev/v1
kind: Policy
metadata: {name: plain}
spec:
  title: Plain
  severity: warning
  match: {kinds: [Pod]}
  validations: [{expression: "object.metadata.name != 'bad'", message: the name is bad}]
"""
ASKING = """\
---
apiVersion: kpolicy.dev/v1
kind: Policy
metadata: {name: asking}
spec:
  title: Asks the plugin
  severity: warning
  match: {kinds: [Pod]}
  validations: [{expression: "%s", message: asked}]
"""
POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\nspec: {containers: [{name: app}]}\n"

FUNCTION = """
from kpolicy import hookimpl
from kpolicy.cel import BOOL, DYN, Function, Library, Overload

def ask(value):
{body}

@hookimpl
def kpolicy_cel_libraries():
    overload = Overload("acme_ask", (DYN,), BOOL, ask)
    return [Library("acme", (Function("acme.ask", (overload,)),))]
"""
RELATION = """
from kpolicy import hookimpl
from kpolicy.relations.model import Entry, Relation, Side

def entries(resource, kinds):
{body}

@hookimpl
def kpolicy_relations():
    side = Side(("Pod",), entries)
    return [Relation("acme-peer", side, side)]
"""
CHECK = """
from kpolicy import hookimpl
from kpolicy.policy.model import Match, Policy, Violation

def check(resource, snapshot, params):
{body}

@hookimpl
def kpolicy_policies():
    return [Policy("asking", default=True, match=Match(kinds=("Pod",)), check=check)]
"""
REPORTER = """
from kpolicy import hookimpl
from kpolicy.reporters.model import Reporter

def render(report, context):
{body}

@hookimpl
def kpolicy_reporters():
    return [Reporter("acme", render)]
"""
SOURCE = """
from kpolicy import hookimpl

class Registry:
    name = "acme"
    def accepts(self, target):
        {accepts}
    def discover(self, target, options):
        {discover}

@hookimpl
def kpolicy_sources():
    return [Registry()]
"""
FORMAT = """
from kpolicy import hookimpl
from kpolicy.policy.formats import PolicyFormat

def load(document):
{body}

@hookimpl
def kpolicy_policy_formats():
    return [PolicyFormat("acme", "acme.dev/v1", ("Rule",), load)]
"""

ASSEMBLING = """
from kpolicy import hookimpl
from kpolicy.policy.formats import Loaded, Part, PolicyFormat

def load(document):
    return Loaded(parts=(Part("acme", {{}}, document.location),))

def assemble(parts):
{body}

@hookimpl
def kpolicy_policy_formats():
    return [PolicyFormat("acme", "acme.dev/v1", ("Rule",), load, assemble=assemble)]
"""


def filled(template: str, body: str) -> str:
    """Return a plugin with the body of its function."""
    return template.format(body=textwrap.indent(body, "    "))


@pytest.fixture
def scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Scan two pods with the policy `plain`, and one that asks the plugin."""
    root = tmp_path / "repository"
    (root / "pods").mkdir(parents=True)
    (root / ".git").mkdir()
    for name in ("bad", "good"):
        (root / "pods" / f"{name}.yaml").write_text(POD % name)
    monkeypatch.chdir(root)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("KPOLICY_DEBUG", raising=False)

    def do(*arguments: str, asking: str = "") -> Result:
        (root / "policies.yaml").write_text(POLICIES + (ASKING % asking if asking else ""))
        own = ["scan", "pods", "-p", "policies.yaml", "--no-builtin", "--jobs", "1", "--no-cache"]
        result = CliRunner().invoke(main, [*own, *arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return do


def findings(result: Result) -> list[Any]:
    """Return the findings of a JSON report."""
    found: list[Any] = json.loads(result.stdout)["findings"]
    return found


def plain(result: Result) -> list[Any]:
    """Return those of the policy that has nothing to do with the plugin."""
    return [f for f in findings(result) if f["policy"] == "plain"]


@pytest.fixture
def undisturbed(scan: Callable[..., Result]) -> list[Any]:
    """What is found without any plugin."""
    found = plain(scan("--format", "json"))
    assert [f["resource"]["name"] for f in found] == ["bad"]
    return found


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise ValueError('no luck')", "failed: ValueError: no luck"),
        ("value['metadata']['name'] = 'x'\nreturn True", "failed: FrozenError"),
        ("value.clear()\nreturn True", "failed: FrozenError"),
        ("return 'yes'", "returned str, declared bool"),
        ("return 1", "returned int, declared bool"),
        ("raise SystemError", "failed: SystemError"),
    ],
)
def test_a_cel_function_that_fails_is_an_evaluation_error_that_names_it(
    body: str, said: str, scan: Callable[..., Result], undisturbed: list[Any], install: Install
) -> None:
    install(filled(FUNCTION, body))
    result = scan("--format", "json", asking="acme.ask(object)")
    assert plain(result) == undisturbed
    errors = [f for f in findings(result) if f["policy"] == "asking"]
    assert [f["outcome"] for f in errors] == ["error", "error"]
    for error in errors:
        assert f'function "acme.ask" of plugin "acme" {said}' in error["message"]
    assert "Traceback" not in result.stderr


def test_a_cel_function_that_loops_is_ended(
    scan: Callable[..., Result],
    undisturbed: list[Any],
    install: Install,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kpolicy.plugins.manager.CALL_SECONDS", 0.2)
    install(filled(FUNCTION, "while True: pass"))
    result = scan("--format", "json", asking="acme.ask(object)")
    assert plain(result) == undisturbed
    messages = [f["message"] for f in findings(result) if f["policy"] == "asking"]
    said = (
        'function "acme.ask" of plugin "acme" did not return within 0.2 s; it is not called again'
    )
    assert [said in message for message in messages] == [True, True]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise ValueError('no luck')", 'relation "acme-peer" failed on Pod/bad: ValueError'),
        ("return [1]", 'relation "acme-peer" returned a int, expected Entry objects'),
        ("resource.body['x'] = 1", 'relation "acme-peer" failed on Pod/bad: FrozenError'),
    ],
)
def test_a_relation_that_fails_relates_nothing_and_is_named(
    body: str, said: str, scan: Callable[..., Result], undisturbed: list[Any], install: Install
) -> None:
    install(filled(RELATION, body))
    result = scan("--format", "json", asking="object.related('acme-peer').size() == 0")
    assert findings(result) == undisturbed
    assert result.exit_code == 2
    assert f'plugin "acme", hook kpolicy_relations: {said}' in result.stderr


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise ValueError('no luck')", "failed on Pod/bad: ValueError: no luck"),
        ("return [1]", "yielded a int, expected Violation objects"),
        ("resource.body['x'] = 1", "failed on Pod/bad: FrozenError"),
        ("yield Violation('one')\nraise KeyError('x')", "KeyError"),
    ],
)
def test_a_python_policy_that_fails_is_an_evaluation_error(
    body: str, said: str, scan: Callable[..., Result], undisturbed: list[Any], install: Install
) -> None:
    install(filled(CHECK, body))
    result = scan("--format", "json", "--include", "asking")
    # --no-builtin leaves plugins' policies in.
    assert plain(result) == undisturbed
    errors = [f for f in findings(result) if f["policy"] == "asking"]
    assert {f["outcome"] for f in errors} == {"error"}
    assert said in errors[0]["message"]
    assert 'plugin "acme"' in errors[0]["message"]


def test_a_python_policy_that_works(scan: Callable[..., Result], install: Install) -> None:
    body = "if resource.name == 'bad':\n    yield Violation('bad', at=resource.body['metadata'])"
    install(filled(CHECK, body))
    (found,) = [f for f in findings(scan("--format", "json")) if f["policy"] == "asking"]
    assert found["location"]["pointer"] == "/metadata"
    assert found["location"]["line"] == 3


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise ValueError('no luck')", "failed: ValueError: no luck"),
        ("return 1", "returned a int"),
    ],
)
def test_a_reporter_that_fails_keeps_no_other_report_back(
    body: str, said: str, scan: Callable[..., Result], install: Install, tmp_path: Path
) -> None:
    install(filled(REPORTER, body))
    out = tmp_path / "report.json"
    result = scan("-f", "acme", "-o", str(tmp_path / "x"), "-f", "json", "-o", str(out))
    assert result.exit_code == 2
    assert f'plugin "acme", hook kpolicy_reporters: reporter "acme" {said}' in result.stderr
    assert json.loads(out.read_text())["findings"]
    assert not (tmp_path / "x").exists()


def test_a_reporter_that_works(scan: Callable[..., Result], install: Install) -> None:
    install(filled(REPORTER, "return f'{len(report.findings)} found\\n'"))
    result = scan("--format", "acme")
    assert (result.stdout, result.exit_code) == ("1 found\n", 1)


def test_a_source_that_fails_to_decide_leaves_the_target_to_others(
    scan: Callable[..., Result], undisturbed: list[Any], install: Install
) -> None:
    install(SOURCE.format(accepts="raise ValueError('no luck')", discover="pass"))
    result = scan("--format", "json")
    assert findings(result) == undisturbed
    assert result.exit_code == 2
    assert 'hook kpolicy_sources: source "acme" failed on pods: ValueError' in result.stderr


@pytest.mark.parametrize(
    ("discover", "said"),
    [("raise ValueError('no luck')", "failed: ValueError: no luck"), ("return []", "a list")],
)
def test_a_source_that_fails_to_read_is_an_invalid_input(
    discover: str,
    said: str,
    scan: Callable[..., Result],
    undisturbed: list[Any],
    install: Install,
) -> None:
    install(SOURCE.format(accepts="return target.startswith('acme:')", discover=discover))
    result = scan("acme:web", "--format", "json")
    assert result.exit_code == 2
    assert findings(result) == undisturbed
    (invalid,) = json.loads(result.stdout)["invalid"]
    assert invalid["path"] == "acme:web"
    assert 'plugin "acme", hook kpolicy_sources' in invalid["message"]
    assert said in invalid["message"]


@pytest.mark.parametrize("template", [FORMAT, ASSEMBLING])
@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise ValueError('no luck')", "failed: ValueError: no luck"),
        ("return 1", "returned a int"),
    ],
)
def test_a_policy_format_that_fails_is_a_problem_at_the_document(
    template: str,
    body: str,
    said: str,
    scan: Callable[..., Result],
    install: Install,
    tmp_path: Path,
) -> None:
    install(filled(template, body))
    rule = tmp_path / "rule.yaml"
    rule.write_text("apiVersion: acme.dev/v1\nkind: Rule\n")
    result = scan("-p", str(rule))
    assert result.exit_code == 2
    assert f'format "acme" {said}' in result.stderr
    assert "rule.yaml:1:1" in result.stderr


def test_post_processing_that_fails_leaves_the_findings(
    scan: Callable[..., Result], undisturbed: list[Any], install: Install
) -> None:
    install(
        "from kpolicy import hookimpl\n@hookimpl\n"
        "def kpolicy_process_findings(findings):\n    raise ValueError('no luck')\n"
    )
    result = scan("--format", "json")
    assert findings(result) == undisturbed
    assert result.exit_code == 2
    assert "hook kpolicy_process_findings: raised ValueError: no luck" in result.stderr


def test_a_broken_plugin_can_be_left_out(
    scan: Callable[..., Result], undisturbed: list[Any], install: Install
) -> None:
    install("raise RuntimeError('no luck')")
    broken = scan("--format", "json")
    assert broken.exit_code == 2
    assert findings(broken) == undisturbed
    without = scan("--format", "json", "--disable-plugin", "acme")
    assert without.exit_code == 1
    assert without.stderr == ""


PACK = """
import pathlib
from kpolicy import hookimpl
from kpolicy.policy.packs import PolicyPack

@hookimpl
def kpolicy_policy_packs():
    return [PolicyPack("acme", pathlib.Path({folder!r}))]
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (POLICIES, 'policy id "plain" is taken'),
        (POLICIES.replace("severity: warning", "severity: dire"), "severity"),
        (POLICIES.replace("object.metadata", "objct.metadata"), "objct"),
        ("[", "acme-policies"),
    ],
)
def test_a_pack_with_a_bad_policy_costs_only_that_policy(
    text: str,
    said: str,
    scan: Callable[..., Result],
    undisturbed: list[Any],
    install: Install,
    tmp_path: Path,
) -> None:
    folder = tmp_path / "acme-policies"
    folder.mkdir()
    changed = text if "is taken" in said else text.replace("name: plain", "name: theirs")
    changed = changed.replace("  title:", "  default: true\n  title:")
    (folder / "bad.yaml").write_text(changed)
    install(PACK.format(folder=str(folder)))
    result = scan("--format", "json")
    assert result.exit_code == 2
    assert findings(result) == undisturbed
    assert said in result.stderr
    assert "acme" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_pack_whose_directory_is_not_there_is_told(
    scan: Callable[..., Result], undisturbed: list[Any], install: Install, tmp_path: Path
) -> None:
    install(PACK.format(folder=str(tmp_path / "nowhere")))
    result = scan("--format", "json")
    assert result.exit_code == 2
    assert "Traceback" not in result.stderr
    assert "internal error" not in result.stderr
    assert "nowhere" in result.stderr
    assert findings(result) == undisturbed
