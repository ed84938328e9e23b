"""Fixes in the native format: read strictly, their CEL checked, their paths followed."""

from __future__ import annotations

import pytest
from scan_kit import policy, run, toolbox, write

from kpolicy.policy.compiled import CompileContext, compile_policy
from kpolicy.policy.loader import load_file
from kpolicy.policy.model import Edit
from kpolicy.policy.stored import restore_compiled, restore_policy, store_compiled, store_policy
from kpolicy.relations.index import directory

HEAD = """\
apiVersion: kpolicy.dev/v1
kind: Policy
metadata: {name: p}
spec:
  validations:
    - expression: object.kind == ''
      fix:
"""


def load(*steps):
    return load_file("p.yaml", HEAD + "".join(f"        - {step}\n" for step in steps))


def compiled(text):
    box = toolbox()
    context = CompileContext(
        box.libraries, frozenset(directory(box.relations)), None, {"p.yaml": text}
    )
    (read,) = load_file("p.yaml", text).policies
    return *compile_policy(read, context), context


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("{op: add, path: /a}", "needs value, since its op is add"),
        ("{op: replace, path: /a}", "needs value, since its op is replace"),
        ("{op: remove, path: /a, value: '1'}", "takes no value, since its op is remove"),
        ("{op: move, path: /a}", "needs from, since its op is move"),
        ("{op: add, path: /a, from: /b, value: '1'}", "takes no from, since its op is add"),
        ("{op: move, path: /a, from: /b/c}", "moves to another mapping"),
        ("{op: remove, path: a/b}", 'path is no path: "a/b"'),
        ("{op: remove, path: /a~2}", 'path is no path: "/a~2"'),
        ("{op: remove, path: objects/a}", 'path is no path: "objects/a"'),
        ("{op: remove, path: object}", "names no part of the object"),
        ("{op: copy, path: /a}", "op"),
        ("{op: add, path: /a, value: 1}", "value"),
        ("{op: remove, path: /a, then: b}", "then"),
        ("{path: /a}", "op"),
    ],
)
def test_each_mistake_is_named_at_its_place(step, message):
    (problem, *_) = load(step).problems
    assert message in problem.message
    assert problem.location.line == 8


def test_an_empty_fix_is_a_mistake():
    text = HEAD.replace("fix:\n", "fix: []\n")
    (problem,) = load_file("p.yaml", text).problems
    assert "is empty, so that nothing would be mended" in problem.message


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("{op: add, path: /a, value: nope}", "validation 1, fix[0].value: "),
        ("{op: add, path: /a, value: '1', when: '1'}", "validation 1, fix[0].when: "),
        ("{op: remove, path: /a, in: object.(}", "validation 1, fix[0].in: "),
        ("{op: add, path: /a, value: params.b}", 'no parameter "b"'),
    ],
)
def test_cel_is_checked_when_the_policy_is_loaded(step, message):
    made, problems, _ = compiled(f"{HEAD}        - {step}\n")
    assert made is None
    assert message in problems[0].message
    assert problems[0].location.line == 8


def test_the_cache_keeps_fixes():
    """What is stored and restored is the same policy, and its fix evaluates to the same."""
    step = "{op: add, path: /b, value: \"'x' + object.kind\", when: 'true', in: object.spec}"
    made, problems, context = compiled(f"{HEAD}        - {step}\n")
    assert problems == ()
    policy_ = restore_policy(store_policy(made.policy))
    assert policy_ == made.policy
    (again,) = restore_compiled(store_compiled(made), policy_, context).validations
    (restored,) = again.fix
    assert (restored.op, restored.path, restored.source) == ("add", "/b", "")
    bindings = {"object": {"kind": "Y", "spec": {}}}
    assert restored.value.evaluate(bindings) == "xY"
    assert restored.when.evaluate(bindings) is True
    assert restored.base.evaluate(bindings) == {}


POD = """\
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  hostname: h
  containers:
    - {name: c, volumeMounts: [{name: v, mountPath: /v}]}
"""

ITEMS = "forEach: {var: c, in: object.spec.containers}"
MOUNTS = "forEach: {var: m, in: \"object.spec.containers.map(c, {'m': c.volumeMounts[0]})\"}"


@pytest.mark.parametrize(
    ("rest", "step", "edits"),
    [
        # From the item of forEach, from what `at` names, from the object.
        (ITEMS, "{op: add, path: /x, value: c.name}", [("add", "/spec/containers/0/x", "c")]),
        (f"{ITEMS}, at: c.name", "{op: add, path: /x, value: '1'}",
         [("add", "/spec/containers/0/x", 1)]),
        (f"{MOUNTS}, at: m.m", "{op: add, path: /x, value: '1'}",
         [("add", "/spec/containers/0/volumeMounts/0/x", 1)]),
        ("at: object.spec", "{op: add, path: /x, value: '1'}", [("add", "/spec/x", 1)]),
        ("at: object.spec.hostname", "{op: replace, path: '', value: '1'}",
         [("replace", "/spec/hostname", 1)]),
        ("message: m", "{op: add, path: /x, value: '1'}", [("add", "/x", 1)]),
        (ITEMS, "{op: remove, path: object/spec/hostname}", [("remove", "/spec/hostname", None)]),
        (ITEMS, "{op: remove, in: object.spec, path: /hostname}",
         [("remove", "/spec/hostname", None)]),
        ("message: m", "{op: add, path: /a/b/c, value: '[1]'}", [("add", "/a", {"b": {"c": [1]}})]),
        # No fix: the item is no part of the object, a field is absent, the path leads nowhere,
        # the value fails, the step is left out, nothing would change.
        (MOUNTS, "{op: add, path: /x, value: '1'}", []),
        ("at: object.spec.absent", "{op: add, path: /x, value: '1'}", []),
        (ITEMS, "{op: remove, path: /nope}", []),
        (ITEMS, "{op: add, path: /x, value: c.nope}", []),
        (ITEMS, "{op: add, path: /x, value: '1', when: c.name == 'd'}", []),
        (ITEMS, "{op: add, path: /name, value: \"'c'\"}", []),
        (ITEMS, "{op: remove, in: '{}', path: /name}", []),
    ],
)  # fmt: skip
def test_where_paths_start(tmp_path, rest, step, edits):
    extra = "".join(f"      {part}\n" for part in rest.replace(", at:", "\nat:").split("\n"))
    steps = f"{extra}      fix:\n        - {step}"
    text = policy("p", f"validations:\n    - expression: 'false'\n{steps}")
    report = run(write(tmp_path / "in", {"a.yaml": POD}), text)
    (finding,) = report.findings
    given = () if finding.fix is None else finding.fix.edits
    assert given == tuple(Edit(*edit) for edit in edits)
