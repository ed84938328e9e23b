"""Kubernetes objects as YAML that people read: long expressions folded, no quoting to unpick."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from kpolicy.strict.node import plain_value

#: A longer text stands in a block of its own.
_LONG = 72


class _Dumper(yaml.SafeDumper):
    """Writes texts in blocks, and lists indented below their key."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:
        return super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else ">" if len(value) > _LONG else None
    if not value.replace("\n", "").isprintable():
        style = '"'
    if style is None and not isinstance(plain_value(value), str):
        style = "'"  # Kubernetes reads `y` and `1e3` as no text, whatever other readers do.
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def as_yaml(documents: Iterable[Mapping[str, Any]]) -> str:
    """Return the documents as one YAML stream."""
    return yaml.dump_all(
        documents,
        Dumper=_Dumper,
        sort_keys=False,
        width=100,
        allow_unicode=True,
        explicit_start=False,
    )
