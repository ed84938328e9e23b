"""Documents out of text: what is kept, what is an error and where, what is left out and why."""

from __future__ import annotations

from typing import Any

import pytest

from kpolicy.frozen import thaw
from kpolicy.manifests import load
from kpolicy.manifests.model import Limits, LoadedFile, ManifestFile

POD = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n"


def read(text: str | bytes, path: str = "a.yaml", **limits: int) -> LoadedFile:
    data = text.encode() if isinstance(text, str) else text
    return load(ManifestFile(path, data=data), Limits(**limits))


def body_of(text: str | bytes) -> dict[str, Any]:
    loaded = read(text)
    assert not loaded.invalid
    [document] = loaded.documents
    value: dict[str, Any] = thaw(document.body)
    return value


def errors(loaded: LoadedFile) -> list[tuple[int, int, str]]:
    return [(i.location.line, i.location.column, i.message) for i in loaded.invalid]


def reasons(loaded: LoadedFile) -> list[str]:
    return [skipped.reason for skipped in loaded.skipped]


def named(name: str, extra: str = "") -> str:
    return f"apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\n{extra}"


# Streams of documents ------------------------------------------------------------------------


def test_documents_are_numbered_with_empty_ones_counted() -> None:
    loaded = read(f"# comment\n---\n{named('a')}---\n---\n# nothing\n---\n{named('b')}---\n")
    assert [(d.body["metadata"]["name"], d.index) for d in loaded.documents] == [("a", 0), ("b", 3)]
    assert loaded.skipped == ()
    assert loaded.invalid == ()


def test_lines_count_from_the_top_of_the_file() -> None:
    loaded = read(f"---\n{named('a')}---   # next\n\n{named('b')}")
    assert [(d.body.line, d.body["metadata"].line) for d in loaded.documents] == [(2, 4), (7, 9)]


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "---\n", "---\n---\n", "\ufeff", "~"])
def test_a_file_without_content_is_skipped_as_empty(text: str) -> None:
    loaded = read(text)
    assert (loaded.documents, loaded.invalid, reasons(loaded)) == ((), (), ["empty"])


def test_a_broken_document_takes_no_other_along() -> None:
    loaded = read(f"{named('a')}---\nkind: [\n---\n{named('b')}")
    assert [(d.body["metadata"]["name"], d.index) for d in loaded.documents] == [("a", 0), ("b", 2)]
    [(line, column, message)] = errors(loaded)
    assert (line, column) == (6, 1)
    assert message == "did not find expected node content"


def test_a_separator_inside_text_is_no_separator() -> None:
    body = body_of(POD + "data: |\n  ---\n  x: 1\n  --- y\n")
    assert body["data"] == "---\nx: 1\n--- y\n"


def test_a_document_end_marker_separates_too() -> None:
    loaded = read(f"{named('a')}...\n---\n{named('b')}...\n# end\n")
    assert [d.body["metadata"]["name"] for d in loaded.documents] == ["a", "b"]


def test_directives_are_read_and_bad_ones_refused() -> None:
    assert body_of(f"%YAML 1.1\n---\n{POD}")["kind"] == "Pod"
    assert "directive" in errors(read(f"%FOO bar\n---\n{POD}"))[0][2]
    assert "incompatible" in errors(read(f"%YAML 3.0\n---\n{POD}"))[0][2]


# Bytes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        POD.encode("utf-8-sig"),
        b"\xff\xfe" + POD.encode("utf-16-le"),
        b"\xfe\xff" + POD.encode("utf-16-be"),
        POD.replace("\n", "\r\n").encode(),
        POD.replace("\n", "\r").encode(),
        POD.rstrip("\n").encode(),
    ],
    ids=["utf-8 bom", "utf-16-le", "utf-16-be", "crlf", "cr", "no newline at the end"],
)
def test_encodings_and_line_ends(data: bytes) -> None:
    """The same body whatever the encoding and the line ends, its places too."""
    [document] = read(data).documents
    assert document.body == {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}
    assert (document.body.line, document.body.column) == (1, 1)
    assert (document.body["metadata"].line, document.body["metadata"].column) == (4, 3)


