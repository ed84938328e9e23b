"""What an export is asked for, and what it gives: documents, or the reason why there are none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from kpolicy.location import SourceLocation
from kpolicy.records import dataclass

#: The first release whose API servers have ValidatingAdmissionPolicy v1.
OLDEST = (1, 30)


class Refusal(Exception):
    """A policy that no ValidatingAdmissionPolicy can stand for, and why."""

    def __init__(self, reason: str, location: SourceLocation | None = None, hint: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.location = location
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Options:
    """How to export.

    - `release`: (major, minor) of the API servers that shall accept the expressions.
    - `params`: `literal` writes the parameters' values into the policy, `configmap` reads them from
      a ConfigMap that is exported too.
    - `namespace`: where that ConfigMap lives.
    - `actions`: the Binding's validationActions; () = by the policy's severity.
    """

    release: tuple[int, int] = OLDEST
    params: Literal["literal", "configmap"] = "literal"
    namespace: str = "default"
    actions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Exported:
    """One policy as Kubernetes objects: the policy, perhaps a ConfigMap, the Binding."""

    id: str
    documents: tuple[Mapping[str, Any], ...]
    cost: int
    """The static estimate of the dearest expression, in the units of the API server's limit."""
