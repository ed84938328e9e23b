"""What is known about kinds: their scope, plural names, scope groups and where they keep a pod
template.

`Kinds` is a value: made from what is built in, from plugins' `WorkloadKind`s and from the
CustomResourceDefinitions of a snapshot. `KindMatcher` decides texts such as `workloads`,
`apps/Deployment` or `*`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from fnmatch import fnmatchcase
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

from kpolicy.frozen import FrozenDict, FrozenList
from kpolicy.records import dataclass
from kpolicy.snapshot.tables import built_in_kinds, custom_kinds

EMPTY_MAP = FrozenDict()
EMPTY_LIST = FrozenList()

#: Where a pod spec keeps its containers, in the order in which they start.
CONTAINER_FIELDS = ("initContainers", "containers", "ephemeralContainers")

#: The groups of kinds that a match may name, besides those that plugins add.
WORKLOADS = "workloads"
DEPLOYMENT_LIKE = "DeploymentLike"
JOB_LIKE = "JobLike"
ANY = "Any"


@dataclass(frozen=True, slots=True)
class WorkloadKind:
    """A kind that carries a pod template.

    - `group`, `kind`: whose objects; any version of the group.
    - `template`: the path from the object to its pod template; `()` = the object itself is the pod.
    - `pointer`: an absent template means that the object has none (a Go pointer). Otherwise an
      absent template counts as present and empty, as the API server reads it.
    - `groups`: further scope groups the kind belongs to; `workloads` always.
    - `plural`, `namespaced`: needed only for a custom kind that no table knows.
    """

    group: str
    kind: str
    template: tuple[str, ...] = ("spec", "template")
    pointer: bool = False
    groups: tuple[str, ...] = ()
    plural: str = ""
    namespaced: bool = True


_DL = (DEPLOYMENT_LIKE,)

#: The workloads known without a plugin.
WORKLOAD_KINDS: tuple[WorkloadKind, ...] = (
    WorkloadKind("", "Pod", (), groups=_DL),
    WorkloadKind("", "ReplicationController", pointer=True, groups=_DL),
    WorkloadKind("", "PodTemplate", ("template",)),
    WorkloadKind("apps", "Deployment", groups=_DL),
    WorkloadKind("apps", "DaemonSet", groups=_DL),
    WorkloadKind("apps", "StatefulSet", groups=_DL),
    WorkloadKind("apps", "ReplicaSet", groups=_DL),
    WorkloadKind("batch", "Job", groups=_DL),
    WorkloadKind("batch", "CronJob", ("spec", "jobTemplate", "spec", "template"), groups=_DL),
    WorkloadKind("extensions", "Deployment"),
    WorkloadKind("extensions", "DaemonSet"),
    WorkloadKind("extensions", "ReplicaSet"),
    WorkloadKind("apps.openshift.io", "DeploymentConfig", pointer=True, groups=_DL),
    WorkloadKind("argoproj.io", "Rollout"),
    WorkloadKind("serving.knative.dev", "Service"),
    WorkloadKind("serving.knative.dev", "Configuration"),
    WorkloadKind("apps.kruise.io", "CloneSet"),
    WorkloadKind("apps.kruise.io", "StatefulSet"),
    WorkloadKind("apps.kruise.io", "DaemonSet"),
    WorkloadKind("keda.sh", "ScaledJob", ("spec", "jobTargetRef", "template")),
)

#: Scope groups that are more than a property of a workload kind, as match texts.
SCOPE_GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        ANY: ("*",),
        JOB_LIKE: ("batch/v1/Job", "batch/v1/CronJob"),
        "HorizontalPodAutoscalerLike": (
            "autoscaling/v1/HorizontalPodAutoscaler",
            "autoscaling/v2/HorizontalPodAutoscaler",
            "autoscaling/v2beta1/HorizontalPodAutoscaler",
            "autoscaling/v2beta2/HorizontalPodAutoscaler",
        ),
    }
)


def split_api_version(api_version: str) -> tuple[str, str]:
    """Return (group, version) of `apps/v1` or `v1`; the core group is ""."""
    group, _, version = api_version.rpartition("/")
    return group, version


def guess_plural(kind: str) -> str:
    """Return the plural resource name as API machinery guesses it: `Policy` gives `policies`."""
    name = kind.lower()
    if name.endswith(("s", "x", "z", "ch", "sh")):
        return name + "es"
    if name.endswith("y") and name[-2:-1] not in "aeiou":
        return name[:-1] + "ies"
    return name + "s"


class CustomKind(NamedTuple):
    """What a CustomResourceDefinition says about its kind."""

    group: str
    kind: str
    plural: str
    namespaced: bool


def custom_kind_of(body: Any) -> CustomKind | None:
    """Return the kind that the CustomResourceDefinition `body` defines, None if it defines none."""
    if not isinstance(body, dict) or body.get("kind") != "CustomResourceDefinition":
        return None
    if split_api_version(str(body.get("apiVersion")))[0] != "apiextensions.k8s.io":
        return None
    spec = body.get("spec")
    names = spec.get("names") if isinstance(spec, dict) else None
    if not isinstance(spec, dict) or not isinstance(names, dict):
        return None
    group, kind, plural = spec.get("group"), names.get("kind"), names.get("plural")
    if not isinstance(group, str) or not isinstance(kind, str) or not group or not kind:
        return None
    # v1beta1 defaults the scope to Namespaced.
    namespaced = spec.get("scope", "Namespaced") != "Cluster"
    return CustomKind(group, kind, plural if isinstance(plural, str) else "", namespaced)


class _Known(NamedTuple):
    plural: str
    namespaced: bool
    built_in: bool


@lru_cache(maxsize=1)
def _tables() -> Mapping[tuple[str, str], _Known]:
    known = {(r.group, r.kind): _Known(r.plural, r.namespaced, False) for r in custom_kinds()}
    for row in built_in_kinds():
        known[row.group, row.kind] = _Known(row.plural, row.namespaced, True)
    return MappingProxyType(known)


@lru_cache(maxsize=1)
def _built_in_groups() -> frozenset[str]:
    return frozenset(row.group for row in built_in_kinds())


#: What a body that makes no pods has of the lists of a pod spec.
_NO_LISTS: Mapping[str, Any] = dict.fromkeys((*CONTAINER_FIELDS, "volumes"), EMPTY_LIST)


class _Pod(NamedTuple):
    """The pod template of a body, its spec and its containers."""

    template: Any
    spec: Any
    containers: list[Any]
    lists: Mapping[str, Any]
    """The lists of the spec by name, `CONTAINER_FIELDS` and `volumes`; an absent one is empty."""


@dataclass(frozen=True, slots=True, eq=False)
class Kinds:
    """All that is known about kinds; a value, see `of`."""

    workloads: Mapping[tuple[str, str], WorkloadKind]
    custom: Mapping[tuple[str, str], CustomKind]
    """Kinds that the definitions in a snapshot, or the caller, tell of."""
    given: tuple[CustomKind, ...] = ()
    """Those that came from the caller and stay whatever the snapshot holds."""
    _last: list[tuple[Any, _Pod] | None] = field(default_factory=lambda: [None], repr=False)
    _matchers: dict[tuple[str, ...], KindMatcher] = field(default_factory=dict, repr=False)
    _by_api_version: dict[tuple[str, str], WorkloadKind | None] = field(
        default_factory=dict, repr=False
    )

    @classmethod
    def of(cls, workloads: Iterable[WorkloadKind] = (), custom: Iterable[CustomKind] = ()) -> Kinds:
        """Return what is built in, with `workloads` from plugins and `custom` kinds from
        definitions."""
        known = {(w.group, w.kind): w for w in (*WORKLOAD_KINDS, *workloads)}
        given = tuple(custom)
        return cls(MappingProxyType(known), _by_kind(given), given)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (
            tuple(self.workloads.values()),
            tuple(self.custom.values()),
            self.given,
        )

    def with_custom(self, custom: Iterable[CustomKind]) -> Kinds:
        """Return the same workloads with the kinds that these definitions define, and those
        given."""
        table = _by_kind((*self.given, *custom))
        return self if table == self.custom else Kinds(self.workloads, table, self.given)

    def workload(self, api_version: str, kind: str) -> WorkloadKind | None:
        """Return where objects of this kind keep their pod template; None if it is no workload."""
        key = (api_version, kind)
        try:
            return self._by_api_version[key]
        except KeyError:
            found = self.workloads.get((split_api_version(api_version)[0], kind))
            self._by_api_version[key] = found
            return found
        except TypeError:  # an unhashable apiVersion or kind in a body that CEL made
            return None

    def namespaced(self, group: str, kind: str) -> bool:
        """Return whether objects of this kind live in a namespace; an unknown kind does."""
        key = (group, kind)
        if known := self.custom.get(key):
            return known.namespaced
        if built := _tables().get(key):
            return built.namespaced
        workload = self.workloads.get(key)
        return workload.namespaced if workload else True

    def plural(self, group: str, kind: str) -> str:
        """Return the plural resource name (`deployments`), guessed for a kind that nobody
        defines."""
        key = (group, kind)
        if (known := self.custom.get(key)) and known.plural:
            return known.plural
        if built := _tables().get(key):
            return built.plural
        workload = self.workloads.get(key)
        return (workload.plural if workload else "") or guess_plural(kind)

    def built_in(self, group: str, kind: str) -> bool:
        """Return whether every Kubernetes API server knows this kind."""
        built = _tables().get((group, kind))
        return built is not None and built.built_in

    def is_built_in_group(self, group: str) -> bool:
        """Return whether Kubernetes itself defines the kinds of this API group."""
        return group in _built_in_groups()

    def knows(self, group: str, kind: str) -> bool:
        """Return whether plural and scope of this kind are known, and not guessed."""
        key = (group, kind)
        return key in self.custom or key in _tables() or key in self.workloads

    def is_workload(self, body: Any) -> bool:
        """Return whether `body` is an object of a workload kind."""
        return self._of_body(body) is not None

    def template_path(self, body: Any) -> tuple[str, ...] | None:
        """Return the path from `body` to its pod template, None if its kind has none."""
        workload = self._of_body(body)
        return None if workload is None else workload.template

    def pod_template(self, body: Any) -> Any:
        """Return the pod template of `body` (a Pod is its own), the very element of the body.

        An absent template counts as present and empty; None for a kind without one, and for
        an absent template where the API has a pointer (ReplicationController, DeploymentConfig).
        """
        return self._pod(body).template

    def pod_spec(self, body: Any) -> Any:
        """Return the pod spec of `body`; an absent one is empty, None where `pod_template` is
        None."""
        return self._pod(body).spec

    def all_containers(self, body: Any) -> list[Any]:
        """Return the init, regular and ephemeral containers of `body`, [] if it makes no pods."""
        return self._pod(body).containers

    def pod_list(self, body: Any, name: str) -> Any:
        """Return a list of the pod spec of `body`, `volumes` or one of `CONTAINER_FIELDS`; an
        absent one is empty."""
        last = self._last[0]
        pod = last[1] if last is not None and last[0] is body else self._pod(body)
        return pod.lists[name]

    def pod_metadata(self, body: Any) -> Any:
        """Return the metadata of the pod template; an absent one is empty."""
        template = self.pod_template(body)
        if template is None:
            return None
        metadata = template.get("metadata")
        return metadata if isinstance(metadata, dict) else EMPTY_MAP

    def _pod(self, body: Any) -> _Pod:
        """Return what is asked of one body again and again; the last frozen one is remembered."""
        last = self._last[0]
        if last is not None and last[0] is body:
            return last[1]
        template = self._template_of(body)
        spec: Any = None
        containers: list[Any] = EMPTY_LIST
        lists: Mapping[str, Any] = _NO_LISTS
        if template is not None:
            spec = template.get("spec")
            if not isinstance(spec, dict):
                spec = EMPTY_MAP
            lists = {
                name: given if isinstance(given := spec.get(name), list) else EMPTY_LIST
                for name in _NO_LISTS
            }
            found = [element for name in CONTAINER_FIELDS for element in lists[name]]
            if found:
                containers = FrozenList(found)
        pod = _Pod(template, spec, containers, lists)
        if isinstance(body, FrozenDict):
            self._last[0] = (body, pod)
        return pod

    def _template_of(self, body: Any) -> Any:
        workload = self._of_body(body)
        if workload is None:
            return None
        value = body
        for name in workload.template:
            value = value.get(name) if isinstance(value, dict) else None
            if value is None:
                return None if workload.pointer else EMPTY_MAP
        return value if isinstance(value, dict) else EMPTY_MAP

    def _of_body(self, body: Any) -> WorkloadKind | None:
        if not isinstance(body, dict):
            return None
        api_version, kind = body.get("apiVersion"), body.get("kind")
        if not isinstance(api_version, str) or not isinstance(kind, str):
            return None
        return self.workload(api_version, kind)


class DoubtingKinds(Kinds):
    """Kinds that note of which ones the scope was asked that a definition may yet decide."""

    __slots__ = ("doubts",)

    doubts: set[tuple[str, str]]

    @classmethod
    def over(cls, kinds: Kinds) -> DoubtingKinds:
        """Return the same kinds; what is remembered of a body is shared."""
        self = cls(
            kinds.workloads, kinds.custom, kinds.given,
            kinds._last, kinds._matchers, kinds._by_api_version,
        )  # fmt: skip
        object.__setattr__(self, "doubts", set())
        return self

    def namespaced(self, group: str, kind: str) -> bool:
        """Return whether objects of this kind live in a namespace; an unknown kind does."""
        if not self.built_in(group, kind):
            self.doubts.add((group, kind))
        return super().namespaced(group, kind)


def _by_kind(custom: Iterable[CustomKind]) -> Mapping[tuple[str, str], CustomKind]:
    return MappingProxyType({(c.group, c.kind): c for c in custom})


def _restored(
    workloads: tuple[WorkloadKind, ...],
    custom: tuple[CustomKind, ...],
    given: tuple[CustomKind, ...],
) -> Kinds:
    """Return `Kinds` as they were pickled."""
    table = MappingProxyType({(w.group, w.kind): w for w in workloads})
    return Kinds(table, _by_kind(custom), given)


def _fits(text: str, pattern: str) -> bool:
    """Return whether a glob matches; most patterns are plain, and need no regular expression."""
    if pattern == "*" or pattern == text:
        return True
    return any(c in pattern for c in "*?[") and fnmatchcase(text, pattern)


class KindMatcher:
    """Decides which kinds the texts of a match name; made by `matcher`. Hashable by its texts.

    `patterns` are the (group, version, kind) that they stand for; each part may be a glob.
    """

    __slots__ = ("_everything", "_known", "patterns", "texts")

    def __init__(self, texts: tuple[str, ...], patterns: tuple[tuple[str, str, str], ...]) -> None:
        self.texts = texts
        self.patterns = patterns
        self._everything = ("*", "*", "*") in patterns
        self._known: dict[tuple[str, str], bool] = {}

    def __call__(self, api_version: str, kind: str) -> bool:
        """Return whether an object of this apiVersion and kind is named."""
        if self._everything:
            return True
        key = (api_version, kind)
        known = self._known.get(key)
        if known is None:
            group, version = split_api_version(api_version)
            known = self._known[key] = any(
                _fits(kind, k) and _fits(group, g) and _fits(version, v)
                for g, v, k in self.patterns
            )
        return known

    def matches(self, group: str, kind: str) -> bool:
        """Return whether some version of this kind is named."""
        return self._everything or any(
            _fits(kind, k) and _fits(group, g) for g, _, k in self.patterns
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KindMatcher) and self.patterns == other.patterns

    def __hash__(self) -> int:
        return hash(self.patterns)

    def __repr__(self) -> str:
        return f"KindMatcher({', '.join(self.texts)})"


def matcher(texts: Iterable[str], kinds: Kinds | None = None) -> KindMatcher:
    """Return what decides kind texts: `Deployment`, `apps/Deployment`, `apps/v1/Deployment`, a
    group, `*`.

    A bare name means the kind that Kubernetes itself calls so (`Service` is not Knative's), in each
    group that has it (`Ingress`: networking.k8s.io and extensions), or a custom kind of any group.
    Parts may be globs; `core` and "" name the core group; `v1/Pod` is the core group's version.
    `workloads` and `DeploymentLike` include what `kinds` adds.
    """
    known = kinds or Kinds.of()
    all_texts = tuple(texts)
    found = known._matchers.get(all_texts)
    if found is None:
        patterns: list[tuple[str, str, str]] = []
        for text in all_texts:
            patterns += _patterns(text, known)
        found = KindMatcher(all_texts, tuple(dict.fromkeys(patterns)))
        known._matchers[all_texts] = found
    return found


def scope_groups(kinds: Kinds | None = None) -> frozenset[str]:
    """Return the names of groups that a match may use."""
    workloads = (kinds or Kinds.of()).workloads.values()
    return frozenset({WORKLOADS, *SCOPE_GROUPS, *(g for w in workloads for g in w.groups)})


def is_kind_text(text: str, kinds: Kinds | None = None) -> bool:
    """Return whether `text` is written as a kind, a group of kinds or a glob (it need not be
    known)."""
    parts = text.split("/")
    if len(parts) > 3 or not parts[-1]:
        return False
    name = parts[-1]
    return text in scope_groups(kinds) or name[0] in "*?[" or (name[0].isupper() and name.isalnum())


def _patterns(text: str, kinds: Kinds) -> list[tuple[str, str, str]]:
    if text == WORKLOADS:
        return [(w.group, "*", w.kind) for w in kinds.workloads.values()]
    if text in SCOPE_GROUPS:
        return [p for member in SCOPE_GROUPS[text] for p in _patterns(member, kinds)]
    members = [w for w in kinds.workloads.values() if text in w.groups]
    if members:
        return [(w.group, "*", w.kind) for w in members]
    parts = text.split("/")
    if len(parts) == 1:
        native = [g for (g, k), row in _tables().items() if row.built_in and k == text]
        return [(g, "*", text) for g in native] or [("*", "*", text)]
    if len(parts) == 2:
        first, kind = parts
        if _is_version(first):
            return [("", first, kind)]
        return [("" if first == "core" else first, "*", kind)]
    group, version, kind = parts[0], parts[1], "/".join(parts[2:])
    return [("" if group == "core" else group, version, kind)]


def _is_version(text: str) -> bool:
    return len(text) > 1 and text[0] == "v" and text[1].isdigit()
