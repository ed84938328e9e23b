"""Which known name a mistyped one was meant to be.

Stricter than `kpolicy.strict.suggest`: what is close here is taken for a mistake, not only offered,
when a field of a schema is missing (`kpolicy.policy.schema_check`).
"""

from __future__ import annotations

from collections.abc import Iterable


def closest(name: str, candidates: Iterable[str]) -> str:
    """Return the candidate most like `name`, or '' if none is close enough to be meant.

    A name that differs in case or by separators only is always close; otherwise about one slip (a
    letter missing, added, wrong, or two swapped) in three letters is forgiven. Ties go to the first
    in order.
    """
    best, best_distance = "", _allowed(name) + 1
    folded = _folded(name)
    for candidate in sorted(set(candidates)):
        if candidate == name or candidate.startswith("@"):
            continue
        if _folded(candidate) == folded:
            return candidate
        if abs(len(candidate) - len(name)) >= best_distance:
            continue
        distance = _distance(name, candidate)
        if distance < best_distance:
            best, best_distance = candidate, distance
    return best


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """Return the hint "did you mean ...?", or '' if nothing is close."""
    found = closest(name, candidates)
    return f"did you mean `{found}`?" if found else ""


def _allowed(name: str) -> int:
    return max(1, len(name) // 3) if len(name) > 1 else 0


def _folded(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def _distance(left: str, right: str) -> int:
    """Return the number of edits between two names; swapping neighbours counts as one."""
    before: list[int] = []
    previous = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        current = [i]
        for j, b in enumerate(right, 1):
            cost = min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            current.append(cost)
        before, previous = previous, current
    return previous[-1]
