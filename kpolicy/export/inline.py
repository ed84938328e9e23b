"""Rewrites a policy's expressions so that they need nothing but Kubernetes' CEL.

kpolicy's functions become what they mean: `object.containers()` a variable that reads the pod spec
of the kinds that the policy matches, `imageName(i)` string functions. Parameters become literals
or reads of a ConfigMap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from kpolicy.cel.nodes import (
    Bind,
    Call,
    Comprehension,
    Constant,
    Identifier,
    ListNode,
    MapEntry,
    MapNode,
    Node,
    OptionalMap,
    Select,
)
from kpolicy.snapshot.kinds import CONTAINER_FIELDS, WorkloadKind

#: Reads an expression as a tree.
Parse = Callable[[str], Node]

_LISTS: Final = {
    "containers": "containers",
    "initContainers": "initContainers",
    "ephemeralContainers": "ephemeralContainers",
    "volumes": "volumes",
}


class Inexpressible(Exception):
    """Something that Kubernetes' CEL cannot say; `offset` is where it stands in the source."""

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.offset = offset


def rewritten(node: Node, change: Callable[[Node], Node | None]) -> Node:
    """Return a copy of a tree in which `change` replaced nodes, from the leaves upwards."""
    match node:
        case Select(operand=operand):
            node = replace(node, operand=rewritten(operand, change))
        case Call(target=target, args=args):
            target = rewritten(target, change) if target is not None else None
            node = replace(node, target=target, args=[rewritten(a, change) for a in args])
        case ListNode(elements=elements):
            node = replace(node, elements=[rewritten(e, change) for e in elements])
        case MapNode(entries=entries):
            entries = [
                MapEntry(rewritten(e.key, change), rewritten(e.value, change), e.optional)
                for e in entries
            ]
            node = replace(node, entries=entries)
        case Comprehension(range=of, body=body, condition=condition):
            node = replace(
                node,
                range=rewritten(of, change),
                condition=None if condition is None else rewritten(condition, change),
                body=rewritten(body, change),
            )
        case Bind(value=value, body=body):
            node = replace(node, value=rewritten(value, change), body=rewritten(body, change))
        case OptionalMap(target=target, body=body):
            node = replace(node, target=rewritten(target, change), body=rewritten(body, change))
    changed = change(node)
    return node if changed is None else changed


def constant(value: Any) -> Node:
    """Return the literal of a JSON value; elements of several types are made `dyn`."""
    if isinstance(value, Mapping):
        entries = [MapEntry(Constant(0, str(k)), constant(v)) for k, v in value.items()]
        mixed = len({_type(v) for v in value.values()}) > 1
        if mixed:
            entries = [replace(e, value=Call(0, "dyn", None, [e.value])) for e in entries]
        return MapNode(0, entries)
    if isinstance(value, (list, tuple)):
        elements = [constant(v) for v in value]
        if len({_type(v) for v in value}) > 1:
            elements = [Call(0, "dyn", None, [e]) for e in elements]
        return ListNode(0, elements)
    return Constant(0, value)


def _type(value: Any) -> str:
    if isinstance(value, Mapping):
        return "map"
    return "list" if isinstance(value, (list, tuple)) else type(value).__name__


def from_config_map(name: str, kind: str) -> str:
    """Return the CEL that reads a parameter of a JSON type from a ConfigMap's texts.

    Raises `ValueError` for a type that a text cannot hold. A list has an item a line.
    """
    text = f"params.data[{name!r}]"
    if kind == "string":
        return text
    if kind == "integer":
        return f"int({text})"
    if kind == "number":
        return f"double({text})"
    if kind == "boolean":
        return f"{text} == 'true'"
    if kind == "array":
        return f"({text} == '' ? [] : {text}.split('\\n'))"
    raise ValueError(kind)


