"""The fixes of one file, made in its text and held against what the file says afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from kpolicy.findings import Fix
from kpolicy.fixes.patch import PatchError, apply, same
from kpolicy.fixes.splice import CannotEditError, Splice, splices
from kpolicy.fixes.tree import documents
from kpolicy.manifests.model import Document, ManifestFile
from kpolicy.manifests.text import is_json, place_after
from kpolicy.policy.model import Edit

__all__ = ["Edited", "TextEdit", "edit_file", "text_edit"]

_BOM = b"\xef\xbb\xbf"


class Edited(NamedTuple):
    """A file after its fixes."""

    data: bytes
    made: tuple[int, ...]
    """The numbers of the fixes that were made."""
    refused: tuple[tuple[int, str], ...]
    """Those that were not, and why."""
    waiting: tuple[int, ...]
    """Those that touch what another one has changed: they are looked at anew after it."""


def edit_file(path: str, data: bytes, fixes: Sequence[Fix]) -> Edited:
    """Return the bytes of a file with as many of `fixes` made as fit together.

    What is not touched by a fix stays as it is, byte by byte. A fix after which the file would not
    say exactly what the fix means is refused.
    """
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        why = "the file is UTF-16; save it as UTF-8"
        return Edited(data, (), tuple((n, why) for n in range(len(fixes))), ())
    chosen, waiting = _apart(fixes)
    made, refused, after = _attempt(data, fixes, chosen)
    wrong = _difference(path, data, after, [fixes[n] for n in made]) if made else ""
    if wrong:
        # Rare: find out which one it is.
        refused, after = list(refused), data
        kept: list[int] = []
        for number in made:
            one, said, tried = _attempt(data, fixes, [*kept, number])
            failed = dict(said).get(number) or _difference(
                path, data, tried, [fixes[n] for n in one]
            )
            if failed:
                refused.append((number, failed))
            else:
                kept, after = [*kept, number], tried
        made = kept
    return Edited(after, tuple(made), tuple(refused), tuple(waiting))


class TextEdit(NamedTuple):
    """`text` in place of what stands between two places (line and column, from 1)."""

    start: tuple[int, int]
    end: tuple[int, int]
    text: str


def text_edit(text: str, fix: Fix) -> TextEdit | None:
    """Return what a fix replaces in the text of a file; None where it cannot be made there."""
    from kpolicy.manifests.places import numbered

    for piece, first, count in numbered(text.encode("utf-8", "surrogateescape")):
        if first <= fix.document < first + count:
            alone = replace(fix, document=fix.document - first)
            data = piece.text.encode("utf-8", "surrogateescape")
            made, _, after = _attempt(data, [alone], [0])
            if not made or _difference("", data, after, [alone]):
                return None
            splice = _smallest(piece.text, after.decode("utf-8", "surrogateescape"))
            start, end = (
                (line + piece.lines_before, column)
                for line, column in map(
                    place_after, (piece.text[: splice.start], piece.text[: splice.end])
                )
            )
            return TextEdit(start, end, splice.text)
    return None


def _smallest(before: str, after: str) -> Splice:
    """Return the one replacement that makes `after` of `before`."""
    limit = min(len(before), len(after))
    start = next((n for n in range(limit) if before[n] != after[n]), limit)
    end = 0
    while end < limit - start and before[-1 - end] == after[-1 - end]:
        end += 1
    return Splice(start, len(before) - end, after[start : len(after) - end])


def _apart(fixes: Sequence[Fix]) -> tuple[list[int], list[int]]:
    """Return the numbers of fixes that do not touch each other, and those of the others."""
    chosen: list[int] = []
    waiting: list[int] = []
    taken: dict[int, list[str]] = {}
    for number, fix in enumerate(fixes):
        touched = [p for edit in fix.edits for p in _touched(fix.within, edit)]
        others = taken.setdefault(fix.document, [])
        if any(_overlap(one, other) for one in touched for other in others):
            waiting.append(number)
        else:
            chosen.append(number)
            others += touched
    return chosen, waiting


def _touched(within: str, edit: Edit) -> Iterable[str]:
    at = within + edit.pointer
    last = at.rpartition("/")[2]
    if edit.op in ("add", "remove") and (last == "-" or last.isdecimal()):
        # The items after it get other numbers.
        at = at.rpartition("/")[0]
    yield at
    if edit.source:
        yield within + edit.source


def _overlap(one: str, other: str) -> bool:
    return one == other or one.startswith(other + "/") or other.startswith(one + "/")


def _attempt(
    data: bytes, fixes: Sequence[Fix], numbers: Sequence[int]
) -> tuple[list[int], list[tuple[int, str]], bytes]:
    """Make the fixes of these numbers: (made, refused, bytes)."""
    from kpolicy.manifests.places import numbered

    mark = _BOM if data.startswith(_BOM) else b""
    pieces = numbered(data)
    texts = [piece.text for piece, _, _ in pieces]
    made: list[int] = []
    refused: list[tuple[int, str]] = []
    for number in numbers:
        fix = fixes[number]
        inside = (first <= fix.document < first + count for _, first, count in pieces)
        place = next((n for n, here in enumerate(inside) if here), None)
        if place is None:
            refused.append((number, "the document is not there any more"))
            continue
        try:
            nth = fix.document - pieces[place][1]
            texts[place] = _edited(texts[place], nth, fix)
            made.append(number)
        except CannotEditError as error:
            refused.append((number, str(error)))
        except Exception as error:
            from yaml.error import YAMLError

            if not isinstance(error, (YAMLError, StopIteration, RecursionError)):
                raise
            refused.append((number, "the text could not be read again"))
    return made, refused, mark + "".join(texts).encode("utf-8", "surrogateescape")


def _edited(text: str, nth: int, fix: Fix) -> str:
    as_json = is_json(text)
    for edit in fix.edits:
        source = fix.within + edit.source if edit.source else ""
        absolute = edit._replace(pointer=fix.within + edit.pointer, source=source)
        root = list(documents(text))[nth]
        for splice in reversed(splices(text, root, absolute, as_json)):
            text = text[: splice.start] + splice.text + text[splice.end :]
    return text


def _difference(path: str, before: bytes, after: bytes, fixes: Sequence[Fix]) -> str:
    """Return how the edited file differs from what the fixes mean, or ""."""
    from kpolicy.manifests import load

    old, new = (load(ManifestFile(path, data=data, size=len(data))) for data in (before, after))
    if len(old.invalid) != len(new.invalid) or len(old.documents) != len(new.documents):
        return "the edited text would not be read as before"
    meant: dict[tuple[int, str], list[Fix]] = {}
    for fix in fixes:
        meant.setdefault((fix.document, fix.within), []).append(fix)
    for was, now in zip(old.documents, new.documents, strict=True):
        mine = meant.pop((was.index, was.pointer), [])
        if len(now.problems) > len(was.problems):
            return "the edited text would have a key twice"
        if (was.index, was.pointer) != (now.index, now.pointer):
            return "the edited text would not be read as before"
        try:
            if not _fits(was, now, [edit for fix in mine for edit in fix.edits]):
                return "the edited text would not say what the fix means"
        except PatchError as error:
            return str(error)
    return "the resource is not there any more" if meant else ""


def _fits(was: Document, now: Document, edits: Sequence[Edit]) -> bool:
    if not edits:
        return same(was.body, now.body)
    plain: list[Edit] = []
    for edit in edits:
        if edit.op == "deduplicate":
            before, after = (_duplicates(document, edit.pointer) for document in (was, now))
            if not before or after:
                return False
        elif edit.op == "quote":
            # The text is what was written, which the body does not know: it has become a string.
            text = _at(now.body, edit.pointer)
            if not isinstance(text, str) or isinstance(_at(was.body, edit.pointer), (dict, list)):
                return False
            plain.append(Edit("replace", edit.pointer, text))
        else:
            plain.append(edit)
    return same(apply(was.body, plain), now.body)


def _duplicates(document: Document, pointer: str) -> bool:
    return any(
        problem.kind == "duplicate-key" and problem.pointer == pointer
        for problem in document.problems
    )


def _at(body: Any, pointer: str) -> Any:
    from kpolicy.fixes.patch import tokens

    value = body
    for token in tokens(pointer):
        if isinstance(value, Mapping):
            value = value.get(token)
        elif isinstance(value, list) and token.isdecimal() and int(token) < len(value):
            value = value[int(token)]
        else:
            return None
    return value
