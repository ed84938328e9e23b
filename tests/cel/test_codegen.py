"""The generated code: what it looks like, and that no text of an expression becomes code."""

from __future__ import annotations

import ast
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kpolicy import cel
from kpolicy.cel.declarations import Function, Library, Overload
from kpolicy.cel.errors import CelError
from kpolicy.cel.library import standard
from kpolicy.cel.nodes import Bind, Call, Comprehension, Constant, Identifier, Select
from kpolicy.cel.program import Program
from kpolicy.cel.support import fair_result
from kpolicy.cel.types import DYN

CHECK_A = "has(object.spec.replicas) && object.spec.replicas >= 3"
POD_SPEC = "object.spec.template.spec"
CHECK_D = (
    f"{POD_SPEC}.containers.all(c, !has(c.volumeMounts) || "
    f"c.volumeMounts.all(m, {POD_SPEC}.volumes.exists(v, v.name == m.name)))"
)
DECLARED = cel.Environment({"object": DYN}, cel.kubernetes_libraries())


def code_of(source: str) -> str:
    return DECLARED.compile(source, check=False).python_source()


def test_the_code_of_a_simple_check() -> None:
    """A prefix is read once, the guard is a type flag, the comparison is inline."""
    assert re.sub(r"^#.*\n", "", code_of(CHECK_A), flags=re.MULTILINE) == (
        "def evaluate(b, context=None):\n"
        "    try:\n"
        "        t0 = b['object']['spec']\n"
        "        match t0:\n"
        "            case {}:\n"
        "                pass\n"
        "            case _:\n"
        "                raise k0\n"
        "        if 'replicas' not in t0:\n"
        "            return False\n"
        "        t1 = t0['replicas']\n"
        "        return t1 >= 3 if t1.__class__ is k1 else k2(t1, 3)\n"
        "    except k3:\n"
        "        return slow(b, context)"
    )


def test_generated_code_is_deterministic() -> None:
    assert code_of(CHECK_D) == code_of(CHECK_D)


def test_a_common_path_is_read_once() -> None:
    assert code_of(CHECK_D).count("['template']") == 1


def test_macros_are_loops_of_one_function() -> None:
    tree = ast.parse(code_of(CHECK_D))
    assert sum(isinstance(node, ast.For) for node in ast.walk(tree)) == 3
    assert sum(isinstance(node, ast.FunctionDef) for node in ast.walk(tree)) == 1
    assert not any(
        isinstance(node, (ast.Lambda, ast.ListComp, ast.GeneratorExp)) for node in ast.walk(tree)
    )


def test_a_filter_below_map_is_not_a_list_of_its_own() -> None:
    assert code_of("object.l.filter(x, x > 1).map(x, x + 1)").count("= []") == 1


def test_an_optional_chain_makes_no_optionals() -> None:
    code = code_of("object.?spec.?x[?0].orValue('none') == 'a' && object[?'y'].hasValue()")
    assert "Optional" not in code
    program = DECLARED.compile("object.?spec.?x.optMap(v, v + 1).orValue(0)")
    assert [program.evaluate({"object": o}) for o in ({"spec": {"x": 1}}, {"spec": {}}, {})] == [
        2, 0, 0,
    ]  # fmt: skip


def test_constants_are_computed_once() -> None:
    code = code_of("quantity(object.a).isLessThan(quantity('1Gi')) && 1 + 2 * 3 == object.n")
    assert "Quantity('1Gi')" in code
    assert "== 7" in code


def test_a_constant_that_fails_fails_only_when_it_is_evaluated() -> None:
    program = DECLARED.compile("object.x == 1 || quantity('nope') == quantity('1')")
    assert program.evaluate({"object": {"x": 1}}) is True
    with pytest.raises(CelError):
        program.evaluate({"object": {"x": 2}})