def test_bytes_that_are_no_utf8_are_placed_and_cost_their_document_only() -> None:
    loaded = read(f"{named('a')}---\nx: 1\ny: é".encode() + b"\xe9\n---\n" + named("b").encode())
    assert errors(loaded) == [(6, 5, "byte 0xe9 is not valid UTF-8; save the file as UTF-8")]
    assert [d.body["metadata"]["name"] for d in loaded.documents] == ["a", "b"]


@pytest.mark.parametrize("char", ["\x00", "\x07", "\x1b", "\x7f", "\x80", "\ufffe", "\uffff"])
def test_control_characters_are_placed(char: str) -> None:
    [(line, column, message)] = errors(read(f"{POD}x: ab{char}\n"))
    assert (line, column) == (5, 6)
    assert "not allowed" in message


def test_half_a_utf16_character_is_an_error() -> None:
    [(line, _, message)] = errors(read(b"\xff\xfe" + "a: b\nc: ".encode("utf-16-le") + b"\x41"))
    assert line == 2
    assert "0x41" in message


def test_a_tab_that_indents_is_explained() -> None:
    assert errors(read("kind: Pod\nmetadata:\n\tname: a\n")) == [
        (3, 1, "a tab cannot indent YAML; use spaces")
    ]


def test_tabs_elsewhere_are_white_space() -> None:
    assert body_of(POD + "spec:\ta\t# c\n")["spec"] == "a"


# Errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("a: b: c\n", 1, 5, "mapping values are not allowed"),
        ("a: @x\n", 1, 4, "'@' cannot begin a plain value; quote the value"),
        ("a: 1\n b: 2\n", 2, 3, "mapping values are not allowed"),
        ("a:\n  b: 1\n c: 2\n", 3, 2, "did not find expected key"),
        ("a: 'x\nb: 1\n", 3, 1, "unexpected end of stream"),
        ('a: "\\q"\n', 1, 5, "unknown escape"),
        ("a: *x\n", 1, 4, "alias *x has no anchor &x above it"),
        ("a: &x\n  b: *x\n", 2, 6, "anchor &x contains itself"),
        ("a: &x [*x]\n", 1, 8, "anchor &x contains itself"),
        ("? [a]\n: b\n", 1, 3, "cannot be a key"),
        ("{a: b}: c\n", 1, 1, "cannot be a key"),
        ("~: c\n", 1, 1, "null key"),
        ("<<: 1\n", 1, 5, "merges a mapping"),
        ("a: 1\n<<: [{b: 1}, 2]\n", 2, 5, "merges a mapping"),
        ("a: .inf\n", 1, 4, "no number in JSON"),
    ],
)
def test_an_error_says_where_and_what(text: str, line: int, column: int, words: str) -> None:
    [(at_line, at_column, message)] = errors(read(f"# apiVersion\n{text}"))
    assert words in message
    assert (at_line, at_column) == (line + 1, column)


def test_an_error_says_where_its_collection_begins() -> None:
    [(_, _, message)] = errors(read("x: 1\na: {b: 1,\n  c\nd: [\n"))
    assert "that begins at line 2" in message


# Anchors, merges, duplicates ------------------------------------------------------------------


def test_aliases_share_one_frozen_object() -> None:
    [document] = read(POD + "a: &x {b: [1]}\nc: *x\nd: *x\n").documents
    assert document.body["c"] is document.body["a"] is document.body["d"]
    assert (document.body["c"].line, document.body["c"].column) == (5, 7)


def test_an_anchor_may_be_defined_again() -> None:
    body = body_of(POD + "a: &x 1\nb: *x\nc: &x 2\nd: *x\n")
    assert (body["b"], body["d"]) == (1, 2)


