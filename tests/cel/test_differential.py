"""Generated programs: the compiler against the exact evaluator, cel-python and, if there, cel-cpp.

The seed is printed; `KPOLICY_SEED=N` repeats a run, `KPOLICY_PROGRAMS=N` sets its length.
"""

from __future__ import annotations

import logging
import os
import random
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from cel_generate import EXTENSIONS, VARIABLES, Case, cases, make_case
from cel_tagged import Tagged, same, tag
from hypothesis import HealthCheck, Phase, given, seed, settings

from kpolicy import cel
from kpolicy.cel.errors import CelError
from kpolicy.cel.reference import Values, celpy_environment, reference_program
from kpolicy.cel.reference_corrections import (
    CORRECTIONS,
    corrected_evaluator,
    corrected_functions,
)
from kpolicy.cel.unification import Unifier
from kpolicy.cel.values import type_of
from kpolicy.frozen import freeze

SEED = int(os.environ.get("KPOLICY_SEED") or random.SystemRandom().randrange(2**32))
PROGRAMS = int(os.environ.get("KPOLICY_PROGRAMS") or 5000)

ENVIRONMENT = cel.Environment(VARIABLES)

#: What must have been drawn, each at least in one program of a hundred.
OPERATORS = {
    "+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "!_", "-_", "?:", "in",
    "_[_]", "select", "has", "all", "exists", "exists_one", "filter", "map", "size", "int", "uint",
    "double", "string", "bytes", "dyn", "startsWith", "endsWith", "contains", "matches",
    "mixed==", "mixed!=", "mixed<", "mixed>=", "odd-map", "map-literal",
}  # fmt: skip

#: A value, or None for an error.
Answer = Tagged | None


def agree(left: Answer, right: Answer) -> bool:
    """Say whether two answers are the same value, or both errors."""
    if left is None or right is None:
        return left is right
    return same(left, right)


def answer_of(program: Any, bindings: dict[str, Any], how: str = "evaluate") -> Answer:
    """Return what a program answers."""
    try:
        return tag(getattr(program, how)(bindings), {})
    except CelError:
        return None


class CelPython:
    """cel-python over the source as written: its own parser, its own values."""

    def __init__(self, case: Case) -> None:
        self.case = case
        environment = celpy_environment()
        self.runner = environment.program(environment.compile(case.source))

    def answer(self, corrections: frozenset[str] = frozenset()) -> Answer:
        """Return its answer with the faults named in `corrections` mended."""
        from celpy.evaluation import CELEvalError

        values = Values({})
        self.runner.functions = corrected_functions(corrections) or None
        evaluator = corrected_evaluator(corrections)(self.runner.ast, self.runner.new_activation())
        bindings = {name: values.enter(value) for name, value in self.case.bindings.items()}
        try:
            return tag(values.leave(evaluator.evaluate(bindings or {"unused": None})), {})
        except (CELEvalError, CelError):
            return None
        except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError):
            # What cel-python lets through is an error, too, only in another coat.
            return None

    def explanation(self, ours: Answer) -> frozenset[str] | None:
        """Return the fewest known faults that explain another answer; None = they do not."""
        for name in CORRECTIONS:
            if agree(ours, self.answer(frozenset((name,)))):
                return frozenset((name,))
        needed = frozenset(CORRECTIONS)
        if not agree(ours, self.answer(needed)):
            return None
        for name in CORRECTIONS:
            if agree(ours, self.answer(needed - {name})):
                needed -= {name}
        return needed


