"""How many processes a scan is worth, and may use."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path

from kpolicy.manifests.model import ManifestFile

#: Below this many bytes a process costs more than it saves.
_WORTH_A_PROCESS = 600_000


def cores_available() -> int:
    """Return how many cores this process may use: its affinity and its control group's quota."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, min(cores, _quota() or cores))


def _quota() -> int:
    """Return the control group's CPU quota in whole cores, rounded up; 0 without one."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()[:2]
        return 0 if quota == "max" else math.ceil(int(quota) / int(period))
    except (OSError, ValueError):
        pass
    try:
        base = Path("/sys/fs/cgroup/cpu")
        micros = int((base / "cpu.cfs_quota_us").read_text())
        period_us = int((base / "cpu.cfs_period_us").read_text())
        return math.ceil(micros / period_us) if micros > 0 else 0
    except (OSError, ValueError, ZeroDivisionError):
        return 0


def jobs_for(files: Sequence[ManifestFile], jobs: int) -> int:
    """Return how many processes are worth it. `jobs` 0 = as many as there are cores."""
    if jobs == 1:
        return 1
    worth = sum(file.size for file in files) // _WORTH_A_PROCESS
    if worth <= 1:
        return 1
    wanted = jobs if jobs > 0 else cores_available()
    return max(1, min(wanted, worth, len(files)))