class Inliner:
    """Rewrites the expressions of one policy and collects the variables that they need.

    - `workloads`: the workload kinds that the policy may meet; `strangers`: whether it may meet
      anything else; `ambiguous`: kinds that it may meet in another group, too, where they are no
      workload or keep their pod template elsewhere.
    - `taken`: the names of the policy's own variables.
    - `own`: the names of the functions that Kubernetes does not have.
    - `params`: the expression that stands for each parameter.
    """

    def __init__(
        self,
        parse: Parse,
        workloads: tuple[WorkloadKind, ...],
        *,
        strangers: bool,
        ambiguous: frozenset[str],
        taken: Iterable[str],
        own: Iterable[str],
        params: Mapping[str, Node],
    ) -> None:
        self.parse = parse
        self.workloads = workloads
        self.strangers = strangers
        self.ambiguous = ambiguous
        self.taken = set(taken)
        self.own = frozenset(own)
        self.params = params
        self.variables: dict[str, Node] = {}
        self._named: dict[str, str] = {}

    def rewrite(self, node: Node, *, variables: bool) -> Node:
        """Return an expression without kpolicy's own functions and without `params.x`.

        Where there are `variables` it may read those that it makes; match conditions have none.
        Raises `Inexpressible`.
        """
        return rewritten(node, lambda part: self._changed(part, variables))

    def _changed(self, node: Node, variables: bool) -> Node | None:
        match node:
            case Select(operand=Identifier(name="params"), field=field):
                return self._param(node, field, variables)
            case Bind(variable=name, value=value, body=body):
                # No API server has cel.bind; a list of one element binds a name as well.
                items = ListNode(node.offset, [value])
                mapped = Comprehension(node.offset, "map", items, name, None, body)
                return Call(node.offset, "_[_]", None, [mapped, Constant(node.offset, 0)])
            case Call():
                found = self._call(node, variables)
                if found is None:
                    self._refuse_own(node)
                return found
        return None

    def _param(self, node: Select, name: str, variables: bool) -> Node:
        value = self.params.get(name)
        if node.test:
            return Constant(node.offset, value is not None)
        if value is None:
            raise Inexpressible(f'the parameter "{name}" has no value', node.offset)
        if node.optional:
            return Call(node.offset, "optional.of", None, [value])
        if variables and not isinstance(value, Constant):
            return self._variable(name, value)
        return value

    def _call(self, node: Call, variables: bool) -> Node | None:
        name = node.function
        target = node.target
        if target is None:
            return self._image_name(node.args[0]) if name == "imageName" else None
        if name == "commandLine" and not node.args:
            return self._with(
                "(c.?command.orValue([]) + c.?args.orValue([])).join(' ')", {"c": target}
            )
        if name == "runs":
            return self._runs(node, target)
        if name == "effectiveNamespace":
            return self.parse("object.kind == 'Namespace' ? '' : request.namespace")
        if name in ("isWorkload", "hasPodTemplate"):
            return self._is_workload(target, pointer=name == "hasPodTemplate")
        if name == "podLabel":
            key = node.args[0]
            own = self._with("o.?metadata.?labels[?k]", {"o": target, "k": key})
            labels = self._of_pod("podLabels", target, variables)
            of_pod = Call(0, "_[?_]", None, [labels, key])
            either = Call(0, "or", of_pod, [own])
            return Call(0, "orValue", either, [Constant(0, "")])
        if name in ("podTemplate", "podSpec", "podLabels", "allContainers", *_LISTS):
            return self._of_pod(name, target, variables)
        return None

    def _refuse_own(self, node: Call) -> None:
        """Refuse a function that only kpolicy or a plugin has."""
        prefix = f"{node.target.name}." if isinstance(node.target, Identifier) else ""
        for name in (f"{prefix}{node.function}", node.function):
            if name in self.own:
                reason = f"{name}() is kpolicy's or a plugin's; no API server has it"
                raise Inexpressible(reason, node.offset)

    # Pods

    def _of_pod(self, name: str, target: Node, variables: bool) -> Node:
        """Return what stands for `target.podSpec()` and its like."""
        own = isinstance(target, Identifier) and target.name == "object" and variables
        if own and name in self._named:
            return _variable(self._named[name])
        if name == "podTemplate":
            value = self._template(target)
        elif name == "podSpec":
            value = self._template(target, ("spec",))
        elif name == "podLabels":
            value = self._template(target, ("metadata", "labels"))
        elif name == "allContainers":
            spec = self._of_pod("podSpec", target, variables)
            lists = [self._with(f"s.?{f}.orValue([])", {"s": spec}) for f in CONTAINER_FIELDS]
            value = Call(0, "_+_", None, [Call(0, "_+_", None, lists[:2]), lists[2]])
        else:
            spec = self._of_pod("podSpec", target, variables)
            value = self._with(f"s.?{_LISTS[name]}.orValue([])", {"s": spec})
        return self._variable(name, value) if own else value

    def _template(self, target: Node, below: tuple[str, ...] = ()) -> Node:
        """Return what reads the pod template, or a field below it, of each kind; {} if absent."""
        by_path: dict[tuple[str, ...], list[WorkloadKind]] = {}
        for workload in self.workloads:
            by_path.setdefault(workload.template, []).append(workload)
        paths = sorted(by_path, key=lambda path: -len(by_path[path]))
        if not paths:
            return MapNode(0, [])
        last: Node = MapNode(0, [])
        rest = paths
        if not self.strangers:
            last = self._read(target, (*paths[0], *below))
            rest = paths[1:]
        for path in reversed(rest):
            test = self._kind_test(target, by_path[path])
            found = self._read(target, (*path, *below))
            last = Call(0, "_?_:_", None, [test, found, last])
        return last

    def _read(self, target: Node, path: tuple[str, ...]) -> Node:
        if not path:
            return target
        node = target
        for name in path:
            node = Select(0, node, name, optional=True)
        return Call(0, "orValue", node, [MapNode(0, [])])

    def _kind_test(self, target: Node, workloads: list[WorkloadKind]) -> Node:
        """Return the test that an object is of one of these kinds."""
        plain = [w.kind for w in workloads if w.kind not in self.ambiguous]
        tests: list[Node] = []
        kind = Select(0, target, "kind")
        if len(plain) == 1:
            tests.append(Call(0, "_==_", None, [kind, Constant(0, plain[0])]))
        elif plain:
            names: list[Node] = [Constant(0, name) for name in dict.fromkeys(plain)]
            tests.append(Call(0, "@in", None, [kind, ListNode(0, names)]))
        for workload in workloads:
            if workload.kind not in plain:
                # The same kind of another group is no workload, or has its template elsewhere.
                group = f".startsWith('{workload.group}/')" if workload.group else " == 'v1'"
                text = f"o.kind == '{workload.kind}' && o.apiVersion{group}"
                tests.append(self._with(text, {"o": target}))
        found = tests[0]
        for test in tests[1:]:
            found = Call(0, "_||_", None, [found, test])
        return found

    def _is_workload(self, target: Node, *, pointer: bool) -> Node:
        if not self.workloads:
            return Constant(0, False)
        test: Node = Constant(0, True)
        if self.strangers:
            test = self._kind_test(target, list(self.workloads))
        absent = [w for w in self.workloads if w.pointer] if pointer else []
        if absent:
            kinds = self._kind_test(target, absent)
            there = self._with("has(o.spec) && has(o.spec.template)", {"o": target})
            without = Call(0, "_||_", None, [Call(0, "!_", None, [kinds]), there])
            test = without if isinstance(test, Constant) else Call(0, "_&&_", None, [test, without])
        return test

    # Names

    def _image_name(self, image: Node) -> Node:
        return self._with(
            "[i.split('@')[0].split('/')].map(p, p[p.size() - 1].split(':')[0])[0]", {"i": image}
        )

    def _runs(self, node: Call, container: Node) -> Node:
        words = node.args[0]
        name = self._with("c.?name.orValue('')", {"c": container})
        image = self._image_name(self._with("c.?image.orValue('')", {"c": container}))
        known = self._texts(words)
        if known is None:
            test = (
                "w.exists(__word, __word != '' && (__word.size() > 2 && __word.startsWith('/') && "
                "__word.endsWith('/') ? __name.matches(__word.substring(1, __word.size() - 1)) "
                ": __word == __name))"
            )
            return self._with(f"[n, i].exists(__name, {test})", {"n": name, "i": image, "w": words})
        patterns = [w[1:-1] for w in known if len(w) > 2 and w[0] == w[-1] == "/"]
        plain = [w for w in known if w and not (len(w) > 2 and w[0] == w[-1] == "/")]
        tests = []
        if plain:
            tests.append("__name in p")
        if patterns:
            tests.append("__name.matches(r)")
        expression = " || ".join(tests) or "false"
        values = {
            "n": name,
            "i": image,
            "p": words if plain == known else constant(plain),
            "r": constant("|".join(f"({p})" for p in patterns)),
        }
        return self._with(f"[n, i].exists(__name, {expression})", values)

    def _texts(self, node: Node) -> list[str] | None:
        """Return the texts of a list that is written in the policy, None for any other list."""
        if isinstance(node, Select) and isinstance(node.operand, Identifier):
            node = self.variables.get(node.field, node)
        if not isinstance(node, ListNode):
            return None
        values = [e.value for e in node.elements if isinstance(e, Constant)]
        texts = [value for value in values if isinstance(value, str)]
        return texts if len(texts) == len(node.elements) else None

    def _with(self, source: str, values: Mapping[str, Node]) -> Node:
        """Return the tree of `source` with nodes in the place of names."""

        def change(node: Node) -> Node | None:
            return values.get(node.name) if isinstance(node, Identifier) else None

        return rewritten(self.parse(source), change)

    def _variable(self, name: str, value: Node) -> Node:
        """Return the variable that holds `value`, made the first time it is asked for."""
        if name not in self._named:
            chosen = name
            while chosen in self.taken:
                chosen += "_"
            self.taken.add(chosen)
            self._named[name] = chosen
            self.variables[chosen] = value
        return _variable(self._named[name])


def _variable(name: str) -> Node:
    return Select(0, Identifier(0, "variables"), name)