@pytest.fixture(autouse=True)
def _quiet_celpy() -> Iterator[None]:
    """cel-python logs each error that it meets."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(before)


def _told(case: Case, **answers: Answer) -> str:
    return "\n".join(
        [f"seed {SEED}", case.source, f"bindings {case.bindings}"]
        + [f"{who}: {answer}" for who, answer in answers.items()]
    )


def test_compiler_agrees_with_cel_python(capsys: pytest.CaptureFixture[str]) -> None:
    """On every program the compiler, the exact evaluator and cel-python give the same answer.

    Where cel-python differs, one of its known faults (docs/cel.md), mended in it alone, must bring
    it to the compiler's answer. The type at run time is the one that the checker foretold.
    """
    operators: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    errors = 0
    sources: set[str] = set()

    @seed(SEED)
    @settings(
        max_examples=PROGRAMS * 5 // 4,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(cases())
    def run(case: Case) -> None:
        nonlocal errors
        if case.source in sources or len(sources) >= PROGRAMS:
            return
        sources.add(case.source)
        program = ENVIRONMENT.compile(case.source)
        compiled = answer_of(program, case.bindings)
        exact = answer_of(program, case.bindings, "evaluate_exactly")
        assert agree(compiled, exact), _told(case, compiled=compiled, exact=exact)
        if compiled is None:
            errors += 1
        else:
            value = program.evaluate(case.bindings)
            assert Unifier().assign((program.result_type,), (case.type,)), _told(case)
            assert type_of(value).name == case.type.name, _told(case, compiled=compiled)
        oracle = CelPython(case)
        theirs = oracle.answer()
        if not agree(compiled, theirs):
            known = oracle.explanation(compiled)
            assert known is not None, _told(case, compiled=compiled, cel_python=theirs)
            faults.update(known)
        operators.update(case.operators)

    with capsys.disabled():
        print(f"\n{PROGRAMS} different programs, KPOLICY_SEED={SEED}", flush=True)
    run()
    with capsys.disabled():
        print(f"{errors} of them fail; cel-python's faults: {dict(faults)}")
    assert len(sources) == PROGRAMS, "programs repeat themselves"
    if PROGRAMS >= 1000:
        assert errors < 0.5 * PROGRAMS, "too many programs only fail"
        rare = {name for name in OPERATORS if operators[name] < PROGRAMS / 100}
        assert not rare, f"hardly drawn: {rare}"


def test_extensions_agree_with_the_reference() -> None:
    """Optionals, bindings and macros with two variables: compiled, exact and by cel-python.

    cel-python runs them as the reference engine writes them. The compiled program runs on frozen
    bodies, too: what the loader builds gives the same answer as plain Python. So does the program
    that is compiled without declarations and without the checker.
    """
    environment = cel.Environment(VARIABLES, cel.kubernetes_libraries())
    undeclared = cel.Environment(None, cel.kubernetes_libraries())
    drawn = random.Random(SEED)
    operators: Counter[str] = Counter()
    total = PROGRAMS // 4
    for _ in range(total):
        case = make_case(drawn, extended=True)
        program = environment.compile(case.source)
        compiled = answer_of(program, case.bindings)
        frozen = {name: freeze(value) for name, value in case.bindings.items()}
        exact = answer_of(program, case.bindings, "evaluate_exactly")
        assert agree(compiled, exact), _told(case, compiled=compiled, exact=exact)
        loose = answer_of(undeclared.compile(case.source, check=False), case.bindings)
        assert agree(compiled, loose), _told(case, checked=compiled, unchecked=loose)
        again = answer_of(program, frozen)
        assert agree(compiled, again), _told(case, plain=compiled, frozen=again)
        if compiled is not None and compiled["type"] != "optional":
            assert type_of(program.evaluate(frozen)).name == case.type.name, _told(case)
        theirs = answer_of(reference_program(environment, case.source), case.bindings)
        assert agree(compiled, theirs), _told(case, compiled=compiled, cel_python=theirs)
        operators.update(case.operators)
    if total >= 1000:
        rare = {name for name in EXTENSIONS if operators[name] < total / 200}
        assert not rare, f"hardly drawn: {rare}"


def _cpp() -> Any:
    return pytest.importorskip("cel_expr_python.cel", reason="cel-expr-python is not installed")


#: cel-cpp answers these otherwise than cel-go, whom Kubernetes runs; by what tells them in a
#: program.
CPP_DIFFERS = ("matches(", "string(", "int(", "uint(", "double(", "/", "{", "timestamp", "get")


def test_compiler_agrees_with_cel_cpp() -> None:
    """Google's C++ engine, where it is installed, agrees on programs of the core language."""
    cpp = _cpp()
    kinds = {
        "i": cpp.Type.INT, "u": cpp.Type.UINT, "s": cpp.Type.STRING,
        "b": cpp.Type.BOOL, "ints": cpp.Type.LIST, "words": cpp.Type.LIST,
        "counts": cpp.Type.MAP, "object": cpp.Type.DYN,
    }  # fmt: skip
    environment = cpp.NewEnv(variables=kinds)
    drawn = random.Random(SEED)
    compared = 0
    while compared < 500:
        case = make_case(drawn)
        if any(mark in case.source for mark in CPP_DIFFERS) or "u" in case.bindings:
            continue
        # Bytes are cut at a zero byte on their way in, and NaN is ordered there.
        if case.bindings.keys() - kinds.keys() or re.search(r"\d\.\d|\de[+-]", case.source):
            continue
        ours = answer_of(ENVIRONMENT.compile(case.source), case.bindings)
        try:
            program = environment.compile(case.source)
        except RuntimeError as refused:
            # It takes an index into dyn for no range of a macro.
            assert "cannot be the range of a comprehension" in str(refused), _told(case)
            continue
        theirs = program.eval(data=case.bindings)
        compared += 1
        failed = str(theirs.type()) == "ERROR"
        assert failed == (ours is None), _told(case, ours=ours, cpp=str(theirs.value()))
        if ours is not None and ours["type"] in ("bool", "int", "string"):
            assert theirs.value() == ours["value"], _told(case, ours=ours)


@pytest.mark.parametrize("name", sorted(CORRECTIONS))
def test_correction_is_needed(name: str) -> None:
    """Each correction changes an answer for the better; one that does nothing would hide faults."""
    source, bindings = PROOFS[name]
    program = cel.Environment(dict.fromkeys(bindings, cel.DYN)).compile(source)
    oracle = CelPython(Case(source, cel.DYN, bindings))
    ours = answer_of(program, bindings)
    assert not agree(ours, oracle.answer())
    assert agree(ours, oracle.answer(frozenset((name,))))


PROOFS: dict[str, tuple[str, dict[str, Any]]] = {
    "equality-across-types": ("dyn(1) == 1.0", {}),
    "order-across-types": ("dyn(1) < 1.5", {}),
    "division-of-doubles": ("string(0.0 / 0.0) == string(0.0 / 1.0 - 0.0 / 0.0)", {}),
    "types-of-results": ("('a' + 'b').contains('b')", {}),
    "conversion-to-string": ("string(true)", {}),
    "conversion-to-number": ("int('0x1')", {}),
    "has-hides-errors": ("has(o.a.b)", {"o": {}}),
    "errors-in-maps": ("size({'a': 1 / 0})", {}),
    "map-keys": ("{true: 2, 1: 3}.size()", {}),
    "index-of-lists": ("[1, 2][-1]", {}),
    "range-of-macros": ("dyn('ab').map(x, x)", {}),
    "errors-in-macros": ("[0].map(x, 1 / x) == [] || true", {}),
}
