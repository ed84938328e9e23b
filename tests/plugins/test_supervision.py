"""Plugin code that never returns, or ends its process, costs itself alone; nothing else changes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kpolicy.plugins.manager import LOADING as LOADING_HOOKS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="children are forked on Linux")

POLICY = """\
apiVersion: kpolicy.dev/v1
kind: Policy
metadata: {{name: {name}}}
spec:
  title: A policy
  description: For a test.
  severity: warning
  match: {{kinds: [Pod]}}
  validations:
    - expression: "{expression}"
"""

#: Ways not to come back: in Python, in C with signals looked at, in C without, asleep and deaf.
WAYS = {
    "python": "while True: pass",
    "swallowing": "while True:\n    try:\n        while True: pass\n    except Exception: pass",
    "regex": "import re\nre.match(r'(a+)+$', 'a' * 60 + 'b')",
    "c-loop": "import itertools\nsum(itertools.repeat(0))",
    "deaf": (
        "import signal, time\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])\ntime.sleep(600)"
    ),
    "exit": "import os\nos._exit(0)",
    "crash": "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)",
}
FUNCTION = """
from kpolicy import hookimpl
from kpolicy.cel.declarations import Function, Library, Overload
from kpolicy.cel.types import BOOL, DYN

def ask(value):
    if value["metadata"]["name"] != "pod-3":
        return False
    BODY

@hookimpl
def kpolicy_cel_libraries():
    overload = Overload("acme_ask", (DYN,), BOOL, ask)
    return [Library("acme", (Function("acme.ask", (overload,)),))]
"""
RELATION = """
from kpolicy import hookimpl
from kpolicy.relations.model import Entry, Relation, Side

def entries(resource, kinds):
    BODY

SIDE = Side(("Pod",), entries)

@hookimpl
def kpolicy_relations():
    return [Relation("acme-peer", SIDE, SIDE)]
"""
CHECK = """
from kpolicy import hookimpl
from kpolicy.policy.model import Match, Policy, Violation

def check(resource, snapshot, params):
    BODY

@hookimpl
def kpolicy_policies():
    return [Policy("asking", title="Asking", default=True, check=check)]
"""
PROCESS = """
from kpolicy import hookimpl

@hookimpl
def kpolicy_process_findings(findings):
    BODY
"""

REPORTER = """
from kpolicy import hookimpl
from kpolicy.reporters.model import Reporter

def render(report, context):
    BODY

@hookimpl
def kpolicy_reporters():
    return [Reporter("acme", render)]
"""

IMPORT = """
from kpolicy import hookimpl

def stuck():
    BODY

stuck()
"""
LOADING = """
from kpolicy import hookimpl

@hookimpl
def HOOK():
    BODY
"""
SOURCE = """
from kpolicy import hookimpl
from kpolicy.manifests.model import Discovery

class Registry:
    name = "acme"
    def accepts(self, target):
        ACCEPTS
    def discover(self, target, options):
        DISCOVER

@hookimpl
def kpolicy_sources():
    return [Registry()]
"""
FORMAT = """
from kpolicy import hookimpl
from kpolicy.policy.formats import Loaded, PolicyFormat

def load(document):
    BODY

@hookimpl
def kpolicy_policy_formats():
    return [PolicyFormat("acme", "acme.dev/v1", ("Rule",), load)]
