"""The files of a new plugin package and of a new policy: pure functions from names to texts.

The texts are the files in `templates/`, with `$words` for what differs: `package/` is what every
plugin has, `parts/PART/` what one part adds, `policy/` a policy and its test.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib.resources import files
from string import Template

from kpolicy.errors import Problem, UsageError

#: What a plugin can begin with, and what each part is.
PARTS: Mapping[str, str] = {
    "pack": "policies in YAML with their tests",
    "function": "a CEL function in Python",
    "relation": "a relation between resources",
    "policy": "a policy in Python",
    "labels": "post-processing that labels findings",
    "reporter": "an output format",
    "kind": "a workload kind for a custom resource",
}
#: The type that each part's hook returns.
_RETURNS = {
    "pack": "from kpolicy.policy.packs import PolicyPack",
    "function": "from kpolicy.cel.declarations import Library",
    "relation": "from kpolicy.relations.model import Relation",
    "policy": "from kpolicy.policy.model import Policy",
    "labels": "from kpolicy.findings import Finding",
    "reporter": "from kpolicy.reporters.model import Reporter",
    "kind": "from kpolicy.snapshot.kinds import WorkloadKind",
}
#: The file of its own that a part adds; a pack adds two.
_MODULES = {
    "function": "functions.py",
    "relation": "relations.py",
    "policy": "checks.py",
    "labels": "labels.py",
    "reporter": "reporter.py",
    "kind": "kinds.py",
}
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\Z")
_POLICY = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?\Z")


def plugin_files(name: str, parts: tuple[str, ...]) -> dict[str, str]:
    """Return path -> text of the package `kpolicy-NAME`. Raises `UsageError` for a bad name."""
    if not _NAME.match(name):
        hint = "lower-case letters, digits and hyphens, as in acme or acme-payments"
        raise UsageError(Problem(f'"{name}" cannot be the name of a plugin', None, hint))
    if name == "kpolicy" or name.startswith("kpolicy-"):
        hint = f"the distribution will be called kpolicy-{name.removeprefix('kpolicy-') or 'NAME'}"
        raise UsageError(Problem(f'leave "kpolicy" out of the name "{name}"', None, hint))
    chosen = [part for part in PARTS if part in parts]
    package = f"kpolicy_{name.replace('-', '_')}"
    identifier = name.replace("-", "_")
    words = {
        "name": name,
        "package": package,
        "identifier": identifier,
        "types": "\n".join(sorted(f"    {_RETURNS[part]}" for part in chosen)),
        "collections": _collections(chosen),
        "expression": _owner_expression(identifier, "function" in chosen),
    }
    source = f"src/{package}"
    texts = {
        "pyproject.toml": _text("package/pyproject.toml"),
        "README.md": _text("package/README.md"),
        ".gitignore": _text("package/gitignore"),
        ".github/workflows/test.yml": _text("package/test.yml"),
        f"{source}/__init__.py": '"""What $name adds to kpolicy."""\n',
        f"{source}/py.typed": "",
        f"{source}/plugin.py": _joined("package/plugin.py", "hook.py", chosen),
        "tests/test_plugin.py": _joined("package/test_plugin.py", "test.py", chosen),
    }
    for part in chosen:
        if part in _MODULES:
            texts[f"{source}/{_MODULES[part]}"] = _text(f"parts/{part}/{_MODULES[part]}")
    if "pack" in chosen:
        for ending in (".yaml", "_test.yaml"):
            path = f"{source}/policies/{name}-owner-label{ending}"
            texts[path] = _text(f"parts/pack/owner-label{ending}")
    return {path: Template(text).substitute(words) for path, text in texts.items()}


def policy_files(policy: str, kind: str, severity: str, title: str) -> dict[str, str]:
    """Return file name -> text of a policy and its test, both sound as they are.

    Raises `UsageError` for a bad id.
    """
    if not _POLICY.match(policy):
        hint = "lower-case letters, digits, dots and hyphens, as in run-as-non-root"
        raise UsageError(Problem(f'"{policy}" cannot be the id of a policy', None, hint))
    words = {
        "id": policy,
        "kind": kind,
        "severity": severity,
        "title": json.dumps(title or policy, ensure_ascii=False),
        **_sample(kind),
    }
    return {
        f"{policy}{ending}": Template(_text(f"policy/policy{ending}")).substitute(words)
        for ending in (".yaml", "_test.yaml")
    }


def _sample(kind: str) -> dict[str, str]:
    """Return apiVersion, kind and spec of a manifest that a policy for `kind` meets."""
    from kpolicy.snapshot.tables import built_in_kinds

    name = kind.rpartition("/")[2]
    if not name[:1].isupper():
        return {"api": "v1", "sample": "Pod", "spec": "{containers: [{name: app, image: app:1}]}"}
    if "/" in kind:
        group = kind.rpartition("/")[0]
        api = group if "/" in group else f"{group}/v1"
    else:
        groups = [row.group for row in built_in_kinds() if row.kind == name]
        api = "example.org/v1" if not groups else f"{groups[0]}/v1" if groups[0] else "v1"
    return {"api": api, "sample": name, "spec": "{}"}


def _collections(parts: list[str]) -> str:
    """Return what the hooks' signatures import: post-processing takes and returns sequences."""
    names = {"Sequence" if part == "labels" else "Iterable" for part in parts}
    return ", ".join(sorted(names))


def _owner_expression(identifier: str, function: bool) -> str:
    """Return the pack's expression; it calls the plugin's own function where there is one."""
    if function:
        return f"{identifier}.owner(object.metadata.?labels.orValue({{}})) != ''"
    return "object.metadata.?labels.?owner.orValue('') != ''"


def _joined(head: str, name: str, parts: list[str]) -> str:
    return "\n\n".join([_text(head), *(_text(f"parts/{part}/{name}") for part in parts)])


def _text(path: str) -> str:
    return files("kpolicy.plugins").joinpath("templates", f"{path}.tmpl").read_text("utf-8")