def test_a_constant_pattern_is_asked_once_of_a_short_text(monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[bytes] = []

    class Counting:
        pattern = "b+"

        def search(self, text: bytes) -> object:
            searched.append(text)
            return re.search(b"b+", text)

    monkeypatch.setattr(standard, "_KEPT", 3)
    found = standard.Found(Counting())
    long = "ab" * 500
    assert [found[text] for text in ("ab", "ac", "ab", long, long)] == [
        True, False, True, True, True,
    ]  # fmt: skip
    assert searched == [b"ab", b"ac", long.encode(), long.encode()]
    assert [found[text] for text in "cdeb"] == [False, False, False, True]
    assert len(found) <= 3


def test_a_sum_of_sizes_is_one_of_python_and_an_overflow_an_error() -> None:
    assert " + " in code_of("size(object.a) + size(object.b)")
    program = DECLARED.compile("size(object) + 9223372036854775807", check=False)
    assert program.evaluate({"object": []}) == 9223372036854775807
    with pytest.raises(CelError, match="overflow"):
        program.evaluate({"object": [1]})


@pytest.mark.parametrize("parts", [True, False])
def test_a_part_of_the_input_is_not_weighed(parts: bool) -> None:
    overload = Overload("first", (DYN,), DYN, lambda value: value[0], parts=parts)
    library = Library("t", (Function("first", (overload,)),))
    program = cel.Environment({"object": DYN}, (library,)).compile("first(object)")
    assert program.evaluate({"object": ["x"]}) == "x"
    generated = program.generated()
    assert generated is not None
    assert (fair_result in generated.constants.values()) is not parts


def test_no_comprehension_variable_leaks_between_evaluations() -> None:
    program = cel.compile("l.map(x, l.exists(y, y > x))")
    assert program.evaluate({"l": [1, 2]}) == [True, False]
    assert program.evaluate({"l": []}) == []


def test_python_warns_of_nothing_in_generated_code() -> None:
    """A literal in an odd place (`1 == null`, `[1]['a']`) is legal CEL; warnings are errors."""
    sources = [
        "1 == null", "[1]['a']", "'a'[0]", "'a'.b", "1 == true", "[1, 2] == null", "{}['a']",
        "'a' in 'b'", "1[?0]", "has('a'.b)", "null.x", "(1).size()", "'a'.size()",
    ]  # fmt: skip
    for source in sources:
        program = cel.compile(source, check=False)
        assert program.generated() is not None
        compile(program.generated().module, "<test>", "exec")  # type: ignore[union-attr]


@pytest.mark.parametrize("depth", [20, 240])
def test_what_python_cannot_nest_is_evaluated_exactly(depth: int) -> None:
    source = "x"
    for i in range(min(depth, 20)):
        source = f"[{source}].map(v{i}, v{i})[0]"
    source = "-(" * (depth - 80) + source + ")" * (depth - 80) if depth > 200 else source
    assert cel.compile(source, check=False).evaluate({"x": 1}) == 1


# Injection

HOSTILE = [
    "__import__('os')", "b", "k0", "slow", "t0", "v0", "context", "evaluate", "len", "__class__",
    "x = 1",
    "a\nimport os", "'] + __import__('os').system('x') + ['", "{bad}", "%s", "\\", "\"'", "\0",
    "\ud800", "λ", "None", "True", "lambda: 0", "__builtins__", "raise", "yield", ")",
]  # fmt: skip
TEXT = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=12))
ALLOWED = re.compile(r"b|context|evaluate|cost|slow|[ktv]\d+")
ATTRIBUTES = {
    "__class__", "isdisjoint", "append", "startswith", "endswith", "encode", "value", "has_value",
}  # fmt: skip


def _assert_only_ours(program: Program) -> None:
    """Every identifier of the generated code is one that the generator makes."""
    generated = program.generated()
    if generated is None:
        return
    for node in ast.walk(generated.module):
        if isinstance(node, ast.Name):
            assert ALLOWED.fullmatch(node.id), node.id
        elif isinstance(node, ast.arg):
            assert ALLOWED.fullmatch(node.arg)
        elif isinstance(node, ast.Attribute):
            assert node.attr in ATTRIBUTES, node.attr
        else:
            assert not isinstance(node, (ast.Import, ast.ImportFrom, ast.Global, ast.Lambda))
    assert all(ALLOWED.fullmatch(name) for name in generated.constants)


@settings(max_examples=300, deadline=None)
@given(TEXT, TEXT, TEXT)
def test_hostile_names_and_literals_stay_data(name: str, field: str, text: str) -> None:
    """Even in trees that no source can spell, as a damaged cache might hold."""
    variable = Identifier(0, name)
    body = Call(0, "_&&_", None, [
        Call(0, "_==_", None, [Select(0, Identifier(0, name), field), Constant(0, text)]),
        Call(0, field, variable, [Constant(0, text)]),
    ])  # fmt: skip
    tree = Bind(0, name, Select(0, Identifier(0, text), name), Comprehension(
        0, "all", Select(0, variable, field), field, None, body
    ))  # fmt: skip
    for environment in (DECLARED, cel.Environment(libraries=cel.kubernetes_libraries())):
        program = Program(environment, "", tree)
        _assert_only_ours(program)
        with pytest.raises(CelError):
            program.evaluate({"object": 1, "spare": 2})


@settings(max_examples=300, deadline=None)
@given(TEXT)
def test_a_text_literal_comes_back_as_it_is(text: str) -> None:
    program = Program(DECLARED, "", Constant(0, text))
    assert program.evaluate({}) == text
    looked_up = Program(DECLARED, "", Select(0, Identifier(0, "object"), text))
    assert looked_up.evaluate({"object": {text: "here"}}) == "here"


def test_generated_code_reaches_no_builtins() -> None:
    generated = DECLARED.compile(CHECK_D).generated()
    assert generated is not None
    function: Any = generated.function(lambda b, c: None)
    assert function.__globals__["__builtins__"] == {}
