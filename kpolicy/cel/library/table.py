"""The table of all functions and macros, written from the libraries' own data.

`docs/cel-functions.md` holds it between two marks; a test compares. To renew it:
`python -m kpolicy.cel.library.table docs/cel-functions.md`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from kpolicy.cel.declarations import Function, Library, Overload
from kpolicy.cel.types import Type

BEGIN = "<!-- begin of the generated table -->"
END = "<!-- end of the generated table -->"

_SHORT = {"google.protobuf.Timestamp": "timestamp", "google.protobuf.Duration": "duration"}


def table(libraries: Iterable[Library]) -> str:
    """Return the Markdown of all libraries: a heading each, and a row for each function."""
    return "\n".join(line for library in libraries for line in _section(library))


def _section(library: Library) -> Iterator[str]:
    functions = [f for f in library.functions if "@" not in f.name]
    if not functions and not library.macros:
        return
    yield f"### {library.name}"
    yield ""
    yield f"{library.doc} Source: {library.source}."
    if library.macros:
        names = dict.fromkeys(f"`{macro.name}`" for macro in library.macros)
        yield ""
        yield f"Macros: {', '.join(names)}."
    if functions:
        yield ""
        yield "| function | signatures | what it gives |"
        yield "| --- | --- | --- |"
    for function in sorted(functions, key=lambda f: f.name.lower()):
        yield f"| `{function.name}` | {_signatures(function)} | {_cell(function.doc)} |"
    yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _signatures(function: Function) -> str:
    """Return the signatures, those that differ in one type of element told in one."""
    lines = dict.fromkeys(_signature(function.name, overload) for overload in function.overloads)
    shown = list(lines)
    if len(shown) > 4:
        shown = [shown[0], f"… for {len(shown)} types"]
    return "<br>".join(f"`{line}`" if "…" not in line else line for line in shown)


def _signature(name: str, overload: Overload) -> str:
    types = [_type(parameter) for parameter in overload.parameters]
    if overload.member:
        return f"{types[0]}.{name}({', '.join(types[1:])}) → {_type(overload.result)}"
    return f"{name}({', '.join(types)}) → {_type(overload.result)}"


def _type(of: Type) -> str:
    name = _SHORT.get(of.name, of.name.rpartition(".")[2] or of.name)
    name = "optional" if name == "optional_type" else name
    if not of.parameters:
        return name
    return f"{name}({', '.join(map(_type, of.parameters))})"


def replaced(document: str, content: str) -> str:
    """Return `document` with `content` between its two marks; raise ValueError without them."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"expected the marks {BEGIN!r} and {END!r} in the document")
    return f"{before}{BEGIN}\n\n{content}\n{END}{after}"


def main(path: Path) -> None:
    """Write the table of all built-in libraries into the document at `path`."""
    from kpolicy.cel.library import kubernetes_libraries

    document = path.read_text(encoding="utf-8")
    path.write_text(replaced(document, table(kubernetes_libraries())), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
