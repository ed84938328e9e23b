"""The YAML that manifests are mostly written in, read line by line.

Nearly every manifest uses a small part of YAML: block mappings and lists, a scalar behind its key
on the same line, `|` text. Nine lines of ten stand in other manifests too, so what a line says is
remembered; a loop over the lines builds the frozen bodies, in a third of the time that libyaml's
events take.

This reader decides nothing on its own: whatever is not plainly inside that part (anchors, tags,
flow collections other than short lists, text over several lines, odd indentation, every error)
makes it return None, and libyaml reads the document. A property test holds both to the same bodies
and places.
"""

from __future__ import annotations

import re
from sys import intern
from typing import Any

from kpolicy.frozen import FrozenDict, FrozenList, _set_dict_mark, _set_list_mark
from kpolicy.manifests.model import Limits
from kpolicy.manifests.scalars import ScalarError, resolve_plain

__all__ = ["read_block"]

#: A line behind its indentation: a dash, a key, what follows.
_LINE = re.compile(r"(- +)?(?:([A-Za-z_][A-Za-z0-9_./-]{0,250}+):(?: +|\Z))?(.*+)")
# The rest is text: `re` compiles each pattern when it is first used, and results are remembered.
_COMMENT = r" *+(?:(?<= )#.*)?"
#: Line breaks that libyaml knows besides LF and CRLF, and a byte order mark amid the text.
_ODD_BREAK = "\r(?!\n)|[\x85\u2028\u2029\ufeff]"
_SEPARATOR = r"---(?: *| +#.*)"
_DOUBLE_QUOTED = rf'"((?:[^"\\\t]|\\["\\nt])*+)"{_COMMENT}'
_SINGLE_QUOTED = rf"'((?:[^'\t]|'')*)'{_COMMENT}"
_TEXT = rf"([|>]-?){_COMMENT}"
_EMPTY = rf"(\{{\}}|\[\]){_COMMENT}"
# `*+` and `++` never give back what they took, so that no text takes more than linear time.
_FLOW_ITEM = r"(?:\"[^\"\\\t]*+\"|'[^'\t]*+'|[A-Za-z0-9_./][^,\[\]{}:#\"'\t]*+)"
_FLOW_LIST = rf"\[ *+({_FLOW_ITEM}(?: *+, *+{_FLOW_ITEM})*+) *+\]{_COMMENT}"
_FLOW_KEY = r"[A-Za-z_][A-Za-z0-9_./-]{0,250}+"
_FLOW_PAIR = rf"{_FLOW_KEY}: ++{_FLOW_ITEM}"
_FLOW_MAP = rf"\{{ *+({_FLOW_PAIR}(?: *+, *+{_FLOW_PAIR})*+) *+\}}{_COMMENT}"
#: What a flow collection on one line is made of; the name of the group is what a match stands for.
FLOW_TOKEN = (
    rf"(?P<space> ++)|(?P<key>{_FLOW_KEY}:(?= ))|(?P<open>[\[{{])|(?P<close>[\]}}])|(?P<comma>,)"
    rf"|(?P<item>{_FLOW_ITEM})"
)
_MAX_FLOW = 16
_ESCAPE = r"\\(.)"
_ESCAPES = {'"': '"', "\\": "\\", "n": "\n", "t": "\t"}
_PLAIN_START = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./+~$(\\;<=^"
)

#: Keys that are no strings until Kubernetes' JSON makes them some.
_WORD_KEYS = frozenset(
    word
    for lower in ("y", "yes", "true", "on", "n", "no", "false", "off", "null")
    for word in (lower, lower.capitalize(), lower.upper())
)
_MAX_DEPTH = 64


class _Special:
    """What stands behind a key when it is no scalar; `items` or `pairs` of a flow collection.

    `nested`: some of them are flow collections too, as (columns from this one, `_Special`).
    """

    __slots__ = ("items", "nested", "pairs")

    def __init__(
        self,
        items: tuple[Any, ...] = (),
        pairs: dict[str, Any] | None = None,
        nested: bool = False,
    ) -> None:
        self.items = items
        self.pairs = pairs
        self.nested = nested


