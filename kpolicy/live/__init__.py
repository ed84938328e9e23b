"""Resources of a running cluster as a scan's input (extra `kpolicy[live]`). See docs/live.md."""

from __future__ import annotations

from kpolicy.live.cluster import Cluster, ClusterError, connect
from kpolicy.live.reading import LiveInput, Owner, read
from kpolicy.live.source import TARGET, LiveSource

__all__ = [
    "TARGET", "Cluster", "ClusterError", "LiveInput", "LiveSource", "Owner", "connect", "read",
]  # fmt: skip
