"""The layered map against a plain dict, over random changes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kpolicy.snapshot.filing import Filing
from kpolicy.snapshot.layered import Layered

KEYS = st.integers(0, 12)
CHANGES = st.lists(
    st.tuples(st.sets(KEYS, max_size=3), st.dictionaries(KEYS, st.integers(), max_size=3)),
    max_size=8,
)


@given(st.dictionaries(KEYS, st.integers()), CHANGES)
def test_a_layered_map_is_a_dict(
    start: dict[int, int], changes: list[tuple[set[int], dict[int, int]]]
) -> None:
    """Every read answers as a dict that went through the same changes; earlier maps stay."""
    plain, layered = dict(start), Layered(dict(start))
    history = [(dict(plain), layered)]
    for removed, updated in changes:
        for key in removed:
            plain.pop(key, None)
        plain.update(updated)
        layered = layered.changed(removed, updated)
        history.append((dict(plain), layered))
    for expected, found in history:
        assert {k: found.get(k) for k in found} == expected
        assert len(found) == len(expected)
        for key in range(13):
            assert (key in found) == (key in expected)
            assert found.get(key, "none") == expected.get(key, "none")


def test_many_changes_are_laid_down() -> None:
    """A map that was changed throughout reads from one dict again."""
    found = Layered(dict.fromkeys(range(100), 0))
    for key in range(1000):
        found = found.changed([], {key: 1})
    assert len(found._changes) <= 256 + len(found._base) // 4
    assert {found.get(k) for k in range(1000)} == {1}
    for key in range(1000):
        found = found.changed([key], {})
    assert len(found) == 0
    assert list(found) == []


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9)), max_size=8),
    st.lists(st.tuples(st.booleans(), st.sampled_from("abc"), st.integers(0, 9)), max_size=8),
)
def test_a_filing_keeps_its_order(
    start: list[tuple[str, int]], changes: list[tuple[bool, str, int]]
) -> None:
    """Buckets stay sorted and lose exactly the objects that are taken out."""

    class Item:
        def __init__(self, number: int) -> None:
            self.number = number

    items = sorted(((k, Item(n)) for k, n in start), key=lambda pair: pair[1].number)
    filing: Filing[str, Item] = Filing.of(items, lambda i: i.number)
    for add, key, number in changes:
        if add:
            new = (key, Item(number))
            items.append(new)
            filing = filing.changed([], [new])
        elif items:
            old = items.pop(number % len(items))
            filing = filing.changed([old], [])
    for key in "abc":
        expected = [i for k, i in items if k == key]
        found = filing.get(key)
        assert sorted(map(id, found)) == sorted(map(id, expected))
        assert [i.number for i in found] == sorted(i.number for i in expected)
        assert (key in filing) == bool(expected)
    assert len(filing) == len(list(filing)) == len({k for k, _ in items})
