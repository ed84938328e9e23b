"""Time CEL evaluation: kpolicy, hand-written Python and the other engines, in one run.

    python benchmarks/cel.py [--rounds 15] [--write]

The four reference expressions over a Deployment of two containers, each engine with its input
prepared once; rounds alternate between the engines, and the least time counts. Engines that are not
installed are left out: `pip install cel-expr-python common-expression-language`. A second table
replays every evaluation that a scan of `examples/` with all built-in policies makes. With
`--write` the tables replace the section "CEL" of RESULTS.md.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import statistics
import sys
import timeit
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
# This file's own name must not stand for a module that is imported here.
sys.path = [p for p in sys.path if Path(p or ".").resolve() != Path(__file__).parent.resolve()]

from kpolicy import cel  # noqa: E402
from kpolicy.frozen import freeze  # noqa: E402

RESULTS = Path(__file__).with_name("RESULTS.md")
BEGIN, END = "<!-- cel: begin -->", "<!-- cel: end -->"

SPEC = "object.spec.template.spec"
EXPRESSIONS = {
    "a": "has(object.spec.replicas) && object.spec.replicas >= 3",
    "b": f"{SPEC}.containers.all(c, has(c.resources) && has(c.resources.limits) && "
    "'memory' in c.resources.limits)",
    "c": f"{SPEC}.containers.filter(c, c.image.endsWith(':latest') || !c.image.contains(':'))"
    ".map(c, c.name)",
    "d": f"{SPEC}.containers.all(c, !has(c.volumeMounts) || c.volumeMounts.all(m, "
    f"{SPEC}.volumes.exists(v, v.name == m.name)))",
}
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
    "spec": {
        "replicas": 3,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {
                "volumes": [{"name": "data", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}],
                "containers": [
                    {
                        "name": "web",
                        "image": "nginx:1.25",
                        "resources": {"limits": {"memory": "1Gi", "cpu": "1"}},
                        "volumeMounts": [
                            {"name": "data", "mountPath": "/data"},
                            {"name": "tmp", "mountPath": "/tmp"},
                        ],
                    },
                    {
                        "name": "sidecar",
                        "image": "shipper:latest",
                        "resources": {"limits": {"memory": "64Mi"}},
                        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
                    },
                ],
            },
        },
    },
}
#: cel-go, measured on another machine (the issue's figures), for orientation only.
CEL_GO = {"a": 0.26, "b": 1.7, "c": 1.7, "d": 3.8}


def by_hand_a(bindings: Any) -> Any:
    """What a Python programmer writes for a)."""
    spec = bindings["object"]["spec"]
    return "replicas" in spec and spec["replicas"] >= 3


def by_hand_b(bindings: Any) -> Any:
    """What a Python programmer writes for b)."""
    return all(
        "resources" in c and "limits" in c["resources"] and "memory" in c["resources"]["limits"]
        for c in bindings["object"]["spec"]["template"]["spec"]["containers"]
    )


def by_hand_c(bindings: Any) -> Any:
    """What a Python programmer writes for c)."""
    return [
        c["name"]
        for c in bindings["object"]["spec"]["template"]["spec"]["containers"]
        if c["image"].endswith(":latest") or ":" not in c["image"]
    ]


def by_hand_d(bindings: Any) -> Any:
    """What a Python programmer writes for d)."""
    spec = bindings["object"]["spec"]["template"]["spec"]
    return all(
        "volumeMounts" not in c
        or all(any(v["name"] == m["name"] for v in spec["volumes"]) for m in c["volumeMounts"])
        for c in spec["containers"]
    )


BY_HAND = {"a": by_hand_a, "b": by_hand_b, "c": by_hand_c, "d": by_hand_d}

Call = Callable[[], Any]


@dataclass
class Engine:
    """An engine: `prepare(name)` returns a call without arguments that evaluates once."""

    name: str
    prepare: Callable[[str], Call]
    least: dict[str, float] = field(default_factory=dict)


def _kpolicy(body: Any) -> Callable[[str], Call]:
    def prepare(name: str) -> Call:
        program = cel.compile(EXPRESSIONS[name])
        bindings = {"object": body}
        return lambda: program.evaluate(bindings)

    return prepare


def _by_hand(body: Any) -> Callable[[str], Call]:
    def prepare(name: str) -> Call:
        function = BY_HAND[name]
        bindings = {"object": body}
        return lambda: function(bindings)

    return prepare


def _cel_python(name: str) -> Call:
    import celpy

    environment = celpy.Environment()
    program = environment.program(environment.compile(EXPRESSIONS[name]))
    activation = {"object": celpy.json_to_cel(DEPLOYMENT)}
    return lambda: program.evaluate(activation)


def _cel_expr_python(name: str) -> Call:
    module = import_module("cel_expr_python.cel")
    environment = module.NewEnv(variables={"object": module.Type.DYN})
    expression = environment.compile(EXPRESSIONS[name])
    activation = environment.Activation({"object": DEPLOYMENT})
    return lambda: expression.eval(activation).plain_value()


def _common_expression_language(name: str) -> Call:
    module = import_module("cel")
    program = module.compile(EXPRESSIONS[name])
    context = module.Context(variables={"object": DEPLOYMENT})
    return lambda: program.execute(context)


def engines() -> Iterator[Engine]:
    """Yield the engines that are installed; by hand comes first."""
    yield Engine("hand-written Python", _by_hand(DEPLOYMENT))
    yield Engine("kpolicy", _kpolicy(DEPLOYMENT))
    yield Engine("hand-written Python, frozen body", _by_hand(freeze(DEPLOYMENT)))
    yield Engine("kpolicy, frozen body", _kpolicy(freeze(DEPLOYMENT)))
    others = {
        "cel-python": _cel_python,
        "cel-expr-python": _cel_expr_python,
        "common-expression-language": _common_expression_language,
    }
    for distribution, prepare in others.items():
        try:
            version = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            print(f"{distribution} is not installed: left out", file=sys.stderr)
            continue
        yield Engine(f"{distribution} {version}", prepare)


def plain(value: Any) -> Any:
    """Return an answer as plain Python, so that engines can be compared."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    return bool(value) if type(value).__name__ == "BoolType" else value


