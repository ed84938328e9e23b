"""A tree of random manifests, edited step by step, and scanned with and without the cache."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from relation_worlds import Seeded, world
from scan_kit import policy, toolbox

from kpolicy.config.loader import load as load_config
from kpolicy.config.model import Config
from kpolicy.engine import ScanRequest, Toolbox, scan
from kpolicy.engine.cached import rescan
from kpolicy.findings import Report
from kpolicy.relations.index import directory

#: One policy for each way to look at other resources.
ASKING = {
    "through-a-friend": """
        match: {kinds: ["*"]}
        validations:
          - forEach: {var: o, in: "object.related('selected-by')"}
            expression: "!o.isRelated('routed-from') && o.countRelated('selects') < 2"
            messageExpression: "'through ' + o.kind"
    """,
    "by-key": """
        match: {kinds: ["*"]}
        validations:
          - expression: "snapshot.get('v1', 'Service', 'default', 'web') == null"
            message: there is a web service
    """,
    "by-kind": """
        match: {kinds: [Service]}
        validations:
          - expression: "snapshot.list('v1', 'Namespace').size() < 2"
            message: several namespaces
    """,
    "by-namespace": """
        match: {kinds: [workloads]}
        validations:
          - expression: "namespaceObject == null || !has(namespaceObject.metadata.labels)"
            message: its namespace has labels
    """,
    "resolving": """
        match: {kinds: [workloads]}
        validations:
          - expression: "snapshot.resolve('v1', 'ConfigMap', 'n1', 'web') == 'absent'"
            message: web may be there
    """,
    "alone": """
        match: {kinds: ["*"]}
        params:
          least: {type: integer, default: 2}
        validations:
          - expression: "object.metadata.name.size() >= params.least"
            message: too short a name
    """,
}
"""Beside them: a policy for each relation, and each way back, made by `policies`."""


def policies() -> dict[str, str]:
    """Return policies by id: those above, and for each relation one that names what it finds."""
    made = {id_: policy(id_, spec, pack="test") for id_, spec in ASKING.items()}
    for name, direction in directory(toolbox().relations).items():
        missing = "" if direction.reverse else _MISSING.format(name=name)
        id_ = f"rel-{name}"
        made[id_] = policy(id_, _RELATED.format(name=name) + missing, pack="test")
    return made


_RELATED = """
match: {{kinds: ["*"]}}
validations:
  - forEach: {{var: o, in: "object.related('{name}')"}}
    expression: "false"
    messageExpression: "'{name} ' + string(o.metadata) "
  - expression: "object.countRelated('{name}') != 2"
    message: two of them
"""
_MISSING = """
  - forEach: {{var: gone, in: "object.missing('{name}')"}}
    expression: "false"
    messageExpression: "gone.certainty + ' ' + gone.reason"
