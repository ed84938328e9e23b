"""What was measured, as data: `results.json`. RESULTS.md and the plots are made from it alone."""

from __future__ import annotations

import json
import os
import platform
import re
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
DATA = HERE / "results.json"
RESULTS = HERE / "RESULTS.md"


def read(path: Path = DATA) -> dict[str, Any]:
    """Return what was measured so far; {} where nothing was."""
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def measured(part: str, path: Path = DATA) -> dict[str, Any]:
    """Return what was measured; ends the program with a message where `part` was not."""
    data = read(path)
    if not data.get(part):
        raise SystemExit(f"{path}: no figures of {part} yet; run {part}.py without --render first")
    return data


def begin(part: str, anew: bool, path: Path = DATA) -> dict[str, Any]:
    """Return what there is to go on from; figures of another machine are none of it."""
    data = read(path)
    if data.get("machine") != machine():
        data = {"machine": machine()}
    if anew:
        data.pop(part, None)
    return data


def save(data: dict[str, Any], path: Path = DATA) -> None:
    """Write what was measured, whole or not at all: a run that is stopped can go on."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(data, indent=1, sort_keys=True) + "\n")
    fresh.replace(path)


def machine() -> str:
    """Return what the figures were measured on."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        match = re.search(r"model name\s*:\s*(.+)", info.read_text())
        model = match[1] if match else model
    return f"{os.cpu_count()} cores ({model}), Python {platform.python_version()}"


def with_section(text: str, name: str, section: str) -> str:
    """Return RESULTS.md's text with a section in the place of the old one, or at the end."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    block = f"{begin}\n{section.strip()}\n{end}\n"
    if begin in text:
        start, stop = text.index(begin), text.index(end) + len(end) + 1
        return text[:start] + block + text[stop:]
    return f"{text.rstrip()}\n\n{block}"


def write_section(name: str, section: str) -> None:
    """Put a section into RESULTS.md, leaving the rest of the file as it is."""
    text = RESULTS.read_text() if RESULTS.exists() else "# Results\n"
    RESULTS.write_text(with_section(text, name, section))
