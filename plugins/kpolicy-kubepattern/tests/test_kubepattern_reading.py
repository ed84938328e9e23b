"""Definitions are read strictly: whatever is not supported is an error with its place."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from kpolicy.policy.formats import Loaded
from kpolicy.policy.loader import load_file

pytest.importorskip("kpolicy_kubepattern", reason="the plugin is not installed")

from kpolicy_kubepattern.filters import Condition
from kpolicy_kubepattern.paths import PathError, parse
from kpolicy_kubepattern.plugin import kpolicy_policy_formats

FORMATS = tuple(kpolicy_policy_formats())

REGISTRY = """\
{
  "version": "kubepattern.it/v1",
  "kind": "Pattern",
  "metadata": {"name": "p", "displayName": "P", "patternType": "CUSTOM", "severity": "WARNING"},
  "spec": {
    "message": "{{pod.name}} in {{pod.namespace}}",
    "topology": "SINGLE",
    "resources": [
      {"resource": "Pod", "id": "pod", "leader": true,
       "filters": {"matchAll": [{"key": ".spec.volumes", "operator": "EXISTS", "values": []}]}},
      {"resource": "PersistentVolumeClaim", "id": "claim"}
    ],
    "actors": ["pod"],
    "relationships": [
      {"id": "r", "type": "MOUNTS", "required": true, "shared": true,
       "resourceIds": ["pod", "claim"]}
    ]
  }
}
"""
PAIR = (
    REGISTRY.replace("SINGLE", "LEADER_FOLLOWER")
    .replace('"actors": ["pod"]', '"actors": ["pod", "other"]')
    .replace(
        '{"resource": "PersistentVolumeClaim", "id": "claim"}', '{"resource": "Pod", "id": "other"}'
    )
    .replace('"relationships"', '"commonRelationships"')
    .replace('"claim"]', '"other"]')
)
CUSTOM = """\
apiVersion: kubepattern.dev/v1
kind: Pattern
metadata: {name: p}
spec:
  displayName: P
  category: c
  severity: HIGH
  message: "{{target.metadata.name}}"
  target:
    kind: ConfigMap
    apiVersion: v1
    plural: configmaps
    filters:
      matchAll:
        - {path: metadata.labels.a, operator: EQUALS, values: [b]}
  dependencies:
    - id: pod
      kind: Pod
      apiVersion: v1
      plural: pods
  relationships:
    matchNone:
      - with: pod
        type: custom
        criteria:
          - {targetPath: metadata.name, dependencyPath: spec.x, operator: EQUALS}