"""


class Tree:
    """Files below a directory, and the random edits that are made to them."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root = root
        self.policy_root = root.parent / "policies"
        self.policy_root.mkdir(exist_ok=True)
        self.chance = Seeded(seed)
        self.params: dict[str, dict[str, Any]] = {}
        self.config = Config()
        self.jobs = 1
        for id_, text in policies().items():
            if id_ not in ASKING and self.chance.pick(range(4)):
                continue  # some of the many at a time
            (self.policy_root / f"{id_}.yaml").write_text(text)
        for number in range(self.chance.pick(range(3, 9))):
            self.write(f"{'abc'[number % 3]}/f{number}.yaml")

    def write(self, name: str) -> None:
        """Write a file with some new manifests."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        bodies = [body for body, _, _ in world(self.chance)[: self.chance.pick((1, 1, 2, 4))]]
        path.write_text(yaml.safe_dump_all(bodies) if bodies else "")

    def files(self) -> list[Path]:
        """Return the files that are there."""
        return sorted(p for p in self.root.rglob("*") if p.is_file() or p.is_symlink())

    def edit(self) -> str:
        """Make one random edit; return what it was."""
        edits: dict[str, Callable[[], None]] = {
            name.removeprefix("do_"): getattr(self, name) for name in dir(self) if name[:3] == "do_"
        }
        name = self.chance.pick(sorted(edits))
        edits[name]()
        return str(name)

    def _some(self) -> Path:
        files = [path for path in self.files() if path.exists()]
        if not files:
            self.write("a/f0.yaml")
            files = self.files()
        return self.chance.pick(files)

    def do_change(self) -> None:
        self.write(self._some().relative_to(self.root).as_posix())

    def do_change_two(self) -> None:
        self.do_change()
        self.do_change()

    def do_add(self) -> None:
        self.write(f"{self.chance.pick(('a', 'b', 'd/e'))}/n{self.chance.pick(range(9))}.yaml")

    def do_delete(self) -> None:
        self._some().unlink()

    def do_rename(self) -> None:
        path = self._some()
        path.rename(path.with_name(f"r{self.chance.pick(range(9))}.yaml"))

    def do_move_lines(self) -> None:
        path = self._some()
        path.write_text("# a comment\n" + path.read_text())

    def do_break(self) -> None:
        path = self._some()
        path.write_text(path.read_text() + "\n- [kind: Service\nname: web\n")

    def do_suppress(self) -> None:
        path = self._some()
        path.write_text("# kpolicy:ignore * for now\n" + path.read_text())

    def do_equal_size(self) -> None:
        """Change letters of a file, and give it back its times as far as that can be done."""
        path = self._some()
        before = path.stat()
        path.write_text(path.read_text().replace("web", "wet").replace("n1", "n2"))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    def do_link(self) -> None:
        path = self._some()
        other = self._some()
        if other != path and not other.is_symlink():
            path.unlink()
            path.symlink_to(other)

    def do_chart(self) -> None:
        chart = self.root / "chart"
        (chart / "templates").mkdir(parents=True, exist_ok=True)
        (chart / "Chart.yaml").write_text("name: c\n")
        kind = self.chance.pick(("Service", "ConfigMap", "Secret"))
        (chart / "templates/t.yaml").write_text(f"{{{{ x }}}}\nkind: {kind}\nname: web\n")

    def do_param(self) -> None:
        self.params = {"alone": {"least": self.chance.pick((1, 2, 4))}}

    def do_policy(self) -> None:
        path = self.policy_root / "alone.yaml"
        path.write_text(path.read_text().replace("too short", "much too short"))

    def do_config(self) -> None:
        text = self.chance.pick(
            (
                "scopes: [directory]\n",
                "scopes: [tree]\nexclude: [by-kind]\n",
                "severity: {alone: error}\n",
                "suppressions: [{policies: ['rel-*'], paths: ['**/a/*'], reason: r}]\n",
                "outside: [{kinds: [ConfigMap], names: ['a*']}]\n",
                "paths: {exclude: ['*/b/*']}\n",
            )
        )
        path = self.root.parent / "kpolicy.yaml"
        path.write_text(text)
        self.config = load_config(str(path), path.name)

    def request(self, cached: bool = True, **more: Any) -> ScanRequest:
        """Return the request of a scan of the tree as it is."""
        return ScanRequest(
            targets=(str(self.root),),
            policy_paths=(str(self.policy_root),),
            builtin=False,
            config=self.config,
            params=self.params,
            jobs=self.jobs,
            cache=cached,
            **more,
        )

    def scan(self, cached: bool, box: Toolbox | None = None) -> Report:
        """Return the report on the tree, without how long it took."""
        report = scan(self.request(cached), box or toolbox())
        assert not report.problems
        return replace(report, timings={})

    def texts(self) -> dict[str, tuple[str, bytes]]:
        """Return what stands in each file, with where a link leads."""
        return {
            str(path): (str(path.readlink()) if path.is_symlink() else "", path.read_bytes())
            for path in self.files()
            if path.exists()
        }


def counting(monkeypatch: Any) -> Iterator[list[bool]]:
    """Note of each rescan whether it worked the change in."""
    done: list[bool] = []
    original = rescan.rescan

    def noted(*arguments: Any) -> Any:
        state = original(*arguments)
        done.append(state is not None)
        return state

    monkeypatch.setattr(rescan, "rescan", noted)
    yield done
