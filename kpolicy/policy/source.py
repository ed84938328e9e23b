"""What policy formats read: the strict reader's nodes, under the name that formats know."""

from kpolicy.strict.node import SourceNode, SourceText, compose
from kpolicy.strict.reader import Reader

__all__ = ["Reader", "SourceNode", "SourceText", "compose"]
