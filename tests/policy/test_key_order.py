"""`sorted-keys` on a List: kube-linter's counts, within bounds."""

from __future__ import annotations

import pytest

from kpolicy.manifests import load
from kpolicy.manifests.model import Limits, ManifestFile
from kpolicy.policy import key_order
from kpolicy.policy.key_order import SORTED_KEYS
from kpolicy.snapshot.kinds import Kinds
from kpolicy.snapshot.resource import resource_from

ITEM = "  - {kind: ConfigMap, apiVersion: v1, metadata: {name: c%d}}\n"


def counts(items: int) -> list[int]:
    """Return how many findings each item of a List has; the List itself is in order."""
    text = "apiVersion: v1\nitems:\n" + "".join(ITEM % n for n in range(items)) + "kind: List\n"
    loaded = load(ManifestFile("list.yaml", data=text.encode()), Limits())
    kinds = Kinds.of()
    check = SORTED_KEYS.check
    assert check is not None
    return [
        len(list(check(resource_from(document, kinds), None, {"recursive": True})))  # type: ignore[arg-type]
        for document in loaded.documents
    ]


def test_each_item_is_told_of_every_mapping_of_the_list() -> None:
    assert counts(5) == [5] * 5


def test_a_list_with_too_many_to_repeat_is_counted_item_by_item(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The findings would otherwise grow with the square of the List's length."""
    monkeypatch.setattr(key_order, "MAX_LISTED", 24)
    assert counts(4) == [4] * 4
    assert counts(5) == [1] * 5