"""

Scan = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def scan(tmp_path: Path) -> Scan:
    """Return what scans eight pods with a plugin of the given code, as a program of its own."""
    pods = tmp_path / "pods"
    pods.mkdir()
    for number in range(8):
        padding = f"# {'x' * 100}\n" * 1000
        text = f"apiVersion: v1\nkind: Pod\nmetadata: {{name: pod-{number}}}\n{padding}"
        (pods / f"{number}.yaml").write_text(text)
    (tmp_path / ".git").mkdir()

    def run(
        code: str = "", asking: str = "", *arguments: str, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        policies = POLICY.format(name="plain", expression="object.metadata.name != 'pod-5'")
        if asking:
            policies += "---\n" + POLICY.format(name="asking", expression=asking)
        (tmp_path / "policies.yaml").write_text(policies)
        site = tmp_path / "site"
        info = site / "acme-1.0.dist-info"
        info.mkdir(parents=True, exist_ok=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[kpolicy]\nacme = acme_plugin\n" if code else "")
        (site / "acme_plugin.py").write_text(code)
        paths = [str(site), str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "KPOLICY_PLUGIN_SECONDS": "0.3",
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
        }
        return subprocess.run(
            [
                sys.executable, "-m", "kpolicy", "scan", "pods", "--no-builtin",
                "-p", "policies.yaml", "-f", "json", *arguments,
            ],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60,
            input=stdin, check=False,
        )  # fmt: skip

    return run


def filled(code: str, way: str) -> str:
    """Return plugin code whose body does not come back in a way."""
    return code.replace("    BODY", textwrap.indent(WAYS[way], "    "))


def findings(result: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """Return the findings of a scan."""
    found: list[dict[str, Any]] = json.loads(result.stdout)["findings"]
    return found


def said(result: subprocess.CompletedProcess[str], what: str) -> None:
    """Insist on one error, which names plugin, hook and the thing."""
    lines = [line for line in result.stderr.splitlines() if 'plugin "acme"' in line]
    assert len(lines) == 1, result.stderr
    assert what in lines[0]
    assert "did not return within 0.3 s" in lines[0] or "ended its process" in lines[0]
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("way", "jobs"),
    [*((way, "1") for way in WAYS), ("python", "2"), ("c-loop", "2"), ("exit", "2")],
)
def test_a_function_that_does_not_return(way: str, jobs: str, scan: Scan) -> None:
    alone = findings(scan("", "", "-j", jobs))
    assert [f["resource"]["name"] for f in alone] == ["pod-5"]
    result = scan(filled(FUNCTION, way), "acme.ask(object) || true", "-j", jobs)
    said(result, 'hook kpolicy_cel_libraries: function "acme.ask"')
    assert [f for f in findings(result) if f["policy"] == "plain"] == alone


def test_the_findings_do_not_depend_on_when_it_was_ended(scan: Scan) -> None:
    code = filled(FUNCTION, "c-loop")
    one, two = (scan(code, "acme.ask(object)", "-j", jobs) for jobs in ("1", "2"))
    assert findings(one) == findings(two)
    errors = [f for f in findings(one) if f["policy"] == "asking"]
    assert [f["outcome"] for f in errors] == ["error"] * 8
    message = 'function "acme.ask" of plugin "acme" did not return within 0.3 s; it is not called'
    assert message in errors[0]["message"]


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("way", ["python", "c-loop", "exit"])
def test_a_relation_that_does_not_return_relates_nothing(way: str, jobs: str, scan: Scan) -> None:
    asking = "object.related('acme-peer').size() == 0"
    result = scan(filled(RELATION, way), asking, "-j", jobs)
    said(result, 'hook kpolicy_relations: relation "acme-peer"')
    assert findings(result) == findings(scan("", "", "-j", jobs))


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("way", ["python", "c-loop", "exit"])
def test_a_python_policy_that_does_not_return(way: str, jobs: str, scan: Scan) -> None:
    result = scan(filled(CHECK, way), "", "-j", jobs)
    said(result, 'hook kpolicy_policies: policy "asking"')
    plain = [f for f in findings(result) if f["policy"] == "plain"]
    assert plain == findings(scan("", "", "-j", jobs))
    assert {f["outcome"] for f in findings(result) if f["policy"] == "asking"} == {"error"}


@pytest.mark.parametrize("way", ["python", "c-loop", "exit"])
def test_post_processing_that_does_not_return_leaves_the_findings(way: str, scan: Scan) -> None:
    result = scan(filled(PROCESS, way))
    said(result, "hook kpolicy_process_findings")
    assert findings(result) == findings(scan())


@pytest.mark.parametrize("way", ["python", "c-loop", "exit"])
def test_a_reporter_that_does_not_return_keeps_no_other_report_back(way: str, scan: Scan) -> None:
    result = scan(filled(REPORTER, way), "", "-o", "-", "-f", "acme", "-o", "report.acme")
    said(result, 'hook kpolicy_reporters: reporter "acme"')
    assert findings(result) == findings(scan())


@pytest.mark.parametrize("way", WAYS)
def test_an_import_that_does_not_come_back_leaves_the_plugin_out(way: str, scan: Scan) -> None:
    result = scan(filled(IMPORT, way))
    said(result, 'plugin "acme" (acme 1.0) cannot be imported: it')
    assert findings(result) == findings(scan())


def test_an_import_that_works_is_seen_once(scan: Scan) -> None:
    """It is rehearsed in a child, of which nothing shows."""
    result = scan("import sys\nprint('hello', file=sys.stderr)\n")
    assert result.stderr.count("hello") == 1
    assert result.returncode == 1


@pytest.mark.parametrize(
    ("hook", "way", "jobs"),
    [
        *((hook, "c-loop", "2") for hook in LOADING_HOOKS),
        ("kpolicy_relations", "python", "1"),
        ("kpolicy_policies", "exit", "1"),
    ],
)
def test_a_hook_that_does_not_come_back_while_loading(
    hook: str, way: str, jobs: str, scan: Scan
) -> None:
    result = scan(filled(LOADING.replace("HOOK", hook), way), "", "-j", jobs)
    said(result, f"hook {hook} ")
    assert findings(result) == findings(scan("", "", "-j", jobs))


@pytest.mark.parametrize("way", ["python", "c-loop", "deaf", "exit"])
@pytest.mark.parametrize("method", ["ACCEPTS", "DISCOVER"])
def test_a_source_that_does_not_come_back(method: str, way: str, scan: Scan) -> None:
    code = SOURCE.replace(method, textwrap.indent(WAYS[way], " " * 8).lstrip())
    code = code.replace("ACCEPTS", "return target == 'registry:'")
    code = code.replace("DISCOVER", "return Discovery()")
    target = "registry:" if method == "DISCOVER" else "pods"
    result = scan(code, "", target)
    lines = [x for x in result.stderr.splitlines() if "; the rest went on without it" in x]
    (line,) = lines
    assert 'plugin "acme", hook kpolicy_sources: source "acme"' in line
    assert "did not return within 0.3 s" in line or "ended its process" in line
    assert result.returncode == 2
    assert findings(result) == findings(scan())
    invalid = json.loads(result.stdout)["invalid"]
    assert [entry["path"] for entry in invalid] == (["registry:"] if method == "DISCOVER" else [])


@pytest.mark.parametrize("way", ["python", "c-loop", "deaf", "exit"])
def test_a_policy_format_that_does_not_come_back(way: str, scan: Scan, tmp_path: Path) -> None:
    rule = "apiVersion: acme.dev/v1\nkind: Rule\nmetadata: {name: r}\n"
    (tmp_path / "rules.yaml").write_text(f"{rule}---\n{rule}")
    result = scan(filled(FORMAT, way), "", "-p", "rules.yaml")
    assert 'hook kpolicy_policy_formats: format "acme"' in result.stderr
    assert "; the rest went on without it" in result.stderr
    assert "rules.yaml:1:1: " in result.stderr
    assert "rules.yaml:5:1: " in result.stderr
    assert "it is not called again" in result.stderr
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


def test_what_a_relation_did_wrong_in_the_child_is_told(scan: Scan) -> None:
    code = RELATION.replace("BODY", "raise ValueError('no luck')")
    result = scan(code, "object.related('acme-peer').size() == 0")
    assert "failed on Pod/pod-0: ValueError: no luck" in result.stderr
    assert result.returncode == 2


def test_standard_input_is_at_hand_when_the_work_is_done_again(scan: Scan) -> None:
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: pod-5}\n"
    result = scan(filled(FUNCTION, "c-loop"), "acme.ask(object)", "-", stdin=pod)
    paths = [f["location"]["path"] for f in findings(result) if f["policy"] == "plain"]
    assert sorted(paths) == ["<stdin>", "pods/5.yaml"]


def test_no_process_is_left_behind(scan: Scan, tmp_path: Path) -> None:
    mark = tmp_path / "processes"
    way = f"import os\nopen({str(mark)!r}, 'a').write(f'{{os.getpid()}} ')\n{WAYS['deaf']}"
    code = FUNCTION.replace("    BODY", textwrap.indent(way, "    "))
    said(scan(code, "acme.ask(object)", "-j", "2"), "acme.ask")
    for process in mark.read_text().split():
        status = Path(f"/proc/{process}/stat")
        assert not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_child_ends_with_its_parent(tmp_path: Path) -> None:
    script = textwrap.dedent("""\
        import itertools, os
        from kpolicy.engine.supervision import PluginCalls, supervised

        def work():
            print(os.getpid(), flush=True)
            with calls.call(unit):
                sum(itertools.repeat(0))

        calls = PluginCalls(60, [])
        unit = calls.unit("it")
        supervised(calls, work)
        """)
    command = [sys.executable, "-c", script]
    parent = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    assert parent.stdout is not None
    child = Path(f"/proc/{parent.stdout.readline().strip()}/stat")
    assert child.exists()
    parent.kill()
    # The pipe ends when the last process that holds it does.
    assert parent.communicate(timeout=30) == ("", None)
