"""`kpolicy eval`: one expression, tried out."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 1", "2"),
        ("'a' + 'b'", '"ab"'),
        ("1 == dyn(1.0)", "true"),
        ("2u", "2"),
        ("b'hi'", '"aGk="'),
        ("null", "null"),
        ("1.0 / 0.0", '"Infinity"'),
        ("duration('90s')", '"90s"'),
        ("timestamp('2024-01-01T00:00:00Z')", '"2024-01-01T00:00:00Z"'),
        ("quantity('1Gi')", '"1Gi"'),
        ("type(1)", '"int"'),
        ("params", "{}"),
        ("object", "null"),
        ("[1, {'a': 'ü'}]", '[\n  1,\n  {\n    "a": "ü"\n  }\n]'),
    ],
)
def test_values_are_printed_as_json(expression: str, value: str, run: Run) -> None:
    result = run("eval", expression)
    assert result.stdout == value + "\n"
    assert result.exit_code == 0


def test_a_document_is_object(run: Run) -> None:
    assert run("eval", "object.metadata.name", "-f", "apps/bad.yaml").stdout == '"bad"\n'
    assert run("eval", "request.name", "-f", "apps/bad.yaml").stdout == '"bad"\n'


def test_several_documents_are_each_named(run: Run) -> None:
    lines = run("eval", "object.kind", "-f", "apps").stdout.splitlines()
    assert lines == [
        'Pod/bad (apps/bad.yaml:1:1): "Pod"',
        'Pod/good (apps/good.yaml:1:1): "Pod"',
    ]


def test_a_resource_can_be_chosen(run: Run) -> None:
    result = run("eval", "object.metadata.name", "-f", "apps", "--resource", "pod/good")
    assert result.stdout == '"good"\n'
    wrong = run("eval", "1", "-f", "apps", "--resource", "Pod/goood")
    assert wrong.exit_code == 2
    assert 'did you mean "Pod/good"?' in wrong.stderr
    assert run("eval", "1", "-f", "apps", "--resource", "good").exit_code == 2
    assert run("eval", "1", "--resource", "Pod/good").exit_code == 2


def test_standard_input_may_be_any_json(run: Run) -> None:
    result = run("eval", "object.a.b * x", "-f", "-", "--var", "x=7", input='{"a": {"b": 3}}')
    assert result.stdout == "21\n"


def test_relations_see_all_files(run: Run, repository: Path) -> None:
    (repository / "apps" / "service.yaml").write_text(
        "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n"
        "spec: {selector: {app: x}, ports: [{port: 80}]}\n"
    )
    pod = repository / "apps" / "good.yaml"
    pod.write_text(pod.read_text().replace("spec:", "  labels: {app: x}\nspec:"))
    found = run(
        "eval", "object.related('selects').map(r, r.metadata.name)", "-f", "apps",
        "--resource", "Service/s",
    )  # fmt: skip
    assert json.loads(found.stdout) == ["good"]


@pytest.mark.parametrize(
    ("expression", "place", "said"),
    [
        ("1 +", "1:", "unexpected"),
        ("objct.a", "1:1", "did you mean `object`?"),
        ("'a'.startWith('a')", "1:", "startsWith"),
        ("1 + 'a'", "1:3", "no matching overload"),
        ("object.a", "1:", ""),
        ("1 / 0", "1:3", "division by zero"),
        ("\n  9223372036854775807 + 1", "2:", "overflow"),
    ],
)
def test_mistakes_have_a_place_and_a_caret(
    expression: str, place: str, said: str, run: Run
) -> None:
    result = run("eval", expression)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith(f"expression:{place}")
    assert said in result.stderr
    assert "^" in result.stderr


def test_all_mistakes_of_an_expression_are_told(run: Run) -> None:
    result = run("eval", "one + two")
    assert "'one'" in result.stderr
    assert "'two'" in result.stderr


@pytest.mark.parametrize(
    "expression",
    [
        "(" * 10_000 + "1" + ")" * 10_000,
        "1" + "+1" * 30_000,
        "[" * 5_000 + "]" * 5_000,
        "'" + "x" * 1_000_000 + "'.size() == 0 && ((((",
        "lists.range(1000).all(a, " * 10 + "true" + ")" * 10,
        "lists.range(100000000).size()",
        "'a'.matches('(' + 'x' + '*)*$[')",
        "\x00",
        "'" + "\U0001f600" * 1000,
    ],
)
def test_hostile_input_ends_soon_with_a_clear_error(expression: str, run: Run) -> None:
    began = time.perf_counter()
    result = run("eval", expression)
    assert result.exit_code == 2
    assert "Traceback" not in result.stderr
    assert "internal error" not in result.stderr
    assert result.stderr.startswith("expression:")
    assert len(result.stderr) < 2_000
    assert time.perf_counter() - began < 5


def test_without_an_expression_lines_are_read(run: Run) -> None:
    result = run("eval", input="1 + 1\n\n1 +\n'a'\n")
    assert result.stdout == '2\n"a"\n'
    assert result.stderr.startswith("expression:1:")


def test_variables_are_declared(run: Run) -> None:
    assert run("eval", "x.size() + y", "--var", "x=[1, 2]", "--var", "y=3").stdout == "5\n"
    assert run("eval", "1", "--var", "x").exit_code == 2
    assert run("eval", "1", "--var", "x=[").exit_code == 2


def test_python_is_shown(run: Run) -> None:
    result = run("eval", "object.spec.replicas >= 3", "--show-python")
    assert result.exit_code == 0
    compile(result.stdout, "shown", "exec")
    assert "replicas" in result.stdout
