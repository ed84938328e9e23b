"""What would mend a finding: a validation's fix, evaluated for the item that broke it."""

from __future__ import annotations

from typing import Any, Literal, cast

from kpolicy.cel.errors import CelError
from kpolicy.engine.places import pointer_to
from kpolicy.fixes.patch import PatchError, settle
from kpolicy.frozen import thaw
from kpolicy.policy.compiled import CompiledValidation
from kpolicy.policy.model import Edit


def edits_of(
    validation: CompiledValidation,
    body: Any,
    anchor: str | None,
    bindings: dict[str, Any],
    context: Any,
) -> tuple[Edit, ...]:
    """Return the edits of `body` that mend a finding; () where the fix does not fit it.

    Paths start at the pointer `anchor`; None = only those from the object can be followed.
    """
    edits: list[Edit] = []
    try:
        for step in validation.fix:
            if step.when is not None and step.when.evaluate(bindings, context) is not True:
                continue
            value = None
            if step.value is not None:
                value = _plain(thaw(step.value.evaluate(bindings, context)))
            start = anchor
            if step.base is not None:
                part = step.base.evaluate(bindings, context)
                start = pointer_to(body, part) if isinstance(part, (dict, list)) else None
            path = _absolute(step.path, start)
            source = _absolute(step.source, start) if step.op == "move" else ""
            op = cast(Literal["add", "replace", "remove", "move"], step.op)
            edits.append(Edit(op, path, value, source))
        return settle(body, edits)
    except (CelError, PatchError):
        return ()


def _absolute(path: str, anchor: str | None) -> str:
    if path == "object" or path.startswith("object/"):
        return path[len("object") :]
    if anchor is None:
        raise PatchError("the finding's item is no part of the object")
    return anchor + path


def _plain(value: Any) -> Any:
    """Return a CEL value as JSON. Raises `PatchError` for one that JSON does not have."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise PatchError("a key is no string")
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    for kind in (str, int, float):
        if isinstance(value, kind):
            return kind(value)
    raise PatchError(f"{type(value).__name__} is no JSON")
