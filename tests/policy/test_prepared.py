"""Code that was written down when kpolicy was built decides as code that is made at a scan does."""

from __future__ import annotations

import py_compile
from pathlib import Path
from typing import Any

import pytest

from kpolicy import cel
from kpolicy.cel.prepared import fingerprint, function_of, key_of, written
from kpolicy.config.model import Config
from kpolicy.engine import ScanRequest, scan
from kpolicy.engine.plan import make_plan
from kpolicy.engine.shipped import write_expressions
from kpolicy.plugins.manager import make_plugin_manager
from kpolicy.policy import prepared
from kpolicy.policy.build_digest import GENERATED, build_digest
from kpolicy.policy.compiled import CompileContext
from kpolicy.policy.programs import LazyProgram

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = ("object", "params")
LIBRARIES = cel.kubernetes_libraries()


@pytest.fixture(scope="module")
def toolbox() -> Any:
    return make_plugin_manager(entry_points=False).toolbox()


@pytest.fixture(scope="module")
def text(toolbox: Any) -> str:
    """The module as a build of this checkout writes it."""
    return write_expressions(toolbox, build_digest())


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that the module is looked for in."""
    monkeypatch.setattr(prepared, "DIRECTORY", tmp_path)
    return tmp_path / GENERATED


def functions_of(*sources: str) -> tuple[dict[bytes, Any], Any]:
    environment = cel.Environment(dict.fromkeys(NAMES, cel.DYN), LIBRARIES, lenient_presence=True)
    namespace: dict[str, Any] = {}
    exec(written((environment.compile(source), NAMES) for source in sources), namespace)
    functions: dict[bytes, Any] = namespace["FUNCTIONS"]
    return functions, environment


VALUES: list[dict[str, Any]] = [
    {"object": {}, "params": {"limit": 3}},
    {
        "object": {"name": "a-b", "list": [1, 2, 2], "cpu": "1500m", "at": "2026-01-01T00:00:00Z"},
        "params": {"limit": 2},
    },
]


@pytest.mark.parametrize(
    "source",
    [
        "object.?name.orValue('x') == 'a-b'",
        "has(object.list) && object.list.all(i, i <= params.limit)",
        "object.?list.orValue([]).map(i, {'value': i, 'twice': [i, i]})",
        "object.list.filter(i, i > 1).size() > 1 ? 'many' : 'few'",
        "object.name.matches('^[a-z]-[a-z]$')",
        "quantity(object.cpu).compareTo(quantity(object.cpu)) == 0 && object.list.isSorted()",
        "object.name in ['a-b', 'c'] ? optional.none() : optional.of(object.cpu)",
        "timestamp(object.at) - duration(object.cpu) > timestamp(object.at)",
        "object.name.split('-').join('+') + object.name.upperAscii()",
        "type(object.list) == list && type(object.name) != type(params.limit)",
    ],
)
def test_a_written_expression_gives_what_it_gave(source: str) -> None:
    functions, environment = functions_of(source)
    program = environment.compile(source)
    found = functions[key_of(source, NAMES, fingerprint(LIBRARIES))]
    function = function_of(found, source, lambda: environment, program.evaluate_exactly)
    for bindings in VALUES:
        try:
            wanted = program.evaluate(bindings)
        except cel.CelError as error:
            with pytest.raises(cel.CelError, match=f"^{error}$".replace("(", r"\(")[:20]):
                function(bindings, None)
        else:
            assert function(bindings, None) == wanted


def test_code_that_carries_a_value_without_a_name_is_left_out() -> None:
    functions, _ = functions_of("quantity(object.cpu) == quantity('1')", "object.name == 'a'")
    assert list(functions) == [key_of("object.name == 'a'", NAMES, fingerprint(LIBRARIES))]


def test_other_variables_or_another_library_are_another_expression() -> None:
    known = fingerprint(LIBRARIES)
    key = key_of("object.a", NAMES, known)
    assert key != key_of("object.a", ("object", "paramsobject"), known)
    assert key != key_of("object.b", NAMES, known)
    assert fingerprint(LIBRARIES[1:]) != known
    assert fingerprint((*LIBRARIES, *LIBRARIES[:1])) != known


def test_nearly_all_built_in_expressions_have_code(toolbox: Any, text: str) -> None:
    namespace: dict[str, Any] = {}
    exec(text, namespace)
    assert len(namespace["FUNCTIONS"]) > 500
    context = CompileContext(toolbox.libraries)
    environment = context.environment(("object",))
    for function, carried in namespace["FUNCTIONS"].values():
        made = function_of((function, carried), "", lambda: environment, lambda b, c: None)
        assert made.__globals__["__builtins__"] == {}


def test_of_the_default_set_all_expressions_have_code(
    toolbox: Any, text: str, place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each one that has none is parsed, and turned into code, in every process of a scan."""
    monkeypatch.setenv("KPOLICY_CACHE_DIR", str(tmp_path / "cache"))
    place.write_text(text)
    py_compile.compile(str(place))
    make_plan(toolbox, ScanRequest(isolated=True), Config())
    plan = make_plan(toolbox, ScanRequest(isolated=True), Config())  # from the cache of policies
    without = []
    for unit in plan.units:
        compiled = unit.compiled
        programs = [program for _, program in compiled.conditions]
        programs += compiled.variables.values()
        for validation in compiled.validations:
            programs += [validation.test, *filter(None, [validation.items])]
        without += [
            (compiled.id, program.source)
            for program in programs
            if isinstance(program, LazyProgram)
            and (program._prepared is None or program._prepared(program) is None)
        ]
    assert without == []


def test_a_scan_finds_the_same_with_it_and_without(
    toolbox: Any, text: str, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KPOLICY_CACHE_DIR", str(tmp_path / "cache"))
    request = ScanRequest(targets=(str(EXAMPLES),), isolated=True, cache=False, jobs=1)
    first = scan(request, toolbox)
    assert first.findings
    place.write_text(text)
    py_compile.compile(str(place))
    used = []
    restore = prepared.Prepared.function

    def noted(self: Any, program: Any, environment: Any) -> Any:
        made = restore(self, program, environment)
        used.append(made is not None)
        return made

    monkeypatch.setattr(prepared.Prepared, "function", noted)
    again = scan(request, toolbox)
    assert again.findings == first.findings
    assert sum(used) > len(used) * 0.9 > 10


def test_what_another_build_wrote_is_not_used(text: str, place: Path) -> None:
    assert prepared.Prepared.of(LIBRARIES).functions == {}
    place.write_text(text)
    assert prepared.Prepared.of(LIBRARIES).functions == {}, "it is not compiled"
    py_compile.compile(str(place))
    assert prepared.Prepared.of(LIBRARIES).functions
    place.write_text(text.replace(build_digest(), "another"))
    py_compile.compile(str(place))
    assert prepared.Prepared.of(LIBRARIES).functions == {}


def test_a_damaged_module_is_not_used(place: Path) -> None:
    place.write_text("FUNCTIONS = {}\n")
    py_compile.compile(str(place))
    assert prepared.Prepared.of(LIBRARIES).functions == {}
