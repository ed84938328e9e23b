"""What Kyverno's policies say of themselves in annotations, and what they do when they fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kpolicy.policy.source import SourceNode

PREFIX = "policies.kyverno.io/"


def annotations_of(document: SourceNode) -> dict[str, str]:
    """Return the annotations of a document that are texts."""
    metadata = document.get("metadata")
    node = metadata.get("annotations") if metadata is not None else None
    value = node.value if node is not None and node.kind == "mapping" else {}
    return {str(k): v for k, v in value.items() if isinstance(v, str)}


def described(annotations: dict[str, str]) -> dict[str, Any]:
    """Return title, description and category as a `Policy` has them."""
    return {
        "title": " ".join(annotations.get(f"{PREFIX}title", "").split()),
        "description": annotations.get(f"{PREFIX}description", "").strip(),
        "category": annotations.get(f"{PREFIX}category", "").strip() or "admission",
    }