_UNKNOWN = _Special()
_NOTHING = _Special()
#: What announces text on the lines below: `|` keeps its line breaks, `>` folds them, `-` strips the
#: last one.
_TEXTS = {announced: _Special((announced,)) for announced in ("|", "|-", ">", ">-")}
_ALL_TEXTS = frozenset(_TEXTS.values())

#: What a line says behind its indentation: how long its dash is, with the spaces behind it (0 =
#: none, -1 = not to be read here); its key ("" = none); its value; for a `_Special` from how far
#: before the end of the line it begins, from 1 on, else 0.
_Line = tuple[int, str, Any, int]
_UNREADABLE: _Line = (-1, "", None, 0)

#: Manifests repeat their lines, and their values in different lines; the bounds keep a hostile file
#: from growing these. Keys and values are one object each then: bodies are smaller.
_MEMO_SIZE = 16_384
_MEMO_TEXT = 64
_lines: dict[str, _Line] = {}
_values: dict[str, Any] = {}


def _read_line(text: str) -> _Line:
    """Return what a line says."""
    match = _LINE.fullmatch(text)
    assert match is not None
    dash, key, rest = match.groups("")
    value = _interpret(rest) if rest else _NOTHING
    back = len(rest) + 1 if value.__class__ is _Special else 0
    found = (len(dash), intern(key), value, back)
    if value is _UNKNOWN or key in _WORD_KEYS:
        found = _UNREADABLE
    elif not key and (value is _NOTHING) == bool(dash):
        # A dash alone, or text that belongs to the line before.
        found = _UNREADABLE
    _remember(_lines, text, found)
    return found


def _interpret(rest: str) -> Any:
    """Return what `rest`, the text behind a key or a dash, means: a scalar or a `_Special`."""
    try:
        return _values[rest]
    except KeyError:
        value = _classify(rest)
        _remember(_values, rest, value)
        return value


def _remember(memo: dict[str, Any], text: str, meaning: Any) -> None:
    if len(text) <= _MEMO_TEXT:
        if len(memo) >= _MEMO_SIZE:
            memo.clear()
        memo[text] = meaning


def _classify(rest: str) -> Any:
    first = rest[0]
    if first == '"':
        match = re.fullmatch(_DOUBLE_QUOTED, rest)
        if match is None:
            return _UNKNOWN
        text = match[1]
        return re.sub(_ESCAPE, _unescape, text) if "\\" in text else text
    if first == "'":
        match = re.fullmatch(_SINGLE_QUOTED, rest)
        return match[1].replace("''", "'") if match else _UNKNOWN
    if first in "|>":
        match = re.fullmatch(_TEXT, rest)
        return _TEXTS[match[1]] if match else _UNKNOWN
    if first in "{[":
        return _flow(rest)
    if first == "#":
        return _NOTHING
    if "\t" in rest or not (first in _PLAIN_START or (first in "-:?" and rest[1:2].strip())):
        return _UNKNOWN
    text = rest.partition(" #")[0]
    text = text.rstrip(" ")
    if ": " in text or text[-1] == ":":
        return _UNKNOWN
    try:
        return resolve_plain(text)
    except ScalarError:
        return _UNKNOWN


def _unescape(match: re.Match[str]) -> str:
    return _ESCAPES[match[1]]


def _flow(rest: str) -> Any:
    """Return a mapping or a list of scalars in brackets."""
    if re.fullmatch(_EMPTY, rest):
        return _Special((), {} if rest[0] == "{" else None)
    try:
        if match := re.fullmatch(_FLOW_LIST, rest):
            return _Special(tuple([_flow_item(item) for item in re.findall(_FLOW_ITEM, match[1])]))
        if match := re.fullmatch(_FLOW_MAP, rest):
            found = re.findall(rf"({_FLOW_KEY}): ++({_FLOW_ITEM})", match[1])
            pairs = {key: _flow_item(item) for key, item in found}
            if len(pairs) == len(found) and not _WORD_KEYS & pairs.keys():
                return _Special((), pairs)
            return _UNKNOWN
        return _nested_flow(rest)
    except ScalarError:
        return _UNKNOWN


