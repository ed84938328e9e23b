"""kube-linter's output: its JSON shape and its plain text.

Source: kube-linter's documented output and what the program prints.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

#: The name of the check under which an object that cannot be loaded is reported.
FAILED_TO_LOAD = "failed-to-load-object"
LOAD_REMEDIATION = "Make sure that the file can be read and holds a valid Kubernetes object."


@dataclass(frozen=True, slots=True)
class Check:
    """A check as `Checks` lists it."""

    name: str
    description: str
    remediation: str
    template: str
    kinds: tuple[str, ...] | None = ()
    params: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    default: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the check in kube-linter's shape."""
        shape: dict[str, Any] = {
            "name": self.name,
            "description": self.description,
            "remediation": self.remediation,
            "scope": None if self.kinds is None else {"objectKinds": list(self.kinds)},
            "template": self.template,
        }
        if self.params:
            shape["params"] = {k: _plain(v) for k, v in self.params.items()}
        return shape


@dataclass(frozen=True, slots=True)
class Entry:
    """One report: a check and an object."""

    check: str
    message: str
    remediation: str
    path: str
    namespace: str = ""
    name: str = ""
    api_version: str = ""
    kind: str = ""
    line: int = 0
    document: int = 0
    """Number of the YAML document in its file; copies of one object stay apart by it."""

    @property
    def group(self) -> str:
        """The API group, "" for core."""
        return self.api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        """The API version without the group."""
        return self.api_version.rpartition("/")[2]

    def as_json(self) -> dict[str, Any]:
        """Return the report in kube-linter's shape."""
        return {
            "Diagnostic": {"Message": self.message},
            "Check": self.check,
            "Remediation": self.remediation,
            "Object": {
                "Metadata": {"FilePath": self.path},
                "K8sObject": {
                    "Namespace": self.namespace,
                    "Name": self.name,
                    "GroupVersionKind": {
                        "Group": self.group,
                        "Version": self.version,
                        "Kind": self.kind,
                    },
                },
            },
        }


def render_json(
    checks: Iterable[Check], entries: Sequence[Entry], version: str, now: datetime | None = None
) -> str:
    """Return kube-linter's JSON on one line."""
    ended = (now or datetime.now(UTC)).isoformat().replace("+00:00", "Z")
    shape = {
        "Checks": [check.as_json() for check in checks],
        "Reports": [entry.as_json() for entry in entries] or None,
        "Summary": {
            "ChecksStatus": "Failed" if entries else "Passed",
            "CheckEndTime": ended,
            "KubeLinterVersion": version,
        },
    }
    return dumps(shape)


def dumps(shape: Any) -> str:
    """Return JSON on one line, with a line break at its end."""
    return json.dumps(shape, ensure_ascii=False, separators=(",", ":")) + "\n"


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def render_plain(entries: Sequence[Entry], version: str, color: bool = False) -> str:
    """Return kube-linter's plain text: a block for each report."""
    bold, red, yellow = (_style(code, color) for code in ("1", "31", "33"))
    lines = [f"KubeLinter {version}", ""]
    for entry in entries:
        lines += [
            f"{bold(entry.path)}: (object: {bold(_object(entry))}) {red(entry.message)} "
            f"(check: {yellow(entry.check)}, remediation: {yellow(entry.remediation)})",
            "",
        ]
    if not entries:
        lines.append("No lint errors found!")
    return "\n".join(lines) + "\n"


def _object(entry: Entry) -> str:
    where = f"{entry.namespace or '<no namespace>'}/{entry.name}"
    return f"{where} {entry.group}/{entry.version}, Kind={entry.kind}"


def _style(code: str, color: bool) -> Any:
    return (lambda text: f"\x1b[{code}m{text}\x1b[0m") if color else (lambda text: text)