"""


def load(text: str) -> Loaded:
    return load_file("p.json", text, FORMATS)


@pytest.mark.parametrize("text", [REGISTRY, PAIR, CUSTOM], ids=["single", "pair", "custom"])
def test_the_examples_are_right(text: str) -> None:
    """Else the errors below could come from anywhere."""
    loaded = load(text)
    assert loaded.problems == ()
    assert [policy.id for policy in loaded.policies] == ["p"]


WRONG = [
    (REGISTRY, '"WARNING"', '"MEDIUM"', "4:86", "metadata.severity must be"),
    (REGISTRY, '"CUSTOM"', '"ODD"', "4:64", "metadata.patternType must be"),
    (
        REGISTRY,
        '"SINGLE"',
        '"CONNECTED"',
        "7:17",
        "spec.topology must be SINGLE or",
    ),
    (REGISTRY, '"name": "p"', '"name": "Big"', "4:24", '"Big" is no policy id'),
    (REGISTRY, "{{pod.name}}", "{{pot.name}}", "6:17", "{{pot.name}} means nothing here"),
    (REGISTRY, "{{pod.name}}", "{{claim.name}}", "6:17", "{{claim.name}} means nothing here"),
    (REGISTRY, "in {{pod.namespace}}", "in {{pod.labels}}", "6:33", "{{pod.labels}} means"),
    (REGISTRY, "{{pod.name}}", "{{pod.name}", "6:17", "braces that enclose no name"),
    (REGISTRY, "in {{pod.namespace}}", "in pod.name}}", "6:41", "braces that enclose no name"),
    (REGISTRY, "in {{pod.namespace}}", "in {{ }}", "6:33", "braces that enclose no name"),
    (REGISTRY, ".spec.volumes", ".spec..volumes", "10:48", "`..` is not supported"),
    (REGISTRY, ".spec.volumes", ".spec.volumes[?(@.a)]", "10:55", "a bracket must hold"),
    (REGISTRY, "EXISTS", "CONTAINS", "10:70", "operator must be EQUALS"),
    (REGISTRY, "EXISTS", "EQUALS", "10:90", "EQUALS needs values"),
    (REGISTRY, "EXISTS", "GREATER_THAN", "10:96", "GREATER_THAN needs one value, an integer"),
    (REGISTRY, "[]}", '["a"]}', "10:90", "EXISTS takes no values"),
    (REGISTRY, '"filters"', '"filter"', "10:8", 'unknown key "filter"'),
    (REGISTRY, '"leader": true', '"leader": false', "8:18", "no resource is the leader"),
    (REGISTRY, '"id": "claim"', '"id": "claim", "leader": true', "11:70", "second leader"),
    (
        REGISTRY,
        '"claim"}',
        '"claim"}, {"id": "pod", "resource": "Pod"}',
        "11:68",
        "two resources have the id",
    ),
    (REGISTRY, '["pod"]', '["pot"]', "13:16", 'no resource has the id "pot"'),
    (REGISTRY, '["pod"]', '["pod", "claim"]', "13:15", "the leader alone"),
    (REGISTRY, "MOUNTS", "SAME_NETWORK", "15:27", "SAME_NETWORK is not supported"),
    (REGISTRY, "MOUNTS", "HAS_AFFINITY_TO", "15:27", "HAS_AFFINITY_TO is not supported"),
    (REGISTRY, "MOUNTS", "MOUNT", "15:27", "type must be"),
    (REGISTRY, "MOUNTS", "EXPOSES", "16:23", "EXPOSES does not relate Pod and Persistent"),
    (REGISTRY, '["pod", "claim"]', '["claim", "pod"]', "16:23", "does not begin at the leader"),
    (REGISTRY, '["pod", "claim"]', '["pod"]', "16:23", "must name two resources"),
    (REGISTRY, '"shared": true', '"shared": "yes"', "15:65", "shared must be true or false"),
    (REGISTRY, '"required": true, ', "", "15:7", 'lacks "required"'),
    (REGISTRY, '"id": "r"', '"weight": -1', "15:18", "a number that is not negative"),
    (REGISTRY, '"relationships"', '"commonRelationships"', "14:28", "has no commonRelationships"),
    (PAIR, '"actors": ["pod", "other"]', '"actors": ["pod"]', "13:15", "the leader and one"),
    (PAIR, "MOUNTS", "REFERENCES_KRATEO", "16:23", "nothing that Pod and Pod can have in common"),
    (PAIR, "MOUNTS", "OWNS", "16:23", "nothing that Pod and Pod can have in common"),
    (CUSTOM, "severity: HIGH", "severity: INFO", "7:13", "spec.severity must be"),
    (CUSTOM, "target.metadata.name}}", "target.name}}", "8:13", "{{target.name}} means nothing"),
    (CUSTOM, "  category: c", "  for: 1h", "6:3", "spec.for is not supported"),
    (CUSTOM, "    plural: configmaps", "    emitOnEmpty: true", "12:5", "emitOnEmpty is not"),
    (CUSTOM, "    kind: ConfigMap", '    kind: "*"', "10:11", '"*" is no kind'),
    (CUSTOM, "metadata.labels.a,", "metadata.labels.a/b,", "15:35", "write a key with dots"),
    (CUSTOM, "EQUALS, values", "NOT_EQUALS, values", "15:47", "operator must be"),
    (CUSTOM, "with: pod", "with: pot", "23:15", 'no dependency has the id "pot"'),
    (CUSTOM, "type: custom", "type: owns", "26:11", "criteria beside owns are not supported"),
    (CUSTOM, "type: custom", "type: near", "24:15", "type must be custom"),
    (CUSTOM, "spec.x,", "'spec.x[@].y',", "26:64", "[@] is not supported"),
    (CUSTOM, "operator: EQUALS}\n", "operator: CONTAINS}\n", "26:75", "CONTAINS is not supported"),
    (CUSTOM, "targetPath: m", "targetValue: a, targetPath: m", "26:14", "targetValue is not supp"),
    (CUSTOM, "      plural: pods", "      fromTarget: {}", "20:7", "fromTarget is not supported"),
]


@pytest.mark.parametrize(
    ("text", "old", "new", "place", "message"), WRONG, ids=[row[4][:40] for row in WRONG]
)
def test_what_is_wrong_is_named_with_its_place(
    text: str, old: str, new: str, place: str, message: str
) -> None:
    """One change of a right definition gives this one error."""
    index = text.rindex(old) if text is CUSTOM and old.startswith("operator") else text.index(old)
    loaded = load(text[:index] + new + text[index + len(old) :])
    assert loaded.policies == ()
    (problem,) = loaded.problems
    assert message in problem.message
    assert str(problem.location) == f"p.json:{place}"


def test_all_mistakes_are_found_at_once() -> None:
    loaded = load(REGISTRY.replace("MOUNTS", "SAME_NETWORK").replace("pod.name}}", "pot.name}}"))
    assert len(loaded.problems) == 2


def test_selectors_of_other_kinds_are_refused() -> None:
    text = CUSTOM.replace("type: custom", "type: selects").split("        criteria")[0]
    (problem,) = load(text).problems
    assert "ConfigMap selects Pod is not supported" in problem.message


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in a definition."""
    if not isinstance(value, (dict, list)):
        return
    for key, child in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*path, key)
        yield from places(child, (*path, key))