def _nested_flow(rest: str) -> _Special:
    """Return flow collections in flow collections, written on one line."""
    match = re.fullmatch(rf"([\[{{].*[\]}}]){_COMMENT}", rest)
    if match is None:
        return _UNKNOWN
    text = match[1]
    # What is being read, innermost last, with the offset and the key under which it stands.
    open_: list[tuple[list[Any] | dict[str, Any], int, str]] = []
    key = ""
    done: _Special | None = None
    # True where a value, False where a comma or an end comes next.
    wanted = True
    position = 0
    token = re.compile(FLOW_TOKEN)
    while position < len(text):
        found = token.match(text, position)
        if found is None or done is not None:
            return _UNKNOWN
        offset, position = position, found.end()
        kind, within = found.lastgroup, open_[-1][0] if open_ else None
        if kind == "space":
            continue
        if kind == "key":
            name = found["key"].partition(":")[0]
            if not isinstance(within, dict) or key or not wanted or name in within:
                return _UNKNOWN
            if name in _WORD_KEYS:
                return _UNKNOWN
            key = name
            continue
        if kind == "open":
            if not wanted or (isinstance(within, dict) and not key) or len(open_) > _MAX_FLOW:
                return _UNKNOWN
            open_.append(({} if found[0] == "{" else [], offset, key))
            key = ""
            continue
        if kind == "comma":
            if wanted:
                return _UNKNOWN
            wanted = True
            continue
        if kind == "close":
            if within is None or key or (found[0] == "}") != isinstance(within, dict):
                return _UNKNOWN
            if wanted and within:
                return _UNKNOWN  # a comma before the end
            _, begin, key = open_.pop()
            if not open_:
                done = _special_of(within)
                continue
            value: Any = (begin - open_[-1][1], _special_of(within))
        elif wanted:
            value = _flow_item(found[0])
        else:
            return _UNKNOWN
        outer = open_[-1][0]
        if isinstance(outer, dict):
            if not key:
                return _UNKNOWN
            outer[key] = value
            key = ""
        else:
            outer.append(value)
        wanted = False
    return _UNKNOWN if done is None else done


def _special_of(found: list[Any] | dict[str, Any]) -> _Special:
    values = found.values() if isinstance(found, dict) else found
    nested = any(value.__class__ is tuple for value in values)
    if isinstance(found, dict):
        return _Special((), found, nested)
    return _Special(tuple(found), None, nested)


def _flow_item(item: str) -> Any:
    return item[1:-1] if item[0] in "\"'" else resolve_plain(item.rstrip(" "))


