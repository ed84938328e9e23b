"""Globs as controllers match paths: Go's path.Match, and `**` for any number of directories."""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["matches"]


def matches(glob: str, path: str, *, stars: bool = False, crossing: bool = False) -> bool:
    """Return whether a glob matches a whole path.

    `*` and `?` stay in one directory, unless `crossing` (git's pathspecs). With `stars`, `**` goes
    through directories. `{a,b}` is either; a leading slash does not count.
    """
    return _compiled(glob, stars, crossing).fullmatch(path) is not None


@lru_cache(maxsize=128)
def _compiled(glob: str, stars: bool, crossing: bool) -> re.Pattern[str]:
    text = glob.strip().removeprefix("./").strip("/")
    one = "." if crossing else "[^/]"
    out: list[str] = []
    depth = at = 0
    while at < len(text):
        char = text[at]
        if stars and text.startswith("**/", at):
            out.append("(?:[^/]+/)*")
            at += 2
        elif stars and text.startswith("**", at):
            out.append(".*")
            at += 1
        elif char == "*":
            if out[-1:] != [f"{one}*"]:
                out.append(f"{one}*")
        elif char == "?":
            out.append(one)
        elif char == "[" and text.find("]", at + 2) > 0:
            end = text.find("]", at + 2)
            inner = text[at + 1 : end]
            negated = inner[0] in "^!"
            inner = re.sub(r"([\\\[&~|^])", r"\\\1", inner[1:] if negated else inner)
            out.append(f"[^/{inner}]" if negated else f"[{inner}]")
            at = end
        elif char == "{" and "}" in text[at:]:
            depth += 1
            out.append("(?:")
        elif char == "}" and depth:
            depth -= 1
            out.append(")")
        elif char == "," and depth:
            out.append("|")
        elif char == "\\" and at + 1 < len(text):
            at += 1
            out.append(re.escape(text[at]))
        else:
            out.append(re.escape(char))
        at += 1
    try:
        return re.compile("".join(out), re.DOTALL)
    except re.error:
        return re.compile(re.escape(text))