def measure(rounds: int) -> list[Engine]:
    """Time all engines on all expressions, in microseconds an evaluation."""
    found = list(engines())
    for name in EXPRESSIONS:
        calls = [(engine, engine.prepare(name)) for engine in found]
        expected = calls[0][1]()
        timers = []
        for engine, call in calls:
            answer = plain(call())
            assert answer == expected, f"{engine.name} on {name}: {answer!r}, not {expected!r}"
            timer = timeit.Timer("call()", globals={"call": call})
            number, taken = timer.autorange()
            timers.append((engine, timer, max(1, int(number * 0.05 / taken))))
        for _ in range(rounds):
            for engine, timer, number in timers:
                each = timer.timeit(number) / number * 1e6 - EMPTY
                engine.least[name] = min(each, engine.least.get(name, each))
    return found


#: What the timed lambda itself costs; taken off every engine alike.
EMPTY = min(timeit.repeat("call()", globals={"call": lambda: None}, number=100_000)) / 100_000 * 1e6


def reference_table(rounds: int) -> str:
    """Return the Markdown table of the four expressions."""
    found = measure(rounds)
    hand, ours = found[0].least, found[1].least
    lines = [
        "Microseconds an evaluation; *to hand* and *to kpolicy* are medians of the four ratios.\n",
        "| engine | a | b | c | d | to hand | to kpolicy |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    rows = [(engine.name, engine.least) for engine in found]
    for name, times in [*rows, ("cel-go (another machine)", CEL_GO)]:
        base = found[2].least if "frozen" in name else hand
        own = found[3].least if "frozen" in name else ours
        to_hand = statistics.median(times[k] / base[k] for k in EXPRESSIONS)
        to_ours = statistics.median(times[k] / own[k] for k in EXPRESSIONS)
        cells = " | ".join(f"{times[k]:,.2f}" for k in EXPRESSIONS)
        lines.append(f"| {name} | {cells} | {to_hand:,.2f} | {to_ours:,.1f} |")
    return "\n".join(lines)


def start_table() -> str:
    """Return the Markdown table of what a program costs before its first evaluation."""
    from kpolicy.cel.library import kubernetes_libraries

    environment = cel.Environment({"object": cel.DYN}, kubernetes_libraries())
    lines = [
        "Milliseconds before the first evaluation, by stage; *load* replaces parse and check when "
        "the tree comes from a cache.\n",
        "| expression | parse | check | load | generate and compile | cel-python, parse |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    import celpy

    reference = celpy.Environment()
    for name, source in EXPRESSIONS.items():
        data = environment.compile(source).dump()

        def stage(call: Call) -> float:
            return min(timeit.repeat(call, number=20, repeat=5)) / 20 * 1e3

        parse = stage(lambda source=source: environment.parse(source))
        compiled = stage(lambda source=source: environment.compile(source))
        load = stage(lambda data=data: environment.load(data))
        ready = stage(lambda data=data: environment.load(data).evaluate)
        theirs = stage(lambda source=source: reference.compile(source))
        lines.append(
            f"| {name} | {parse:.2f} | {compiled - parse:.2f} | {load:.2f} | {ready - load:.2f} "
            f"| {theirs:.2f} |"
        )
    return "\n".join(lines)


def policies_table() -> str:
    """Return the table of all evaluations that built-in policies make on the examples."""
    from kpolicy.cel.program import Program
    from kpolicy.cel.reference import reference_program

    recorded: list[tuple[Program, Any, Any]] = []
    original = Program.evaluate_exactly

    def recording(self: Program, bindings: Any, context: Any = None) -> Any:
        recorded.append((self, dict(bindings), context))
        return original(self, bindings, context)

    # A scan walks the tree of an expression before it makes code of it.
    Program.evaluate_exactly = recording  # type: ignore[method-assign]
    try:
        _scan_examples()
    finally:
        Program.evaluate_exactly = original  # type: ignore[method-assign]
    total = {"kpolicy": 0.0, "exact": 0.0, "cel-python": 0.0}
    fast = surprised = unanswered = 0
    by_reference: dict[int, Any] = {}
    for program, bindings, context in recorded:
        again = Program(program.environment, program.source, program.ast, program.result_type)
        left: list[int] = []
        generated = again.generated()
        if generated is not None:
            probe = generated.function(lambda b, c, left=left: left.append(1))
            _quietly(probe, bindings, context)
        surprised += bool(left) or generated is None
        fast += 1
        total["kpolicy"] += _time(again.evaluate, bindings, context)
        total["exact"] += _time(again.evaluate_exactly, bindings, context)
        if id(program) not in by_reference:
            try:
                by_reference[id(program)] = reference_program(program.environment, program.source)
            except cel.CelError:
                by_reference[id(program)] = None
        reference = by_reference[id(program)]
        if reference is None:
            unanswered += 1
            continue
        total["cel-python"] += _time(reference.evaluate, bindings, context, 1)
    programs = len({id(program) for program, _, _ in recorded})
    mean = {name: seconds / len(recorded) * 1e6 for name, seconds in total.items()}
    return (
        f"All built-in policies on `examples/`: {len(recorded):,} evaluations of {programs:,} "
        f"expressions, {mean['kpolicy']:.2f} us each on average ({surprised / fast:.1%} of them "
        f"left to exact evaluation); evaluated exactly {mean['exact']:.1f} us; by cel-python "
        f"{mean['cel-python']:.0f} us ({unanswered:,} not answered)."
    )


def _scan_examples() -> None:
    from kpolicy.cli.main import main

    quiet = open(os.devnull, "w")  # noqa: SIM115, PTH123
    shown, sys.stdout = sys.stdout, quiet
    try:
        main(
            ["scan", str(ROOT / "examples"), "--all", "--no-cache", "-j", "1", "--isolated"],
            standalone_mode=False,
        )
    except SystemExit:
        pass
    finally:
        sys.stdout = shown
        quiet.close()


def _quietly(function: Callable[..., Any], bindings: Any, context: Any) -> None:
    with contextlib.suppress(cel.CelError):
        function(bindings, context)


def _time(function: Callable[..., Any], bindings: Any, context: Any, number: int = 10) -> float:
    timer = timeit.Timer(lambda: _quietly(function, bindings, context))
    if number > 1:
        timer.timeit(1)
    return timer.timeit(number) / number


def machine() -> str:
    """Return the machine in a line."""
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def write(section: str) -> None:
    """Replace the section of RESULTS.md."""
    text = RESULTS.read_text() if RESULTS.exists() else "# Results\n\n"
    block = f"{BEGIN}\n{section}\n{END}\n"
    if BEGIN in text:
        start, end = text.index(BEGIN), text.index(END) + len(END) + 1
        text = text[:start] + block + text[end:]
    else:
        text = text.rstrip("\n") + "\n\n" + block
    RESULTS.write_text(text)


def main() -> None:
    """Measure and print, and with --write keep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    command = f"python benchmarks/cel.py --rounds {options.rounds}"
    section = "\n\n".join(
        [
            "## CEL",
            f"`{command}`. {machine()}.",
            reference_table(options.rounds),
            start_table(),
            policies_table(),
        ]
    )
    print(section)
    if options.write:
        write(section)


if __name__ == "__main__":
    main()
