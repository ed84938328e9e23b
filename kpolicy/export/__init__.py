"""kpolicy's policies in the form in which an API server takes them."""

from kpolicy.export.model import Exported, Options, Refusal

__all__ = ["Exported", "Options", "Refusal"]
