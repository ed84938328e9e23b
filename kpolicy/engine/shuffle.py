"""Relation keys shuffled by key: who owns a key answers what guesses asked of it.

A shard of files knows its rows: entries under keys, and questions to indexes. Entries and questions
go to the owner of their key, which has all entries under it, whatever shard they came from, and so
answers as an index over all of them would. Answers go back to the shard, which keeps open only what
they do not bear out. Nothing here knows how any of it travels.

A key has an owner of its own in a relation where equal keys alone relate. Where keys lead to others
(links, bridges, wider keys), or a predicate compares what is filed under them, a relation has one
owner for each scope.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from kpolicy.engine.plan import Plan
from kpolicy.engine.rows import Guess, Pending, Row, relations_of
from kpolicy.engine.speculate import Asked
from kpolicy.records import dataclass
from kpolicy.relations.filed import Filed
from kpolicy.relations.index import Filter, RelationIndex
from kpolicy.relations.model import Entry, Key, Relation
from kpolicy.snapshot.resource import ResourceKey
from kpolicy.snapshot.world import Reference, World


class Question(NamedTuple):
    """What is asked about the resource of a row."""

    row: int
    kind: str
    """`any`, `count` or `missing`."""
    relation: int
    """The number in `relations_of(plan)`."""
    reverse: bool
    filter: tuple[str, str] | None
    limit: int
    """The limit of a count, -1 without one."""


class Sent(NamedTuple):
    """What an owner must know of a resource."""

    key: ResourceKey
    scope: str
    bits: frozenset[tuple[str, str]]


class Mail(NamedTuple):
    """What a shard sends to one owner."""

    shard: int
    resources: Mapping[int, Sent]
    """By the number of the row."""
    entries: Mapping[tuple[int, int], Filed]
    """By row and relation, those under keys of this owner."""
    questions: Mapping[int, Question]
    """By the number of the question in the shard."""


Answers = Mapping[int, int]
"""By the number of the question: how many (`count`), else 0 or 1."""


@dataclass(frozen=True, slots=True, eq=False)
class _Ref:
    """A resource as an index needs it; compared by identity, as resources are."""

    key: ResourceKey
    scope: str
    order: tuple[int, int]
    bits: frozenset[tuple[str, str]]
    path: str = ""


def is_keyed(relation: Relation) -> bool:
    """Return whether nothing but equal keys relates: then each key may have another owner."""
    ways = (relation.links, relation.bridges, relation.broader, relation.facts, relation.matches)
    return all(way is None for way in ways)


def _owner(parts: Any, owners: int) -> int:
    # Not hash(): the processes have different seeds.
    return zlib.crc32(repr(parts).encode("utf-8", "surrogatepass")) % owners


def _keys(entry: Entry) -> tuple[Key, ...]:
    """Return the keys by which an entry is surely found."""
    return entry.alternatives[0] if entry.alternatives else (entry.key,)


class Shuffle:
    """A shard's rows, as questions and mail. `owners` = among how many the keys are divided."""

    def __init__(self, plan: Plan, rows: Sequence[Row], owners: int) -> None:
        self._plan = plan
        self._rows = rows
        self._owners = owners
        self._relations = relations_of(plan)
        self._numbers = {id(relation): n for n, relation in enumerate(self._relations)}
        self._keyed = tuple(map(is_keyed, self._relations))
        self._asked = {
            question: number for number, question in enumerate(dict.fromkeys(self._questions()))
        }
        self._filed: dict[tuple[int, int], Filed] = {
            (number, relation): filed
            for number, row in enumerate(rows)
            for relation, filed in row.filed
        }

    def _questions(self) -> Iterator[Question]:
        for number, row in enumerate(self._rows):
            for pending in row.pending:
                for guess in pending.guesses:
                    for asked in guess.asked:
                        yield self._question(number, pending.unit, asked)

    def _question(self, row: int, unit: int, asked: Asked) -> Question:
        relation = self._numbers[id(self._plan.relations[asked.relation].relation)]
        named = (self._plan.units[unit].compiled.id, asked.filter) if asked.filter else None
        if asked.kind == "missing":
            return Question(row, "missing", relation, False, None, -1)
        kind = "count" if asked.kind == "count" else "any"
        return Question(row, kind, relation, asked.reverse, named, asked.limit)

    def mail(self, shard: int) -> list[Mail]:
        """Return what goes to each owner."""
        mails = [Mail(shard, {}, {}, {}) for _ in range(self._owners)]
        for (row, relation), filed in self._filed.items():
            for owner, part in self._divided(relation, self._rows[row].scope, filed).items():
                mails[owner].entries[row, relation] = part  # type: ignore[index]
        for question, number in self._asked.items():
            for owner in self._asked_of(question):
                mails[owner].questions[number] = question  # type: ignore[index]
        for mail in mails:
            for row in {row for row, _ in mail.entries}:
                known = self._rows[row]
                mail.resources[row] = Sent(known.key, known.scope, known.bits)  # type: ignore[index]
        return mails

    def _divided(self, relation: int, scope: str, filed: Filed) -> dict[int, Filed]:
        """Return the entries of a resource by owner."""
        if not self._keyed[relation]:
            return {_owner((relation, scope), self._owners): filed}
        parts: dict[int, tuple[list[Entry], list[Entry]]] = {}
        for side, entries in enumerate((filed.left, filed.right)):
            for entry in entries:
                for key in _keys(entry):
                    owner = _owner((relation, scope, key), self._owners)
                    alone = entry._replace(key=key, alternatives=())
                    parts.setdefault(owner, ([], []))[side].append(alone)
        return {owner: Filed(tuple(left), tuple(right)) for owner, (left, right) in parts.items()}

    def _near(self, question: Question) -> tuple[Entry, ...]:
        """Return the entries by which the resource stands on the side that is asked from."""
        filed = self._filed.get((question.row, question.relation), Filed())
        symmetric = self._relations[question.relation].symmetric
        return filed.right if question.reverse or symmetric else filed.left

    def _asked_of(self, question: Question) -> frozenset[int]:
        """Return the owners of the keys that a question is about."""
        scope, relation = self._rows[question.row].scope, question.relation
        near = self._near(question)
        if not self._keyed[relation]:
            return frozenset((_owner((relation, scope), self._owners),) if near else ())
        keys = [key for entry in near for key in _keys(entry)]
        return frozenset(_owner((relation, scope, key), self._owners) for key in keys)

    def open(self, answers: Iterable[Answers]) -> dict[int, tuple[Pending, ...]]:
        """Return, by row, what the owners' answers leave open: it is evaluated in full."""
        found: dict[int, list[int]] = {}
        for some in answers:
            for number, value in some.items():
                found.setdefault(number, []).append(value)
        left: dict[int, tuple[Pending, ...]] = {}
        for number, row in enumerate(self._rows):
            pending = tuple(
                Pending(p.unit)
                for p in row.pending
                if not any(self._borne_out(number, p.unit, guess, found) for guess in p.guesses)
            )
            if pending:
                left[number] = pending
        return left

    def _borne_out(self, row: int, unit: int, guess: Guess, found: dict[int, list[int]]) -> bool:
        return all(self._holds(self._question(row, unit, a), a, found) for a in guess.asked)

    def _holds(self, question: Question, asked: Asked, found: dict[int, list[int]]) -> bool:
        """Return whether the answers say for sure what was guessed."""
        owners = self._asked_of(question)
        values = found.get(self._asked[question], [])
        if len(values) != len(owners):
            return False
        if question.kind == "count":
            # Two owners may have counted one resource.
            return len(values) < 2 and sum(values) == asked.answer
        if question.kind == "missing" and any(len(_keys(e)) > 1 for e in self._near(question)):
            return not self._keyed[question.relation] and not any(values)
        return any(values) == bool(asked.answer)