def test_anchors_end_with_their_document() -> None:
    loaded = read(f"{POD}a: &x 1\n---\n{POD}a: *x\n")
    assert len(loaded.documents) == 1
    assert errors(loaded)[0][:2] == (11, 4)


def test_a_key_may_be_an_alias_of_a_scalar() -> None:
    assert body_of(POD + "a: &x yes\n*x : 1\n")["true"] == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<<: {a: 2}\na: 1\n", {"a": 1}),
        ("a: 1\n<<: {a: 2}\n", {"a": 2}),
        ("<<: [{a: 1}, {a: 2, b: 3}]\n", {"a": 1, "b": 3}),
        ("x: &x {a: 1}\n<<: *x\n", {"x": {"a": 1}, "a": 1}),
        (
            "x: &x {a: 1}\nz: &z {b: 2}\n<<: [*x, *z]\n",
            {"x": {"a": 1}, "z": {"b": 2}, "a": 1, "b": 2},
        ),
        ("'<<': {a: 1}\n", {"<<": {"a": 1}}),
        ("!!str <<: {a: 1}\n", {"<<": {"a": 1}}),
        ("!!merge <<: {a: 1}\n", {"a": 1}),
    ],
)
def test_merge_keys_as_go_yaml_applies_them(text: str, expected: dict[str, Any]) -> None:
    """go-yaml v2 sets merged keys where `<<` stands, over what is written above it."""
    body = body_of(POD + text)
    assert {
        k: v for k, v in body.items() if k not in ("apiVersion", "kind", "metadata")
    } == expected


def test_a_duplicate_key_keeps_its_last_value_and_is_a_problem() -> None:
    loaded = read(POD + "spec:\n  x/y: 1\n  z: 1\n  x/y: 2\n")
    [document] = loaded.documents
    assert document.body["spec"] == {"x/y": 2, "z": 1}
    [problem] = document.problems
    assert (problem.kind, problem.line, problem.column) == ("duplicate-key", 8, 3)
    assert problem.pointer == "/spec/x~1y"
    assert "line 6" in problem.message
    assert loaded.invalid == ()


def test_keys_that_become_the_same_string_are_duplicates() -> None:
    [document] = read(POD + "data:\n  1: a\n  '1': b\n  y: c\n  true: d\n").documents
    assert document.body["data"] == {"1": "b", "true": "d"}
    assert [problem.pointer for problem in document.problems] == ["/data/1", "/data/true"]


def test_overriding_a_merged_key_is_no_duplicate() -> None:
    [document] = read(POD + "spec:\n  <<: {a: 1}\n  a: 2\n").documents
    assert document.problems == ()


def test_a_key_twice_beside_a_merge_is_a_duplicate() -> None:
    [document] = read(POD + "spec:\n  a: 1\n  <<: {b: 1}\n  a: 2\n").documents
    assert [problem.pointer for problem in document.problems] == ["/spec/a"]


def test_duplicates_belong_to_their_document_in_a_stream_with_directives() -> None:
    loaded = read(f"%YAML 1.1\n---\n{POD}x: 1\nx: 2\n---\n{POD}y: 1\n'true': 2\n---\n%\n")
    assert [[p.pointer for p in d.problems] for d in loaded.documents] == [["/x"], ["/true"]]
    assert len(loaded.invalid) == 1


def test_duplicates_of_json_values_in_a_row_belong_to_their_value() -> None:
    one = '{"apiVersion": "v1", "kind": "Pod", "a": 1, "%s": 2}\n'
    loaded = read(one % "a" + one % "b")
    assert [len(d.problems) for d in loaded.documents] == [1, 0]


def test_duplicates_in_json_have_their_line() -> None:
    [document] = read('{"apiVersion": "v1",\n"kind": "Pod",\n"kind": "Pad"}').documents
    assert document.body["kind"] == "Pad"
    assert [(p.line, p.column) for p in document.problems] == [(3, 1)]


