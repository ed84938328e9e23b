"""The reader of common YAML agrees with libyaml on everything that it takes on."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kpolicy.manifests import block_reader
from kpolicy.manifests.block_reader import read_block
from kpolicy.manifests.model import Limits
from kpolicy.manifests.text import decode, split
from kpolicy.manifests.yaml_loader import YamlError, read_stream

REAL = Path(__file__).parents[2] / ".." / "shared" / "real-manifests"

DEPLOYMENT = """\
# A comment first
apiVersion: apps/v1
kind: Deployment   # and one behind
metadata:
  name: web
  labels: {}
  annotations:
    app.kubernetes.io/name: web
    note: "a \\"quoted\\" # text"

    empty:
    single: 'it is'
spec:
  replicas: 3
  paused: no
  template:
    spec:
      containers:
      - name: web
        image: registry:5000/web@sha256:abc
        args: ["-c", 'x', plain, 5]
        command: []
        ports:
          - containerPort: 8080
            name: http
          -   containerPort: 0x50
        env:
        - name: URL
          value: http://a.example.com/?q=1#frag
      - name: side
        args:
        - --flag=1
        - -1
        - a:b
      volumes:
data:
  file.conf: |
    line one
      indented

    # no comment
    last
  stripped: |-
    one
    two

  next: {a: 1, b: 'it', c: "is" } # so
  folded: >
    one
    two


    three

  folded.stripped: >-

    one
    two
  quoted: 'it''s'
  colon: :one
  last: |
    no line break"""


def shape(value: Any) -> Any:
    """Everything about a body that matters: values, types, order of keys, places."""
    if isinstance(value, dict):
        return "map", value.mark, [(key, shape(child)) for key, child in value.items()]
    if isinstance(value, list):
        return "list", value.mark, [shape(child) for child in value]
    return type(value).__name__, value


def agree(text: str) -> int:
    """Assert that both readers say the same of each document; return how many both have read."""
    both = 0
    for chunk in split(text):
        common = read_block(chunk.text, Limits(), chunk.lines_before)
        if common is None:
            continue
        try:
            [(body, duplicates)] = read_stream(chunk.text, Limits(), chunk.lines_before)
        except YamlError as error:
            raise AssertionError(f"libyaml refuses {chunk.text!r}: {error}") from error
        assert shape(common[0]) == shape(body), chunk.text
        assert common[1] == duplicates, chunk.text
        both += 1
    return both


def test_a_common_manifest_is_read() -> None:
    assert agree(DEPLOYMENT) == 1
    assert agree(DEPLOYMENT.replace("\n", "\r\n")) == 1
    assert agree(f"---\n{DEPLOYMENT}\n--- # next\n{DEPLOYMENT}\n---\n{DEPLOYMENT}") == 3


def test_the_body_is_what_it_looks_like() -> None:
    read = read_block(DEPLOYMENT, Limits())
    assert read is not None
    body, duplicates = read
    assert not duplicates
    assert body["spec"]["paused"] is False
    assert body["metadata"]["annotations"]["note"] == 'a "quoted" # text'
    assert body["metadata"]["annotations"]["empty"] is None
    assert body["data"]["file.conf"] == "line one\n  indented\n\n# no comment\nlast\n"
    assert body["data"]["stripped"] == "one\ntwo"
    assert body["data"]["folded"] == "one two\n\nthree\n"
    assert body["data"]["folded.stripped"] == "\none two"
    assert body["data"]["next"] == {"a": 1, "b": "it", "c": "is"}
    assert body["data"]["quoted"] == "it's"
    assert body["data"]["last"] == "no line break"
    web = body["spec"]["template"]["spec"]["containers"][0]
    assert (web.line, web.column) == (19, 9)
    assert web["args"] == ["-c", "x", "plain", 5]
    assert (web["args"].line, web["args"].column) == (21, 15)
    assert web["ports"][1]["containerPort"] == 80
    assert (web["ports"][1].line, web["ports"][1].column) == (26, 15)


@pytest.mark.parametrize(
    "text",
    [
        "a: &x 1\n",
        "a: *x\n",
        "a: !!str 1\n",
        "<<: {a: 1}\n",
        "{a: 1}\n",
        "a: [[1]],\n",
        "a: [[1],]\n",
        "a: {b: [1] c: 2}\n",
        "a: [{b: 1}\n",
        "a: [{b: 1}]]\n",
        "a: [b: {c: 1}]\n",
        "a: {[b]: 1}\n",
        "a: [{b: 1, b: 2}]\n",
        "a: [{y: 1}]\n",
        "a: [{b: .inf}]\n",
        "a: {b: 1, b: 2}\n",
        "a: {y: 1}\n",
        "a: {b}\n",
        "a: >\n  x\n   y\n",
        "a: >+\n  x\n",
        "a: |\n  x\n  ",
        "a: [1,\n 2]\n",
        "a: |+\n  x\n",
        "a: |2\n   x\n",
        "a: one\n  two\n",
        "a: 'one\n  two'\n",
        'a: "one\n  two"\n',
        'a: "\\x41"\n',
        "? a\n: b\n",
        "a : b\n",
        "'a': b\n",
        "1: b\n",
        "y: b\n",
        "a:\n\tb: 1\n",
        "a: 1\n b: 2\n",
        "a:\n  b: 1\n c: 2\n",
        "a: b: c\n",
        "a: .inf\n",
        "- - a\n",
        "-\n  a: 1\n",
        "a: - b\n",
        "a: 1\n...\n",
        "%YAML 1.1\n---\na: 1\n",
        "--- a\n",
        " ---\na: 1\n",
        "a: @x\n",
        "a: |\n\tx\n",
        "a: |\n   \n  x\n",
        "a\u2028b: 1\n",
        "a: x\u0085y\n",
        "a: 1\rb: 2\n",
        "",
        "# only\n",
        "text\n",
    ],
)
def test_the_rest_is_left_to_libyaml(text: str) -> None:
    assert read_block(text, Limits()) is None


def test_equal_keys_are_one_object_whoever_reads_them() -> None:
    common = read_block("some-key: 1\n", Limits())
    assert common is not None
    [(other, _)] = read_stream("{some-key: 1}", Limits())
    assert next(iter(common[0])) is next(iter(other))


@pytest.mark.parametrize("depth", [3, 10, 200])
def test_depth_is_left_to_libyaml_too(depth: int) -> None:
    text = "".join("  " * level + "a:\n" for level in range(depth + 2))
    assert read_block(text, Limits(depth=depth)) is None


@pytest.mark.skipif(not REAL.exists(), reason="the real manifests are not beside the checkout")
def test_real_manifests_agree() -> None:
    """All real manifests read alike, and nearly all are of the common kind."""
    files = sorted(REAL.rglob("*.yaml"))
    texts = [decode(path.read_bytes())[0] for path in files]
    documents = sum(len(list(split(text))) for text in texts)
    assert sum(map(agree, texts)) > 0.9 * documents


FRAGMENTS = [
    "- ", "  ", " ", "\t", ": ", ":", "#", " #", '"', "'", "|", "|-", ">", "{", "}", "[", "]", "{}",
    "[]", "[a, b]", "&a ", "*a", "!", "!!str ", "? ", "---\n", "...\n", "%", "@", "`", "\n", "\n\n",
    "\r\n", "\r", "null", "~", "yes", "y: ", "1: ", "0x1f", ".5", ".inf", "\u00e9", "\u2028",
    "\x85", "\ufeff", "<<: ", "key:", "- - ", "-", "--- a", "a: |\n", "\\n", "\\", "x: |-\n      ",
    "    \n", "''", '""', ",", "$", "a: b", "- a: b\n", "=", "-x", "- -1", "a: [x, 'y', \"z\"]",
    ">", ">-", "a: >\n", "  x: >-\n      ", "\n\n\n", "{a: b}", "{a: 'b', c: 1}", ":x", "?x",
]  # fmt: skip


@given(st.integers(0, 2**32), st.integers(0, 3))
@settings(max_examples=1500, deadline=None)
def test_damaged_manifests_agree(seed: int, edits: int) -> None:
    """Pieces of a manifest, edited at random, read alike or are left to libyaml."""
    rng = random.Random(seed)
    lines = DEPLOYMENT.split("\n")
    start = rng.randrange(len(lines))
    lines = lines[start : start + rng.randint(1, 16)]
    margin = min((len(line) - len(line.lstrip(" ")) for line in lines if line.strip()), default=0)
    text = "\n".join(line[margin:] for line in lines) + rng.choice(("\n", "\n", "", "\n\n  \n"))
    for _ in range(edits):
        at = rng.randrange(len(text) + 1)
        action = rng.random()
        if action < 0.5:
            text = text[:at] + rng.choice(FRAGMENTS) + text[at:]
        elif action < 0.7:
            text = text[:at] + text[at + rng.randint(1, 4) :]
        else:
            lines = text.split("\n")
            number = rng.randrange(len(lines))
            if action < 0.8:
                lines[number] = " " * rng.randint(1, 3) + lines[number]
            elif action < 0.9:
                lines[number] = lines[number][rng.randint(1, 3) :]
            else:
                lines.insert(rng.randrange(len(lines)), lines[number])
            text = "\n".join(lines)
    agree(text)


def flow(rng: random.Random, depth: int = 0) -> str:
    """A flow collection on one line, or a scalar in one."""
    if depth > 3 or (depth and rng.random() < 0.4):
        return rng.choice(("x", "1", '"q: w"', "'z, y'", "80", "a b", "/x", "1.5", "true", "x-1"))
    space = rng.choice(("", " "))
    below = [flow(rng, depth + 1) for _ in range(rng.randint(0, 3))]
    if rng.random() < 0.5:
        return f"[{space}{rng.choice((',', ', ')).join(below)}{space}]"
    pairs = ", ".join(f"{rng.choice('abcdef')}: {value}" for value in below)
    return f"{{{space}{pairs}{space}}}"


@given(st.integers(0, 2**32), st.booleans())
@settings(max_examples=1500, deadline=None)
def test_flow_collections_agree(seed: int, damaged: bool) -> None:
    rng = random.Random(seed)
    text = flow(rng)
    if damaged:
        at = rng.randrange(len(text) + 1)
        text = text[:at] + rng.choice(FRAGMENTS) + text[at + rng.randint(0, 1) :]
    agree(rng.choice(("k: %s\n", "- %s\n", "k:\n  - %s\n", "k: {v: %s}\n", "k: %s # c\n")) % text)


@given(st.text(alphabet="ab:- #'\"|[]{},\n~01.\\", max_size=40))
@settings(max_examples=1500, deadline=None)
def test_random_text_agrees(text: str) -> None:
    agree(text)


@pytest.mark.parametrize(
    "line",
    [
        "a: [" + "a          ," * 20_000 + "!]",
        "a: {" + "a: b       ," * 20_000 + "!}",
        "a: [" + "a" * 200_000 + "!",
        "a: '" + "''" * 100_000 + "x",
        'a: "' + "\\\\n" * 100_000 + "x",
        "- " * 100_000 + "x:",
        "a: x" + " " * 200_000 + "#",
        "a: '" + " " * 200_000 + "' #",
        "a" * 200_000 + ": x",
        " " * 200_000,
        "a: |" + " " * 200_000 + "x",
    ],
    ids=range(11),
)
def test_hostile_lines_take_linear_time(line: str) -> None:
    """The patterns of this reader never try a text again in other ways."""
    start = time.perf_counter()
    read_block(f"{line}\n", Limits())
    assert time.perf_counter() - start < 1


def test_what_is_remembered_of_lines_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hostile file, all of whose lines differ, is forgotten again; long lines are not kept."""
    monkeypatch.setattr(block_reader, "_MEMO_SIZE", 50)
    text = "".join(f"key{n}: value{n}\n" for n in range(120))
    expected = {f"key{n}": f"value{n}" for n in range(120)}
    for _ in range(2):
        assert read_block(text, Limits()) == (expected, False)
    assert read_block("a: " + "x" * 500 + "\n", Limits()) == ({"a": "x" * 500}, False)
    assert len(block_reader._lines) <= 50
    assert len(block_reader._values) <= 50
    assert max(map(len, block_reader._lines)) <= block_reader._MEMO_TEXT


@pytest.mark.parametrize("line", ["- - a", "-", "- ", "yes: 1", "? a", "a", "a: b: c", "---"])
def test_a_line_that_is_not_read_here_is_remembered_as_such(line: str) -> None:
    for _ in range(2):
        assert read_block(f"x: 1\n{line}\n", Limits()) is None