def read_block(text: str, limits: Limits, lines_before: int = 0) -> tuple[Any, bool] | None:
    """Return (body, has duplicate keys) of the document in `text`; None if libyaml is to read it.

    `text` is what `kpolicy.manifests.text.split` yields. Never raises for what a text contains.
    """
    if "\r" in text or not text.isascii():
        if re.search(_ODD_BREAK, text):
            return None
        text = text.replace("\r\n", "\n")
    ends = text.endswith("\n")
    lines = text.split("\n")

    new = dict.__new__
    new_list = list.__new__
    put = dict.__setitem__
    fill = dict.setdefault  # is called in half of the time
    append = list.append
    known = _lines
    first_line = lines_before + 1
    max_depth = min(limits.depth, _MAX_DEPTH)

    stack: list[tuple[int, Any, bool]] = []
    root: Any = None
    node: Any = None
    node_indent = -1
    in_list = False
    # The key whose value begins on a later line; "" at the start, for the root.
    waiting: str | None = ""
    duplicates = False
    skip = -1

    for number, line in enumerate(lines):
        if number <= skip:
            continue
        said = line.lstrip(" ")
        try:
            dash, key, value, back = known[said]
        except KeyError:
            dash, key, value, back = _read_line(said)
        indent = len(line) - len(said)

        # Most lines are one more key of the mapping before.
        if indent != node_indent or waiting is not None or dash or in_list or not key:
            if dash < 0:
                if number == 0 and not indent and re.fullmatch(_SEPARATOR, said):
                    continue
                return None
            if not key and not dash:
                continue

            # Find the collection that the line belongs to, or open it.
            if waiting is not None:
                if indent > node_indent or (dash and indent == node_indent):
                    if dash:
                        child: Any = new_list(FrozenList)
                        _set_list_mark(child, (number + first_line) << 24 | indent + 1)
                    else:
                        child = new(FrozenDict)
                        _set_dict_mark(child, (number + first_line) << 24 | indent + 1)
                    if node is None:
                        root = child
                    else:
                        put(node, waiting, child)
                        if len(stack) >= max_depth:
                            return None
                        stack.append((node_indent, node, in_list))
                    node = child
                    node_indent = indent
                    in_list = dash > 0
                else:
                    put(node, waiting, None)
                waiting = None
            while node_indent > indent or (node_indent == indent and in_list != (dash > 0)):
                if not stack:
                    return None
                node_indent, node, in_list = stack.pop()
            if node_indent != indent:
                return None
            if dash and key:
                child = new(FrozenDict)
                _set_dict_mark(child, (number + first_line) << 24 | indent + dash + 1)
                append(node, child)
                if len(stack) >= max_depth:
                    return None
                stack.append((node_indent, node, True))
                node = child
                node_indent = indent + dash
                in_list = False

        if back:
            if value is _NOTHING:
                if key in node:
                    duplicates = True
                waiting = key
                continue
            if value in _ALL_TEXTS:
                taken = _text(lines, number, node_indent, value.items[0], ends)
                if taken is None:
                    return None
                value, skip = taken
            else:
                value = _collection(value, (number + first_line) << 24 | len(line) - back + 2)
        if not key:
            append(node, value)
        elif key in node:
            duplicates = True
            put(node, key, value)
        else:
            fill(node, key, value)

    if node is None:
        return None
    if waiting is not None:
        put(node, waiting, None)
    return root, duplicates


def _collection(special: _Special, mark: int) -> Any:
    if special.pairs is not None:
        if special.nested:
            pairs = {key: _instance(value, mark) for key, value in special.pairs.items()}
            return FrozenDict(pairs, mark)
        return FrozenDict(special.pairs, mark)
    if special.nested:
        return FrozenList([_instance(item, mark) for item in special.items], mark)
    return FrozenList(special.items, mark)


def _instance(value: Any, mark: int) -> Any:
    """Return a value of a nested collection that begins at `mark`: columns are its low bits."""
    return _collection(value[1], mark + value[0]) if value.__class__ is tuple else value


def _text(
    lines: list[str], number: int, parent: int, announced: str, ends: bool
) -> tuple[str, int] | None:
    """Return the block scalar that line `number` announces, and the number of its last line.

    `parent` is the indentation that its lines exceed; `ends` says that the file ends with a line
    break. None where libyaml is to judge.
    """
    first = number + 1
    last = len(lines) - 1 if ends else len(lines)
    while first < last and not lines[first].strip(" "):
        first += 1
    if first >= last:
        return None
    content = lines[first]
    indent = len(content) - len(content.lstrip(" "))
    if indent <= parent or content[indent] == "\t":
        return None
    if any(len(line) > indent for line in lines[number + 1 : first]):
        return None
    prefix = content[:indent]
    end = first + 1
    while end < last:
        line = lines[end]
        if not line.startswith(prefix) and line.strip(" "):
            break
        end += 1
    if end == last and not ends and len(lines[-1]) <= indent:
        return None
    taken = [line[indent:] for line in lines[number + 1 : end]]
    while not taken[-1]:
        taken.pop()
    text = "\n".join(taken)
    if announced[0] == ">":
        if re.search(_UNFOLDED, text):
            return None
        text = re.sub(_FOLD, _folded, text)
    broken_off = end == last and not ends
    return (text if announced[-1] == "-" or broken_off else text + "\n"), end - 1


#: A line that begins with white space keeps its line breaks, those around it too, when folded.
_UNFOLDED = r"(?m)^[ \t]"
_FOLD = "(?<!^)(?<!\n)\n+"


def _folded(match: re.Match[str]) -> str:
    """A line break becomes a space; of several, the first one goes."""
    return match[0][1:] or " "