# Limits ---------------------------------------------------------------------------------------


def test_a_file_that_is_too_large() -> None:
    loaded = read(POD, file_bytes=10)
    assert loaded.documents == ()
    assert "more than the limit of 10" in loaded.invalid[0].message


@pytest.mark.parametrize(
    "text", ["[" * 12 + "]" * 12, "".join(" " * i + "a:\n" for i in range(12))]
)
def test_nesting_that_is_too_deep(text: str) -> None:
    [(line, _, message)] = errors(read(text, depth=10))
    assert "nested deeper than 10 levels" in message
    assert line == (1 if text[0] == "[" else 11)


def test_nesting_through_aliases_counts() -> None:
    text = "a: &a [[[[[1]]]]]\nb: &b [[[*a]]]\nc: [[*b]]\n"
    [(line, _, message)] = errors(read(text, depth=10))
    assert (line, "through *b" in message) == (3, True)


def test_a_billion_laughs_is_refused_by_what_it_expands_to() -> None:
    text = "a0: &a0 [lol]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
    )
    [(line, column, message)] = errors(read(text))
    assert "aliases expand to more than 200000 values" in message
    assert line <= 8
    assert column > 1


def test_a_billion_laughs_of_merges_is_refused() -> None:
    text = "a0: &a0 {k: v}\n" + "".join(
        f"a{n}: &a{n} {{x: [{', '.join([f'*a{n - 1}'] * 20)}]}}\n" for n in range(1, 9)
    )
    [(_, _, message)] = errors(read(text + "<<: *a8\n"))
    assert "aliases expand" in message


def test_honest_use_of_aliases_is_no_bomb() -> None:
    text = POD + "x: &x {a: 1, b: [1, 2]}\nlist:\n" + "  - *x\n" * 1000
    assert len(body_of(text)["list"]) == 1000


def test_deep_brackets_do_not_overflow_the_stack() -> None:
    [(_, _, message)] = errors(read("[" * 100_000))
    assert "nested deeper" in message or "depth" in message
    [(_, _, message)] = errors(read('{"a":' * 50_000))
    assert "nested deeper" in message or "depth" in message


# JSON -----------------------------------------------------------------------------------------


def test_json_with_tabs_escapes_and_big_numbers() -> None:
    text = (
        '{\n\t"apiVersion": "v1",\n\t"kind": "Pod",\n\t"s": "\\/\\u00e9\\ud83d\\ude00\\ud83d",\n'
        '\t"n": [1, -0, 1.0, 1e3, 1.5, 12345678901234567890, true, false, null],\n\t"y": "yes"\n}\n'
    )
    [document] = read(text, "a.json").documents
    assert document.body["s"] == "/é😀\ufffd"
    assert document.body["n"] == [1, 0, 1, 1000, 1.5, 1.2345678901234567e19, True, False, None]
    assert document.body["y"] == "yes"
    assert (document.body["n"].line, document.body["n"].column) == (5, 7)


def test_json_values_in_a_row_are_documents() -> None:
    one = '{"apiVersion": "v1", "kind": "Pod"}'
    loaded = read(f"{one}\n{one}{one}\n---\n{one}\n", "a.json")
    assert [(d.index, d.body.line) for d in loaded.documents] == [(0, 1), (1, 2), (2, 2), (3, 4)]


def test_a_long_json_key_is_read() -> None:
    key = "k" * 2000
    [document] = read(f'{{"apiVersion": "v1", "kind": "Pod", "{key}": 1}}').documents
    assert document.body[key] == 1


