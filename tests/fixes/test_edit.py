"""Edits of text: what is not touched stays, and the file says what the fix means."""

from __future__ import annotations

import json

import pytest

from kpolicy.findings import Fix
from kpolicy.fixes.edit import edit_file, text_edit
from kpolicy.fixes.patch import PatchError, apply, settle
from kpolicy.manifests import load
from kpolicy.manifests.model import ManifestFile
from kpolicy.policy.model import Edit

HEAD = "apiVersion: v1\nkind: X\n"


def add(pointer, value):
    return Edit("add", pointer, value)


def replace(pointer, value):
    return Edit("replace", pointer, value)


def remove(pointer):
    return Edit("remove", pointer)


#: name: (text after HEAD, edits, text after HEAD afterwards)
CASES = {
    "add to a block mapping, after its last line": (
        "spec:\n  a: 1 # one\n  b:\n    - x\n\n# end\nz: 1\n",
        [add("/spec/c", True)],
        "spec:\n  a: 1 # one\n  b:\n    - x\n  c: true\n\n# end\nz: 1\n",
    ),
    "add a mapping with the file's indentation": (
        "spec:\n    a: 1\n",
        [add("/spec/c", {"d": {"e": "f"}, "g": ["h", {"i": 1, "j": []}]})],
        "spec:\n    a: 1\n    c:\n        d:\n            e: f\n        g:\n            - h\n"
        "            - i: 1\n              j: []\n",
    ),
    "add to a flow mapping": (
        "spec: {a: 1, b: [2]}  # c\n",
        [add("/spec/c", "x y")],
        'spec: {a: 1, b: [2], c: "x y"}  # c\n',
    ),
    "add to an empty flow mapping": (
        "spec:\n  v: {}\n",
        [add("/spec/v/sizeLimit", "1Gi")],
        "spec:\n  v: {sizeLimit: 1Gi}\n",
    ),
    "add below a key without a value": (
        "spec:\n  v: # why\n  w: 1\n",
        [replace("/spec/v", {"a": 1})],
        "spec:\n  v: # why\n    a: 1\n  w: 1\n",
    ),
    "add where null is written": (
        "spec:\n  v: null\n",
        [replace("/spec/v", {"a": 1})],
        "spec:\n  v: {a: 1}\n",
    ),
    "add without a final newline": ("spec:\n  a: 1", [add("/spec/b", 2)], "spec:\n  a: 1\n  b: 2"),
    "add after a literal": (
        "spec:\n  a: |\n    x\n    y\n\n# c\nz: 1\n",
        [add("/spec/b", 2)],
        "spec:\n  a: |\n    x\n    y\n  b: 2\n\n# c\nz: 1\n",
    ),
    "add to the first item of a list": (
        "l:\n- name: a\n- name: b\n",
        [add("/l/0/x", "on")],
        'l:\n- name: a\n  x: "on"\n- name: b\n',
    ),
    "append to a list": (
        "l:\n- a # c\nm: 1\n", [add("/l/-", {"k": 1, "j": "2"})],
        'l:\n- a # c\n- k: 1\n  j: "2"\nm: 1\n',
    ),
    "insert into a list": ("l:\n  - a\n  - b\n", [add("/l/1", "x")], "l:\n  - a\n  - x\n  - b\n"),
    "append to a flow list": ("l: [a, b]\n", [add("/l/-", "c")], "l: [a, b, c]\n"),
    "insert into a flow list": ("l: [a, b]\n", [add("/l/0", "c")], "l: [c, a, b]\n"),
    "replace a plain scalar": ("a: b # c\n", [replace("/a", "d:e")], "a: d:e # c\n"),
    "replace keeps single quotes": ("a: 'b' # c\n", [replace("/a", "it's")], "a: 'it''s' # c\n"),
    "replace keeps double quotes": ('a: "b"\n', [replace("/a", "c")], 'a: "c"\n'),
    "replace a literal": ("a: |\n  x\nb: 1\n", [replace("/a", "y")], 'a: "y"\nb: 1\n'),
    "replace a mapping": (
        "a:\n  b: 1 # c\n  d: 2\ne: 1\n", [replace("/a", {"x": "z"})], "a:\n  x: z\ne: 1\n",
    ),
    "replace a mapping by a scalar": ("a:\n  b: 1\ne: 1\n", [replace("/a", 1)], "a: 1\ne: 1\n"),
    "replace a list": ("a:\n  - b\n  - c\ne: 1\n", [replace("/a", ["x"])], "a:\n  - x\ne: 1\n"),
    "remove a line with its comment": ("a: 1\nb: 2 # b\nc: 3\n", [remove("/b")], "a: 1\nc: 3\n"),
    "remove a mapping": ("a: 1\nb:\n  x: 1\n  y: 1\nc: 3\n", [remove("/b")], "a: 1\nc: 3\n"),
    "remove the first key of an item": (
        "l:\n  - a: 1\n    b: 2\n", [remove("/l/0/a")], "l:\n  - b: 2\n",
    ),
    "remove the only key": ("s:\n  a: 1\nb: 2\n", [remove("/s/a")], "s: {}\nb: 2\n"),
    "remove the only item": ("s:\n- a\nb: 2\n", [remove("/s/0")], "s: []\nb: 2\n"),
    "remove an item": ("s:\n- a: 1\n  b: 2\n- c\n", [remove("/s/0")], "s:\n- c\n"),
    "remove from a flow mapping": ("s: {a: 1, b: 2}\n", [remove("/s/a")], "s: {b: 2}\n"),
    "remove the last of a flow list": ("s: [a, b]\n", [remove("/s/1")], "s: [a]\n"),
    "remove all of a flow list": ("s: [ a ]\n", [remove("/s/0")], "s: []\n"),
    "rename a key": (
        "s:\n  'a': x # c\n  b: 1\n",
        [Edit("move", "/s/c", None, "/s/a")],
        "s:\n  'c': x # c\n  b: 1\n",
    ),
    "a key with a slash": ("s: {a/b: 1}\n", [replace("/s/a~1b", 2)], "s: {a/b: 2}\n"),
    "quote as written": ("s: 0x1F # c\nt: yes\n", [Edit("quote", "/s")], 's: "0x1F" # c\nt: yes\n'),
    "remove the earlier of two keys": (
        "s:\n  a: 1\n  b: 2\n  a: 3\n", [Edit("deduplicate", "/s/a")], "s:\n  b: 2\n  a: 3\n",
    ),
    "CRLF": ("s:\r\n  a: 1\r\n", [add("/s/b", {"c": 1})], "s:\r\n  a: 1\r\n  b:\r\n    c: 1\r\n"),
    "letters of every script": ("s: {a: ü}\n", [add("/s/b", "ß")], 's: {a: ü, b: "ß"}\n'),
    "several edits in order": (
        "s: {a: 1}\n", [add("/s/b", 1), remove("/s/a"), replace("/s/b", 2)], "s: {b: 2}\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_text_around_an_edit_stays(name):
    """Exactly the lines concerned change, and the file parses to the patched body."""
    before, edits, after = CASES[name]
    edited = edit_file("a.yaml", (HEAD + before).encode(), [Fix(0, "", tuple(edits))])
    assert edited.refused == ()
    assert edited.data.decode() == HEAD + after
    assert edited.made == (0,)


REFUSED = {
    "a merge key": ("b: &b {x: 1}\ns:\n  <<: *b\n", [replace("/s/x", 2)], "merge key"),
    "an alias": ("b: &b {x: 1}\ns: *b\n", [add("/s/y", 2)], "alias"),
    "an anchor that others share": ("b: &b {x: 1}\ns: *b\n", [add("/b/y", 2)], "not say what"),
    "an anchored value": ("b: &b 1\nc: *b\n", [replace("/b", 2)], "anchor"),
    "text that quotes do not hold": ("a: 1\nb: [1]\n", [Edit("quote", "/b")], "no plain scalar"),
    "a value that is not there": ("a: 1\n", [replace("/b", 2)], "not written"),
    "one key only": ("a: 1\n", [Edit("deduplicate", "/a")], "once"),
    "a comment between": (
        "l:\n- a: 1\n  # about b\n  b: 2\n", [remove("/l/0/a")], "comment",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_text_does_not_allow_is_refused(name):
    """The file stays as it is, and the reason is told."""
    text, edits, why = REFUSED[name]
    data = (HEAD + text).encode()
    edited = edit_file("a.yaml", data, [Fix(0, "", tuple(edits))])
    assert edited.data == data
    assert edited.made == ()
    assert why in edited.refused[0][1]


def test_documents_and_items_of_lists_are_edited_apart():
    """Only the document and the item meant change; a BOM, separators and comments stay."""
    text = (
        "\ufeff# head\n---\napiVersion: v1\nkind: X\na: 1\n--- # two\n"
        "apiVersion: v1\nkind: List\nitems:\n"
        "- {apiVersion: v1, kind: X}\n- apiVersion: v1\n  kind: X\n  a: 1\n...\n---\nbroken: [\n"
    )
    first = next(d.index for d in load(ManifestFile("a.yaml", data=text.encode())).documents)
    fixes = [Fix(first, "", (replace("/a", 2),)), Fix(first + 1, "/items/1", (replace("/a", 3),))]
    edited = edit_file("a.yaml", text.encode(), fixes)
    assert edited.refused == ()
    assert edited.data.decode() == text.replace("\na: 1", "\na: 2").replace("  a: 1", "  a: 3")


def test_json_stays_json():
    """Objects of a JSON file get their members in quotes, on lines of their own where others do."""
    body = {"apiVersion": "v1", "kind": "X", "spec": {"a": [1], "e": {}}}
    data = json.dumps(body, indent=2).encode()
    fix = Fix(0, "", (add("/spec/b", {"c": "d"}), add("/spec/e/f", True)))
    edited = edit_file("a.json", data, [fix])
    assert edited.refused == ()
    after = json.loads(edited.data)
    assert after["spec"] == {"a": [1], "e": {"f": True}, "b": {"c": "d"}}
    assert b'    "e": {"f": true},\n    "b": {"c": "d"}\n' in edited.data


def test_fixes_that_touch_each_other_wait():
    """Of two fixes of one part the second is for the next round; others are made now."""
    text = HEAD + "l:\n- a\n- b\nc: 1\n"
    fixes = [Fix(0, "", (remove("/l/0"),)), Fix(0, "", (replace("/l/1", "x"),)),
             Fix(0, "", (replace("/c", 2),))]  # fmt: skip
    edited = edit_file("a.yaml", text.encode(), fixes)
    assert edited.made == (0, 2)
    assert edited.waiting == (1,)
    assert edited.data.decode() == HEAD + "l:\n- b\nc: 2\n"


def test_one_bad_fix_does_not_keep_back_the_others():
    """The fix whose result is not what it means is found and left out."""
    text = HEAD + "b: &b {x: 1}\ns: *b\nc: 1\n"
    fixes = [Fix(0, "", (add("/b/y", 2),)), Fix(0, "", (replace("/c", 2),))]
    edited = edit_file("a.yaml", text.encode(), fixes)
    assert edited.made == (1,)
    assert [number for number, _ in edited.refused] == [0]
    assert edited.data.decode() == text.replace("c: 1", "c: 2")


def test_utf_16_is_left_alone():
    """A file that would have to be written in another encoding is refused."""
    data = (HEAD + "a: 1\n").encode("utf-16")
    edited = edit_file("a.yaml", data, [Fix(0, "", (replace("/a", 2),))])
    assert (edited.data, edited.made) == (data, ())


def test_a_fix_as_one_replacement():
    """Reports get the smallest stretch of text, its places counted in the file."""
    text = f"# c\n---\n{HEAD}a: b\n"
    document = load(ManifestFile("a.yaml", data=text.encode())).documents[0]
    edit = text_edit(text, Fix(document.index, "", (replace("/a", "bc"),)))
    assert (edit.start, edit.end, edit.text) == ((5, 5), (5, 5), "c")


def test_missing_mappings_are_added_on_the_way():
    """An add below something absent adds all of it; null counts as absent."""
    (edit,) = settle({"a": {}}, [add("/a/b/c/d", 1)])
    assert edit == add("/a/b", {"c": {"d": 1}})
    (edit,) = settle({"a": None}, [add("/a/b", 1)])
    assert edit == replace("/a", {"b": 1})
    assert settle({"a": 1}, [add("/a", 1), replace("/a", 1)]) == ()


@pytest.mark.parametrize(
    "edit",
    [
        replace("/b", 1),
        remove("/b"),
        add("/l/7", 1),
        add("/s/x", 1),
        Edit("move", "/b", None, "/c"),
        Edit("move", "/s", None, "/l"),
    ],
)
def test_edits_that_do_not_fit(edit):
    """What a body has no place for is an error, so that the finding has no fix."""
    with pytest.raises(PatchError):
        settle({"l": [1], "s": "x"}, [edit])


def test_a_patch_leaves_the_body_alone():
    """`apply` gives a copy, with booleans, numbers and texts kept apart."""
    body = {"a": {"b": 1}}
    assert apply(body, [replace("/a/b", True)]) == {"a": {"b": True}}
    assert body == {"a": {"b": 1}}
    assert settle(body, [replace("/a/b", True)]) == (replace("/a/b", True),)
