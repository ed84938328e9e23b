"""The nearest known word to one that is not known."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the word of `known` that `word` most probably means, or ""."""
    from difflib import get_close_matches

    candidates = sorted(set(known))
    folded = word.lower().replace("_", "").replace("-", "")
    for candidate in candidates:
        if candidate.lower().replace("_", "").replace("-", "") == folded:
            return candidate
    close = get_close_matches(word, candidates, n=1, cutoff=0.6)
    return close[0] if close else ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `did you mean "x"?`, or "" where nothing is near."""
    found = nearest(word, known)
    return f'did you mean "{found}"?' if found else ""
