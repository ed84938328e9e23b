"""Relations declared in YAML: what they relate, and every mistake with its place."""

from __future__ import annotations

from typing import Any

import pytest
from manifest_values import names, obj, snapshot, workload

from kpolicy import cel
from kpolicy.relations import Direction, relations
from kpolicy.relations.declared import compile_relation, directory_with, read_relation
from kpolicy.relations.library import library
from kpolicy.relations.missing import missing
from kpolicy.snapshot import Snapshot
from kpolicy.strict.node import compose

LIBRARIES = (*cel.kubernetes_libraries(), library())

TOPICS = """\
apiVersion: kpolicy.dev/v1
kind: Relation
metadata: {name: uses-topic}
spec:
  description: From a workload to its topics.
  inverse: topic-used-by
  reference: true
  left:
    match: {kinds: [workloads]}
    condition: has(object.metadata.annotations)
    keys: object.metadata.annotations.topics.split(',')
  right:
    match: {kinds: [kafka.strimzi.io/KafkaTopic]}
    key: object.metadata.name
"""


def load(text: str) -> Any:
    """Return the compiled relation of a document without mistakes."""
    (document,), problems = compose("r.yaml", text)
    assert not problems
    declaration, wrong = read_relation(document)
    assert wrong == ()
    assert declaration is not None
    relation, wrong = compile_relation(declaration, LIBRARIES)
    assert wrong == ()
    assert relation is not None
    return relation


def mistakes(text: str) -> list[str]:
    """Return `line:column message` of every problem of a document."""
    (document,), problems = compose("r.yaml", text)
    declaration, wrong = read_relation(document)
    found = [*problems, *wrong]
    if declaration is not None:
        found += directory_with(relations(), [declaration], LIBRARIES)[1]
    return [f"{p.location.line}:{p.location.column} {p.message}" for p in found if p.location]


def topic(name: str, space: str = "") -> dict[str, Any]:
    return obj("KafkaTopic", name, space, "kafka.strimzi.io/v1beta2")


def app(topics: str, space: str = "") -> dict[str, Any]:
    return obj("Deployment", "app", space, "apps/v1", annotations={"topics": topics})


def ask(found: Snapshot, relation: Any, position: int = 0, back: bool = False) -> list[str]:
    return names(found.index(relation).related(found.resources[position], None, back))


def test_a_declared_relation() -> None:
    """Both ways, with several keys, and with missing targets."""
    relation = load(TOPICS)
    found = snapshot(app("x,y,gone"), topic("x"), topic("y"), topic("z"), topic("x", "far"))
    assert ask(found, relation) == ["x", "y"]
    assert ask(found, relation, 1, True) == ["app"]
    assert ask(found, relation, 3, True) == []
    (gap,) = missing(found, Direction(relation), found.resources[0])
    assert (gap["group"], gap["kind"], gap["namespace"], gap["name"]) == (
        "kafka.strimzi.io",
        "KafkaTopic",
        "default",
        "gone",
    )


def test_resources_on_which_an_expression_fails_have_no_keys() -> None:
    """An absent annotation is neither an error nor a relation."""
    relation = load(TOPICS)
    bare = obj("Deployment", "bare", "", "apps/v1")
    other = obj("Deployment", "other", "", "apps/v1", annotations={"x": "y"})
    found = snapshot(bare, other, topic("x"))
    assert ask(found, relation) == ask(found, relation, 1) == []


def test_keys_across_namespaces() -> None:
    """By default keys are equal only within a namespace."""
    text = TOPICS.replace("  reference: true\n", "  acrossNamespaces: true\n")
    found = snapshot(app("x", "a"), topic("x", "b"))
    assert ask(found, load(TOPICS)) == []
    assert ask(found, load(text)) == ["x"]


SYMMETRIC = """\
apiVersion: kpolicy.dev/v1
kind: Relation
metadata: {name: same-team}
spec:
  acrossNamespaces: true
  both:
    match: {kinds: [workloads]}
    key: object.podLabels().team
"""


