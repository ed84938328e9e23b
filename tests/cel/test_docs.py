"""docs/cel.md lists the standard functions and macros, as the declarations have them."""

from __future__ import annotations

import os
from pathlib import Path

from kpolicy.cel.checker_errors import call_shape
from kpolicy.cel.declarations import Overload
from kpolicy.cel.macros import standard_macros
from kpolicy.cel.standard import standard_functions

PAGE = Path(__file__).parents[2] / "docs" / "cel.md"
BEGIN, END = "<!-- standard functions: made by tests/cel/test_docs.py -->\n", "<!-- end -->\n"


def _shape(name: str, overload: Overload) -> str:
    text = f"{call_shape(name, overload)}` → `{overload.result}"
    for short in ("Timestamp", "Duration"):
        text = text.replace(f"google.protobuf.{short}", short.lower())
    return f"`{text.replace('|', chr(92) + '|')}`"


def reference() -> str:
    """Return the table of standard functions in Markdown."""
    macros = sorted({macro.name for macro in standard_macros()})
    lines = [f"Macros: {', '.join(f'`{name}`' for name in macros)}.", "", "| Calls |", "|---|"]
    for name, function in standard_functions().items():
        shapes = dict.fromkeys(_shape(name, overload) for overload in function.overloads)
        lines.append(f"| {', '.join(shapes)} |")
    return "\n".join(lines) + "\n"


def test_page_lists_the_standard_functions() -> None:
    """The table on the page is the one that the declarations give."""
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    listed, _, after = rest.partition(END)
    if os.environ.get("KPOLICY_UPDATE_GOLDEN"):
        PAGE.write_text(before + BEGIN + reference() + END + after)
        return
    assert listed == reference(), "stale: run this test with KPOLICY_UPDATE_GOLDEN=1"
