"""Functions of templates: Go's own, Sprig's that names are made with, and Argo CD's.

Arguments stand in Sprig's order: what is piped comes last. See https://masterminds.github.io/sprig.
"""

from __future__ import annotations

import base64
import hashlib
import json
import posixpath
import re
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["FUNCTIONS", "Missing", "TemplateError", "is_true", "normalize", "shown"]

#: Characters that a function may make of its arguments: none makes more than people write.
_LONGEST = 100_000


class TemplateError(Exception):
    """A template cannot be carried out here; the message says why."""


class Missing:
    """What a key gives that is not there."""


def shown(value: Any) -> str:
    """Return a value as a template prints it."""
    if isinstance(value, Missing):
        return "<no value>"
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return f"map[{' '.join(f'{k}:{shown(v)}' for k, v in sorted(value.items()))}]"
    if isinstance(value, (list, tuple)):
        return f"[{' '.join(map(shown, value))}]"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def is_true(value: Any) -> bool:
    """Return whether a value counts as true: it is neither zero, empty nor missing."""
    return bool(value) and not isinstance(value, Missing)


def normalize(value: Any) -> str:
    """Return a name that Kubernetes takes: Argo CD's `normalize`."""
    text = re.sub(r"[^-a-z0-9.]", "-", shown(value).lower())[:253]
    return text.strip("-.")


def _slugify(*arguments: Any) -> str:
    size = next((a for a in arguments[:-1] if isinstance(a, int) and not isinstance(a, bool)), 50)
    smart = next((a for a in arguments[:-1] if isinstance(a, bool)), True)
    text = re.sub(r"[^a-z0-9]+", "-", shown(arguments[-1]).lower()).strip("-")
    if len(text) > size:
        cut = text[:size]
        if smart and text[size] != "-" and "-" in cut:
            cut = cut.rpartition("-")[0]
        text = cut.strip("-")
    return text


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(value, Mapping):
            value = value.get(key, Missing())
        elif isinstance(value, (list, tuple)) and isinstance(key, int) and 0 <= key < len(value):
            value = value[key]
        else:
            raise TemplateError(f"index {shown(key)} is out of range")
    return value


def _dig(*arguments: Any) -> Any:
    *keys, default, value = arguments
    for key in keys:
        if not isinstance(value, Mapping) or key not in value:
            return default
        value = value[key]
    return value


def _printf(form: str, *arguments: Any) -> str:
    ahead = list(arguments)

    def one(match: re.Match[str]) -> str:
        if match[0] == "%%":
            return "%"
        if not ahead:
            raise TemplateError("printf has too few arguments")
        value = ahead.pop(0)
        if match[2] == "q":
            return json.dumps(shown(value), ensure_ascii=False)
        if match[2] == "d":
            return f"{int(value):{match[1]}d}"
        return shown(value)

    return re.sub(r"%(0?\d{0,3})([svdq])|%%", one, form)


def _equal(first: Any, *others: Any) -> bool:
    return any(first == other and type(first) is type(other) for other in others)


def _and(*arguments: Any) -> Any:
    return next((a for a in arguments if not is_true(a)), arguments[-1])


def _or(*arguments: Any) -> Any:
    return next((a for a in arguments if is_true(a)), arguments[-1])


def _default(default: Any, value: Any = None) -> Any:
    return value if is_true(value) else default


def _coalesce(*arguments: Any) -> Any:
    return next((a for a in arguments if is_true(a)), None)


def _length(value: Any) -> int:
    return len(value.encode()) if isinstance(value, str) else len(value)


def _yaml(value: Any) -> str:
    import yaml

    text: str = yaml.safe_dump(_plain(value), sort_keys=True, default_flow_style=False)
    return text.removesuffix("...\n").rstrip("\n")


def _json(value: Any) -> str:
    return json.dumps(_plain(value), separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Missing):
        return None
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, (list, tuple)) else value


def _replace(old: str, new: str, text: Any) -> str:
    made = shown(text)
    if old == "" or len(made) + made.count(old) * len(new) > _LONGEST:
        raise TemplateError("replace makes too long a text")
    return made.replace(old, new)


def _has_key(value: Any, key: str) -> bool:
    return isinstance(value, Mapping) and key in value


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "index": _index,
    "eq": _equal,
    "ne": lambda a, b: not _equal(a, b),
    "not": lambda a: not is_true(a),
    "and": _and,
    "or": _or,
    "lt": lambda a, b: a < b,
    "gt": lambda a, b: a > b,
    "len": _length,
    "print": lambda *a: "".join(map(shown, a)),
    "printf": _printf,
    "default": _default,
    "coalesce": _coalesce,
    "empty": lambda a: not is_true(a),
    "ternary": lambda yes, no, a: yes if is_true(a) else no,
    "required": lambda why, a: a if is_true(a) else _index((), why),
    "dig": _dig,
    "get": lambda a, key: a.get(key, ""),
    "hasKey": _has_key,
    "lower": lambda a: shown(a).lower(),
    "upper": lambda a: shown(a).upper(),
    "title": lambda a: shown(a).title(),
    "trim": lambda a: shown(a).strip(),
    "trimAll": lambda cut, a: shown(a).strip(cut),
    "trimPrefix": lambda cut, a: shown(a).removeprefix(cut),
    "trimSuffix": lambda cut, a: shown(a).removesuffix(cut),
    "trunc": lambda size, a: shown(a)[:size] if size >= 0 else shown(a)[size:],
    "nospace": lambda a: re.sub(r"\s", "", shown(a)),
    "replace": _replace,
    "contains": lambda part, a: part in shown(a),
    "hasPrefix": lambda part, a: shown(a).startswith(part),
    "hasSuffix": lambda part, a: shown(a).endswith(part),
    "quote": lambda *a: " ".join(json.dumps(shown(v), ensure_ascii=False) for v in a),
    "squote": lambda *a: " ".join(f"'{shown(v)}'" for v in a),
    "cat": lambda *a: " ".join(shown(v) for v in a),
    "toString": shown,
    "int": lambda a: int(float(shown(a) or 0)),
    "add": lambda *a: sum(map(int, a)),
    "sub": lambda a, b: int(a) - int(b),
    "base": lambda a: posixpath.basename(shown(a)),
    "dir": lambda a: posixpath.dirname(shown(a)) or ".",
    "ext": lambda a: posixpath.splitext(shown(a))[1],
    "splitList": lambda by, a: shown(a).split(by),
    "join": lambda by, a: by.join(map(shown, a)),
    "first": lambda a: a[0],
    "last": lambda a: a[-1],
    "rest": lambda a: a[1:],
    "initial": lambda a: a[:-1],
    "list": lambda *a: list(a),
    "dict": lambda *a: dict(zip(a[::2], a[1::2], strict=True)),
    "has": lambda item, a: item in a,
    "b64enc": lambda a: base64.b64encode(shown(a).encode()).decode(),
    "sha256sum": lambda a: hashlib.sha256(shown(a).encode()).hexdigest(),
    "toJson": _json,
    "toYaml": _yaml,
    "mustToJson": _json,
    "normalize": normalize,
    "slugify": _slugify,
}