def test_a_symmetric_relation() -> None:
    """One side for both; library functions of workloads may be used."""
    relation = load(SYMMETRIC)
    assert relation.symmetric
    found = snapshot(
        workload("Deployment", "a", "x", pod_labels={"team": "t"}),
        workload("CronJob", "b", "y", pod_labels={"team": "t"}),
        workload("Pod", "c", pod_labels={"team": "u"}),
        workload("Pod", "d"),
    )
    assert ask(found, relation) == ["b"]
    assert ask(found, relation, 2) == []


@pytest.mark.parametrize(
    ("expression", "values", "related"),
    [
        ("object.spec.k", (1, 1.0), True),
        ("object.spec.k", (1, "1"), False),
        ("object.spec.k", (1, True), False),
        ("object.spec.k", (None, None), False),
        ("object.spec.k", ({}, {}), False),
        ("object.spec.k", ([], []), False),
        ("object.spec.k", (["a", 1], ["a", 1]), True),
        ("object.spec.k", (["a", 1], [1, "a"]), False),
        ("object.spec.k", (["a", None], ["a", None]), False),
        ("[object.metadata.labels.x, object.spec.k]", ("a", "a"), True),
        ("size(object.spec.k)", ("ab", "cd"), True),
    ],
)
def test_what_a_key_may_be(expression: str, values: tuple[Any, Any], related: bool) -> None:
    """Scalars by type and value, lists as composite keys; null and maps are no keys."""
    text = SYMMETRIC.replace("[workloads]", "[x.io/Thing]").replace(
        "key: object.podLabels().team", f'key: "{expression}"'
    )
    found = snapshot(
        *(
            obj("Thing", n, "", "x.io/v1", labels={"x": "l"}, spec={"k": v})
            for n, v in zip("ab", values, strict=True)
        )
    )
    assert bool(ask(found, load(text))) is related


def test_a_selected_field_is_where_the_relation_is_written() -> None:
    """The pointer of `object.a.b` is known; a computed key has none."""
    found = snapshot(app("x"), topic("x"))
    relation = load(TOPICS)
    (hit,) = found.index(relation).hits(found.resources[0])
    assert (hit.here.pointer, hit.there.pointer) == ("", "/metadata/name")


BAD = {
    "a left side is missing": (
        TOPICS.replace(
            TOPICS[TOPICS.index("  left:") : TOPICS.index("  right:")],
            "",
        ),
        ['5:3 spec lacks "left"'],
    ),
    "an unknown key": (
        TOPICS.replace("  inverse:", "  inverted:"),
        ['6:3 unknown key "inverted" in spec'],
    ),
    "both beside left": (TOPICS + "  both: {match: {kinds: [Pod]}, key: object.kind}\n", None),
    "a bad name": (
        TOPICS.replace("uses-topic", "Uses Topic"),
        ['3:18 "Uses Topic" cannot be the name of a relation'],
    ),
    "a taken name": (
        TOPICS.replace("uses-topic", "selects"),
        ['3:18 another relation is named "selects"'],
    ),
    "a taken inverse": (
        TOPICS.replace("topic-used-by", "owns"),
        ['6:12 another relation is named "owns"'],
    ),
    "its own name for the way back": (
        TOPICS.replace("topic-used-by", "uses-topic"),
        ["6:12 spec.inverse is the relation's own name"],
    ),
    "no kinds": (
        TOPICS.replace("{kinds: [workloads]}", "{kinds: []}"),
        ["9:20 spec.left.match.kinds is empty"],
    ),
    "a text that is no kind": (
        TOPICS.replace("[workloads]", "[deployments]"),
        ['9:21 "deployments" is no kind'],
    ),
    "key and keys": (TOPICS + "    keys: '[]'\n", ["13:5 spec.right needs either key or keys"]),
    "neither": (
        TOPICS.replace("    key: object.metadata.name\n", ""),
        ["13:5 spec.right needs either key or keys"],
    ),
    "an empty expression": (
        TOPICS.replace("key: object.metadata.name", "key: ' '"),
        ["14:10 spec.right.key is empty"],
    ),
    "a wrong type": (
        TOPICS.replace("reference: true", "reference: maybe"),
        ['7:14 spec.reference must be true or false, not the string "maybe"'],
    ),
    "an unknown variable": (
        TOPICS.replace("key: object.metadata.name", "key: item.metadata.name"),
        ["14:10 spec.right.key: undeclared reference to 'item'"],
    ),
    "a syntax error": (TOPICS.replace("key: object.metadata.name", "key: object.metadata."), None),
    "a condition that is no bool": (
        TOPICS.replace("condition: has(object.metadata.annotations)", "condition: \"'x'\""),
        None,
    ),
    "a look at other resources": (
        TOPICS.replace("key: object.metadata.name", "key: object.related('selects').size()"),
        ["14:17 spec.right.key: related() looks at other resources"],
    ),
    "a look at the snapshot": (
        TOPICS.replace("key: object.metadata.name", "key: snapshot.list('v1', 'Pod').size()"),
        ["14:10 spec.right.key: snapshot.list() looks at other resources"],
    ),
    "no spec": (TOPICS.split("spec:")[0], ['1:1 the relation lacks "spec"']),
    "no name": (
        TOPICS.replace("{name: uses-topic}", "{labels: {}}"),
        ['3:11 metadata lacks "name"'],
    ),
}