@pytest.mark.parametrize("text", [REGISTRY, PAIR], ids=["single", "pair"])
def test_a_damaged_definition_never_breaks_the_reader(text: str) -> None:
    """Whatever stands anywhere, the reader gives a policy or problems, and each has a place."""
    whole = json.loads(text)
    for path in places(whole):
        for odd in (None, 3, "odd", [], {}, True, ["a"], [{}], {"a": 1}):
            damaged = copy.deepcopy(whole)
            parent = damaged
            for key in path[:-1]:
                parent = parent[key]
            parent[path[-1]] = odd
            loaded = load(json.dumps(damaged, indent=1))
            assert loaded.policies or loaded.problems, (path, odd)
            assert all(p.location and p.location.line for p in loaded.problems), (path, odd)


def test_another_version_is_no_format() -> None:
    (problem,) = load(REGISTRY.replace("kubepattern.it/v1", "kubepattern.it/v9")).problems
    assert problem.message == 'no policy format reads "kubepattern.it/v9"'
    assert str(problem.location) == "p.json:2:14"
    assert "kubepattern.it/v1" in problem.hint


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("metadata.name", ["n"]),
        (".metadata.name", ["n"]),
        ("$.metadata.name", ["n"]),
        ("metadata.labels['a.b/c']", ["d"]),
        ('metadata["labels"]["a.b/c"]', ["d"]),
        ("spec.list[*].x", [1, 2]),
        ("spec.list[1].x", [2]),
        ("spec.list[9].x", []),
        ("spec.list.x", []),
        ("spec.list[*].x.y", []),
        ("spec.nothing", []),
        ("spec.nested[*][*]", ["p", "q"]),
        ("metadata[*]", []),
    ],
)
def test_paths(path: str, found: list[Any]) -> None:
    body = {
        "metadata": {"name": "n", "labels": {"a.b/c": "d"}},
        "spec": {"list": [{"x": 1}, {"x": 2}, "odd"], "nested": [["p"], ["q"]], "nothing": None},
    }
    assert parse(path).values(body) == found


@pytest.mark.parametrize("path", ["", ".", "$", "a..b", "a.", "a[", "a[x]", "a[*", "a b", "a['']"])
def test_what_is_no_path(path: str) -> None:
    with pytest.raises(PathError):
        parse(path)


BODY = {
    "n": 3, "t": "3", "b": True, "f": 2.0, "word": "abc", "none": None, "empty": [], "blank": "",
    "list": [1, 2], "map": {"a": 1}, "deep": [{"x": ["a"]}, {"x": []}, {}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "operator", "values", "registry", "custom"),
    [
        ("n", "EQUALS", ("3",), True, True),
        ("b", "EQUALS", ("true",), True, True),
        ("f", "EQUALS", ("2",), True, True),
        ("word", "EQUALS", ("x", "abc"), True, True),
        ("list", "EQUALS", ("2",), True, False),
        ("list[*]", "EQUALS", ("2",), True, True),
        ("absent", "EQUALS", ("",), False, False),
        ("absent", "NOT_EQUALS", ("a",), True, True),
        ("word", "NOT_EQUALS", ("abc",), False, False),
        ("none", "EXISTS", (), False, False),
        ("blank", "EXISTS", (), True, True),
        ("empty", "EXISTS", (), False, True),
        ("deep[*].x", "EXISTS", (), True, True),
        ("deep[*].y", "NOT_EXISTS", (), True, True),
        ("map", "NOT_EXISTS", (), False, False),
        ("empty", "IS_EMPTY", (), True, True),
        ("blank", "IS_EMPTY", (), True, True),
        ("absent", "IS_EMPTY", (), True, True),
        ("map", "IS_EMPTY", (), False, False),
        ("n", "IS_EMPTY", (), False, False),
        ("n", "GREATER_THAN", ("2",), True, True),
        ("t", "GREATER_THAN", ("3",), False, False),
        ("t", "GREATER_OR_EQUAL", ("3",), True, True),
        ("n", "LESS_THAN", ("3",), False, False),
        ("n", "LESS_OR_EQUAL", ("3",), True, True),
        ("word", "LESS_THAN", ("3",), False, False),
        ("absent", "LESS_THAN", ("3",), False, False),
        ("list[*]", "GREATER_THAN", ("1",), True, True),
        ("list", "ARRAY_SIZE_EQUALS", ("2",), True, True),
        ("list", "ARRAY_SIZE_GREATER_THAN", ("2",), False, False),
        ("list", "ARRAY_SIZE_GREATER_OR_EQUAL", ("2",), True, True),
        ("list", "ARRAY_SIZE_LESS_THAN", ("3",), True, True),
        ("empty", "ARRAY_SIZE_LESS_OR_EQUAL", ("0",), True, True),
        ("absent", "ARRAY_SIZE_LESS_THAN", ("3",), False, False),
        ("map", "ARRAY_SIZE_EQUALS", ("1",), False, False),
        ("list[*]", "ARRAY_SIZE_EQUALS", ("2",), True, True),
    ],
)
def test_operators(
    path: str, operator: str, values: tuple[str, ...], registry: bool, custom: bool
) -> None:
    """The registry's form means a list's elements where the custom resource means the list."""
    assert Condition(parse(path), operator, values, spread=True).holds(BODY) is registry
    assert Condition(parse(path), operator, values).holds(BODY) is custom
