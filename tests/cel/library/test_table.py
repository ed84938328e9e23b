"""The libraries' declarations as data: complete, unambiguous, and as documented."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from kpolicy import cel
from kpolicy.cel.declarations import Library
from kpolicy.cel.library.table import BEGIN, replaced, table

DOCUMENT = Path(__file__).parents[3] / "docs" / "cel-functions.md"
LIBRARIES = cel.kubernetes_libraries()


def test_the_documented_table_is_the_libraries_own() -> None:
    """docs/cel-functions.md is renewed by `python -m kpolicy.cel.library.table`."""
    document = DOCUMENT.read_text(encoding="utf-8")
    assert document == replaced(document, table(LIBRARIES))


def test_a_document_without_marks_is_refused() -> None:
    """Nothing is written into a document that has no place for the table."""
    with pytest.raises(ValueError, match="begin of the generated table"):
        replaced(f"# Functions\n{BEGIN}\n", "x")


def test_overload_ids_are_unique() -> None:
    """Two overloads with one id would shadow each other."""
    ids = Counter(o.id for lib in LIBRARIES for f in lib.functions for o in f.overloads)
    assert [identifier for identifier, count in ids.items() if count > 1] == []


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.name)
def test_a_library_says_what_it_is(library: Library) -> None:
    """Each library has a source and each function a sentence for the table."""
    assert library.doc.endswith(".") and library.source
    assert [f.name for f in library.functions if not f.doc] == []


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.name)
def test_what_grows_with_its_input_is_charged(library: Library) -> None:
    """A function that takes a text or a list and is not constant names its cost."""
    free = {
        o.id
        for f in library.functions
        for o in f.overloads
        if o.cost is None and o.parameters and o.parameters[0].name in ("string", "list", "bytes")
    }
    assert free <= {"string_char_at_int", "list_first", "list_last", "format-named"}