def test_json_that_is_only_yaml_is_read_as_yaml() -> None:
    assert body_of("{apiVersion: v1, kind: Pod, on: [a,], # c\n x: 'y'}")["true"] == ["a"]


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ('{"a": 1,\n "b" 2}', 2, 6),
        ('{"a": [1, 2}', 1, 12),
        ('{"a": 1', 1, 8),
        ('{"a": 1}}', 1, 9),
    ],
)
def test_broken_json_is_placed(text: str, line: int, column: int) -> None:
    [(at_line, at_column, _)] = errors(read(text, "a.json"))
    assert (at_line, at_column) == (line, column)


# What is a Kubernetes object ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("replicaCount: 1\n", "not-kubernetes"),
        ("apiVersion: v2\nname: chart\nversion: 1.0.0\n", "not-kubernetes"),
        ("services:\n  web: {image: nginx}\n", "not-kubernetes"),
        ("on: push\njobs: {}\n", "not-kubernetes"),
        ("- a\n- b\n", "not-kubernetes"),
        ("just text\n", "not-kubernetes"),
        ("5\n", "not-kubernetes"),
        ("apiVersion: 1\nkind: Pod\n", "not-kubernetes"),
        ("apiVersion: v1\nkind: yes\n", "not-kubernetes"),
        ("apiVersion: ''\nkind: Pod\n", "not-kubernetes"),
        (
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a]\n",
            "kustomization",
        ),
        ("apiVersion: kpolicy.dev/v1\nkind: Policy\nmetadata: {name: a}\n", "policy"),
    ],
)
def test_what_is_no_object_is_skipped_with_its_reason(text: str, reason: str) -> None:
    loaded = read(text)
    assert (loaded.documents, loaded.invalid, reasons(loaded)) == ((), (), [reason])


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("model.yaml", "loss: .inf\n"),
        ("rules.yaml", "? [a, b]\n: c\n"),
        ("rules.yaml", "~: c\n"),
        ("tsconfig.json", '// compiler\n{"strict": true}\n'),
        ("settings.json", '{\n  // one\n  "a": "b",\n}\n'),
        ("settings.json", '{"a": 1, /* one */ "b": {]}\n'),
    ],
)
def test_what_others_may_read_is_no_error_here(path: str, text: str) -> None:
    """What Kubernetes refuses matters only in what may be meant for Kubernetes."""
    loaded = read(text, path)
    assert (loaded.invalid, reasons(loaded)) == ((), ["not-kubernetes"])
    assert len(read(f"{text}# apiVersion\n", path).invalid) == 1


@pytest.mark.parametrize("text", ['{"a": 1,', '{"url": "http://x", }}', '"a: "'])
def test_other_broken_json_is_invalid(text: str) -> None:
    assert len(read(text + "[", "a.json").invalid) == 1


def test_a_kustomization_is_known_by_its_name() -> None:
    assert reasons(read("resources: [a]\n", "base/kustomization.yaml")) == ["kustomization"]


def test_the_test_of_a_policy_is_skipped_as_policy() -> None:
    text = "policy: a\ncases: []\n"
    assert reasons(read(text, "policies/a_test.yaml")) == ["policy"]
    assert reasons(read(text, "a.yaml")) == ["not-kubernetes"]


def test_a_file_is_counted_once_for_each_reason() -> None:
    loaded = read(f"a: 1\n---\nb: 1\n---\n{POD}")
    assert (len(loaded.documents), reasons(loaded)) == (1, ["not-kubernetes"])


def test_an_object_needs_no_name() -> None:
    assert len(read("apiVersion: v1\nkind: Pod\n").documents) == 1


def test_a_nearly_kubernetes_object_is_noted() -> None:
    [note] = read("---\nkind: Pod\nmetadata: {name: a}\n").notes
    assert (note.location.line if note.location else 0) == 2
    assert "apiVersion" in note.message


# Lists ----------------------------------------------------------------------------------------


