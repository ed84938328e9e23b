"""Reading a document field by field: each wrong one is noted, none stops the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from kpolicy.errors import Problem
from kpolicy.location import SourceLocation
from kpolicy.strict.node import SourceNode, SourceText
from kpolicy.strict.suggest import did_you_mean

_NAMES = {
    "mapping": "a mapping",
    "sequence": "a list",
    "scalar": "a single value",
}


_BOOLEANS = frozenset({"true", "True", "TRUE", "false", "False", "FALSE"})


def describe(node: SourceNode) -> str:
    """Return what a node is, in words: `the number 3`, `a list`."""
    if node.kind != "scalar":
        return _NAMES[node.kind]
    value = node.value
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"the boolean {'true' if value else 'false'}"
    if isinstance(value, (int, float)):
        return f"the number {node.text}"
    shown = value if len(value) <= 40 else value[:37] + "..."
    return f'the string "{shown}"'


class Reader:
    """Collects what is wrong while a document is read."""

    def __init__(self, source: SourceText) -> None:
        self.source = source
        self.problems: list[Problem] = []

    def problem(self, message: str, at: SourceLocation, hint: str = "") -> None:
        """Note a problem with an excerpt of its line."""
        parts = [part for part in (hint, self.source.excerpt(at).strip("\n")) if part]
        # Problem indents the hint's first line only; the caret must stay below its column.
        self.problems.append(Problem(message, at, "\n  ".join("\n".join(parts).split("\n"))))

    def fields(
        self, node: SourceNode, what: str, known: Iterable[str], required: Sequence[str] = ()
    ) -> dict[str, SourceNode]:
        """Return the known entries of a mapping; note unknown, duplicate and missing keys."""
        if node.kind != "mapping":
            self.problem(f"{what} must be a mapping, not {describe(node)}", node.location)
            return {}
        names = list(known)
        found: dict[str, SourceNode] = {}
        seen: set[str] = set()
        for key, at, child in node.items():
            name = self.known_as(key, names)
            if name is None:
                self.unknown(key, at, what, names)
            elif key in seen:
                self.problem(f'key "{key}" stands twice in {what}', at, "remove one of the two")
            elif child.is_plain and child.value is None and not child.tag.startswith("!"):
                if name in required:
                    self.problem(f'"{key}" of {what} has no value', at)
                    found[name] = child
            else:
                seen.add(key)
                found[name] = child
        for key in required:
            if key not in found:
                self.problem(f'{what} lacks "{key}"', node.location)
        return found

    def known_as(self, key: str, names: Sequence[str]) -> str | None:
        """Return which of the known names a key stands for, None for a key that is unknown."""
        return key if key in names else None

    def unknown(self, key: str, at: SourceLocation, what: str, names: Sequence[str]) -> None:
        """Note an unknown key."""
        hint = did_you_mean(key, names) or f"known keys: {', '.join(names)}"
        self.problem(f'unknown key "{key}" in {what}', at, hint)

    def entries(self, node: SourceNode | None, what: str) -> list[tuple[str, SourceNode]]:
        """Return the entries of a mapping with free keys; note duplicates."""
        if node is None:
            return []
        if node.kind != "mapping":
            self.problem(f"{what} must be a mapping, not {describe(node)}", node.location)
            return []
        found: dict[str, SourceNode] = {}
        for key, at, child in node.items():
            if key in found:
                self.problem(f'key "{key}" stands twice in {what}', at, "remove one of the two")
            found[key] = child
        return list(found.items())

    def string(self, node: SourceNode | None, what: str, default: str = "") -> str:
        """Return a string; a plain scalar that means something else is refused."""
        if node is None:
            return default
        if node.kind == "scalar":
            if node.is_plain and node.tag.startswith("!"):
                self.problem(
                    f"{what} begins with a YAML tag", node.location, "put the text in quotes"
                )
                return default
            value = node.value
            if isinstance(value, str):
                return value
            if isinstance(value, bool) and node.text not in _BOOLEANS:
                # `n` and `on` are booleans to YAML 1.1 alone; here only a name can be meant.
                return node.text
            hint = "put it in quotes" if value is not None else ""
            self.problem(f"{what} must be a string, not {describe(node)}", node.location, hint)
            return default
        self.problem(f"{what} must be a string, not {describe(node)}", node.location)
        return default

    def boolean(self, node: SourceNode | None, what: str, default: bool = False) -> bool:
        """Return a boolean."""
        if node is None:
            return default
        value = node.value if node.kind == "scalar" else None
        if isinstance(value, bool):
            return value
        self.problem(f"{what} must be true or false, not {describe(node)}", node.location)
        return default

    def choice(
        self, node: SourceNode | None, what: str, options: Sequence[str], default: str
    ) -> str:
        """Return one of `options`."""
        if node is None:
            return default
        value = node.value if node.kind == "scalar" else None
        if value in options and isinstance(value, str):
            return value
        text = str(value) if isinstance(value, str) else ""
        hint = did_you_mean(text, options) if text else ""
        wanted = ", ".join(options[:-1]) + f" or {options[-1]}" if len(options) > 1 else options[0]
        self.problem(f"{what} must be {wanted}, not {describe(node)}", node.location, hint)
        return default

    def strings(self, node: SourceNode | None, what: str) -> tuple[str, ...]:
        """Return a list of strings."""
        return tuple(text for text, _ in self.located_strings(node, what))

    def located_strings(
        self, node: SourceNode | None, what: str
    ) -> list[tuple[str, SourceLocation]]:
        """Return a list of strings with their places."""
        if node is None:
            return []
        if node.kind != "sequence":
            hint = f"write [{node.text}]" if node.kind == "scalar" and node.text else ""
            self.problem(
                f"{what} must be a list of strings, not {describe(node)}", node.location, hint
            )
            return []
        found = []
        for number, element in enumerate(node.elements()):
            before = len(self.problems)
            text = self.string(element, f"{what}[{number}]")
            if len(self.problems) == before:
                found.append((text, element.location))
        return found

    def sequence(self, node: SourceNode | None, what: str) -> list[SourceNode]:
        """Return the elements of a list."""
        if node is None:
            return []
        if node.kind != "sequence":
            self.problem(f"{what} must be a list, not {describe(node)}", node.location)
            return []
        return node.elements()

    def value(self, node: SourceNode | None) -> Any:
        """Return a value of any JSON type."""
        return None if node is None else node.value