@pytest.mark.parametrize(("text", "expected"), BAD.values(), ids=BAD.keys())
def test_mistakes_are_found_when_the_relation_loads(text: str, expected: list[str] | None) -> None:
    """Each with its line and column in the file."""
    found = mistakes(text)
    assert found
    if expected is not None:
        assert found == expected


def test_all_mistakes_are_told_at_once() -> None:
    """Not only the first."""
    text = TOPICS.replace("[workloads]", "[deployments]").replace("  reference: true\n", "  x: 1\n")
    assert len(mistakes(text)) == 2
    text = TOPICS.replace("object.metadata.name", "thing").replace("has(object", "has(other")
    assert len(mistakes(text)) == 2


def test_a_declared_relation_in_a_scan(tmp_path: Any) -> None:
    """Loaded beside policies, used by one of them."""
    from kpolicy.policy.loader import load_file

    loaded = load_file("r.yaml", TOPICS)
    assert loaded.problems == ()
    assert [r.name for r in loaded.relations] == ["uses-topic"]
    found, problems = directory_with(relations(), loaded.relations, LIBRARIES)
    assert problems == ()
    assert {"uses-topic", "topic-used-by", "selects"} <= set(found)


def _examples(language: str) -> list[str]:
    import re
    from pathlib import Path

    text = (Path(__file__).parents[2] / "docs" / "joins.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_documented_declaration_works() -> None:
    """The example of docs/joins.md loads and relates."""
    (text,) = (t for t in _examples("yaml") if "kind: Relation" in t)
    relation = load(text)
    deployment = obj("Deployment", "a", "", "apps/v1", annotations={"example.org/topics": "x,y"})
    found = snapshot(deployment, topic("x"))
    assert ask(found, relation) == ["x"]
    (gap,) = missing(found, Direction(relation), found.resources[0])
    assert gap["name"] == "y"


def test_the_documented_python_relation_works() -> None:
    """So does the one in Python."""
    (source,) = _examples("python")
    names_of: dict[str, Any] = {}
    exec(source, names_of)
    relation = names_of["USES_TOPIC"]
    user = obj("Consumer", "c", "", "x.io/v1", spec={"topic": "t"})
    found = snapshot(user, topic("t"))
    assert ask(found, relation) == ["t"]
    assert ask(found, relation, 1, True) == ["c"]


def test_the_documented_filtered_policy_loads() -> None:
    """The policy with a filter is valid CEL and YAML."""
    from kpolicy.policy.compiled import CompileContext, compile_policy
    from kpolicy.policy.loader import load_file
    from kpolicy.relations import directory

    (spec,) = (t for t in _examples("yaml") if "filters:" in t)
    text = f"apiVersion: kpolicy.dev/v1\nkind: Policy\nmetadata: {{name: demo}}\n{spec}"
    loaded = load_file("p.yaml", text)
    assert loaded.problems == ()
    context = CompileContext(LIBRARIES, frozenset(directory(relations())))
    compiled, problems = compile_policy(loaded.policies[0], context)
    assert list(problems) == []
    assert compiled is not None
    assert compiled.joins