def answer(plan: Plan, mails: Iterable[Mail], world: World) -> dict[int, dict[int, int]]:
    """What an owner does: index what it was sent, and answer. Returns the answers by shard."""
    relations = relations_of(plan)
    filed: list[list[tuple[_Ref, Filed]]] = [[] for _ in relations]
    asked: list[tuple[int, int, Question, _Ref]] = []
    answers: dict[int, dict[int, int]] = {}
    for mail in mails:
        refs = {
            row: _Ref(sent.key, sent.scope, (mail.shard, row), sent.bits)
            for row, sent in mail.resources.items()
        }
        for (row, relation), entries in mail.entries.items():
            filed[relation].append((refs[row], entries))
        for number, question in mail.questions.items():
            asked.append((mail.shard, number, question, refs[question.row]))
    indexes = [
        RelationIndex.from_entries(relation, pairs)
        for relation, pairs in zip(relations, filed, strict=True)
    ]
    for shard, number, question, ref in asked:
        value = _answer(indexes[question.relation], question, ref, world)
        answers.setdefault(shard, {})[number] = value
    return answers


def _answer(index: RelationIndex, question: Question, ref: _Ref, world: World) -> int:
    if question.kind == "missing":
        return int(any(_is_missing(e, found, ref, world) for e, found in index.missing(ref)))
    key = question.filter
    chosen = None if key is None else Filter(key, lambda other: key in other.bits)
    if question.kind == "count":
        limit = None if question.limit < 0 else question.limit
        return index.count(ref, chosen, question.reverse, limit)
    return int(index.any(ref, chosen, question.reverse))


def _is_missing(entry: Entry, found: tuple[Any, ...], ref: _Ref, world: World) -> bool:
    """Return whether `missing` would tell of this reference (see `relations.missing`)."""
    assert entry.target is not None
    return bool(found) or world.judge(Reference(*entry.target), ref.scope).state != "outside"