def test_a_list_is_unfolded() -> None:
    loaded = read(
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n"
        "- apiVersion: apps/v1\n  kind: Deployment\n  metadata: {name: b}\n"
    )
    assert [(d.pointer, d.body["kind"], d.body.line, d.index) for d in loaded.documents] == [
        ("/items/0", "Pod", 4, 0),
        ("/items/1", "Deployment", 6, 0),
    ]


def test_items_of_a_typed_list_get_its_kind() -> None:
    """Like kubectl: only where an item has neither kind nor apiVersion."""
    loaded = read(
        "apiVersion: apps/v1\nkind: DeploymentList\nitems:\n- metadata: {name: a}\n"
        "- {apiVersion: v1, kind: Pod}\n"
    )
    assert [(d.body["apiVersion"], d.body["kind"]) for d in loaded.documents] == [
        ("apps/v1", "Deployment"),
        ("v1", "Pod"),
    ]
    assert loaded.documents[0].body.line == 4


def test_lists_nest() -> None:
    inner = "{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Pod}]}"
    loaded = read(f"apiVersion: v1\nkind: List\nitems: [{inner}]\n")
    assert [d.pointer for d in loaded.documents] == ["/items/0/items/0"]


@pytest.mark.parametrize("items", ["items: []", "items:", ""])
def test_an_empty_list_has_no_documents(items: str) -> None:
    loaded = read(f"apiVersion: v1\nkind: List\n{items}\n")
    assert (loaded.documents, loaded.invalid) == ((), ())


def test_a_kind_that_only_sounds_like_a_list_is_an_object() -> None:
    [document] = read("apiVersion: x.io/v1\nkind: AllowList\nspec: {a: 1}\n").documents
    assert (document.pointer, document.body["kind"]) == ("", "AllowList")


@pytest.mark.parametrize("item", ["5", "{kind: Pod}", "{apiVersion: v1}", "[a]"])
def test_an_item_that_is_no_object_is_invalid(item: str) -> None:
    loaded = read(
        f"apiVersion: v1\nkind: List\nitems:\n- {item}\n- {{apiVersion: v1, kind: Pod}}\n"
    )
    assert len(loaded.documents) == 1
    assert "/items/0" in loaded.invalid[0].message
    assert loaded.invalid[0].location.line > 0


def test_two_aliases_of_one_item_are_two_objects() -> None:
    loaded = read("apiVersion: v1\nkind: List\nitems:\n- &a {apiVersion: v1, kind: Pod}\n- *a\n")
    first, second = loaded.documents
    assert first.body == second.body
    assert first.body is not second.body


def test_duplicates_in_a_list_belong_to_their_item() -> None:
    loaded = read(
        "apiVersion: v1\nkind: List\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod}\n"
        "- {apiVersion: v1, kind: Pod, x: 1, x: 2}\n"
    )
    assert [[p.pointer for p in d.problems] for d in loaded.documents] == [[""], ["/x"]]


# Templates ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "{{- if .Values.on }}\nkind: Pod\n{{- end }}\n",
        "apiVersion: v1\nkind: {{ .Values.kind }}\n",
        'apiVersion: v1\nmetadata:\n  labels:\n    {{- include "x" . | nindent 4 }}\n',
        "- name: {{ name }}\n",
        "a: 1\n{% if x %}\nb: 1\n{% endif %}\n",
    ],
)
def test_an_unreadable_template_is_skipped_with_a_note(text: str) -> None:
    loaded = read(text)
    assert (loaded.documents, loaded.invalid, reasons(loaded)) == ((), (), ["helm-template"])
    assert len(loaded.notes) == 1


def test_braces_in_text_do_not_hide_an_error() -> None:
    loaded = read(POD + "spec:\n  summary: 'at {{ $labels.pod }}'\n bad: 1\n")
    assert loaded.skipped == ()
    assert len(loaded.invalid) == 1


def test_a_template_that_is_readable_yaml_is_read() -> None:
    assert body_of(POD + 'x: "{{ .Values.x }}"\n')["x"] == "{{ .Values.x }}"
