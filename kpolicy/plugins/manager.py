"""The plugin host: a factory for pluggy managers, and one typed method for each hook.

Every hook is called plugin by plugin, so that a failure has one name and costs one contribution.
What went wrong is collected in `PluginHost.problems`; the scan goes on without it, and the command
line ends with status 2.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeVar

import pluggy

from kpolicy.engine.deadline import DidNotReturn
from kpolicy.engine.supervision import Ended, PluginCalls, rehearsed, supervised
from kpolicy.errors import PluginError, Problem
from kpolicy.hookspecs import Hooks
from kpolicy.plugins.answers import NOT_ITERABLE, called, consumed
from kpolicy.plugins.discovery import GROUP, Candidate, Status, candidates, digest
from kpolicy.plugins.importing import DEBUG_HINT, adopt, describe, import_unit, register

if TYPE_CHECKING:
    from kpolicy.cel.declarations import Library
    from kpolicy.engine.request import Means, Toolbox
    from kpolicy.findings import Finding
    from kpolicy.manifests.model import Source
    from kpolicy.policy.formats import PolicyFormat
    from kpolicy.policy.model import Policy
    from kpolicy.policy.packs import PolicyPack
    from kpolicy.relations.model import Relation
    from kpolicy.reporters.model import Reporter
    from kpolicy.snapshot.kinds import WorkloadKind

T = TypeVar("T")

#: The name of the plugin that everything built in belongs to.
BUILTIN = "kpolicy"
#: The hooks that are called, without arguments, to learn what a plugin brings.
LOADING = (
    "kpolicy_workload_kinds", "kpolicy_cel_libraries", "kpolicy_relations", "kpolicy_reporters",
    "kpolicy_policy_formats", "kpolicy_policy_packs", "kpolicy_policies",
    "kpolicy_enforced_policies", "kpolicy_sources",
)  # fmt: skip
#: How long one plugin call may take.
CALL_SECONDS = 5.0


class PluginHost:
    """The plugins of one run. Made by `make_plugin_manager`; nothing about it is global."""

    def __init__(
        self,
        manager: pluggy.PluginManager,
        found: Mapping[str, Candidate],
        calls: PluginCalls,
        *,
        arguments: tuple[tuple[str, ...], bool],
        trace: Callable[[str], None] | None = None,
        worker: bool = False,
    ) -> None:
        self._worker = worker
        self.manager = manager
        self.plugins: Mapping[str, Candidate] = found
        """All plugins that were found, active or not, by name; built-ins first."""
        self.problems: list[Problem] = calls.problems
        """What went wrong so far; each names plugin and hook."""
        self.arguments = arguments
        self._trace = trace
        self.calls = calls
        """The calls of plugins' code, so that one that does not return is ended and named."""
        self._answers: dict[str, tuple[tuple[str, Any], ...]] = {}

    # One thin method for each hook, in the order in which a scan calls them.

    def workload_kinds(self) -> tuple[WorkloadKind, ...]:
        """Return the kinds that plugins add to those with a pod spec, and the built-in ones."""
        from kpolicy.snapshot.kinds import WorkloadKind

        return self._values("kpolicy_workload_kinds", WorkloadKind, lambda k: f"{k.group}/{k.kind}")

    def cel_libraries(self) -> tuple[Library, ...]:
        """Return the CEL libraries; those of plugins guarded, so that a failure has a name."""
        from kpolicy.cel.declarations import Library
        from kpolicy.plugins.guard import guard_library

        libraries: list[Library] = []
        overloads: dict[str, str] = {}
        for plugin, library in self._items("kpolicy_cel_libraries", Library, lambda x: x.name):
            taken = [
                overload.id
                for function in library.functions
                for overload in function.overloads
                if overloads.setdefault(overload.id, plugin) != plugin
            ]
            if taken:
                self._problem(
                    plugin,
                    "kpolicy_cel_libraries",
                    f'library "{library.name}" defines the overload "{taken[0]}", which plugin'
                    f' "{overloads[taken[0]]}" has already',
                    "give it another id",
                )
                continue
            guarded = library if plugin == BUILTIN else guard_library(library, plugin, self.calls)
            libraries.append(guarded)
        return tuple(libraries)

    def relations(self) -> tuple[Relation, ...]:
        """Return the relations; those of plugins guarded."""
        from kpolicy.plugins.guard import guard_relation
        from kpolicy.relations.model import Relation

        items = self._items("kpolicy_relations", Relation, lambda r: r.name)
        return tuple(
            relation
            if plugin == BUILTIN
            else guard_relation(
                relation, plugin, partial(self._fail, plugin, "kpolicy_relations"), self.calls
            )
            for plugin, relation in items
        )

    def policy_formats(self) -> tuple[PolicyFormat, ...]:
        """Return the readers of policy documents; those of plugins guarded."""
        from kpolicy.plugins.guard import guard_format
        from kpolicy.policy.formats import PolicyFormat

        items = self._items("kpolicy_policy_formats", PolicyFormat, lambda f: f.name)
        return tuple(
            format_ if plugin == BUILTIN else guard_format(format_, plugin, self.calls)
            for plugin, format_ in items
        )

    def policy_packs(self) -> tuple[PolicyPack, ...]:
        """Return the packs, each with the name of the plugin that brought it ("" = built in)."""
        from dataclasses import replace

        from kpolicy.policy.packs import PolicyPack

        items = self._items("kpolicy_policy_packs", PolicyPack, lambda p: p.name)
        return tuple(
            pack if plugin == BUILTIN else replace(pack, plugin=pack.plugin or plugin)
            for plugin, pack in items
        )

    def policies(self) -> tuple[Policy, ...]:
        """Return the policies made in Python; those of plugins guarded."""
        from dataclasses import replace

        from kpolicy.plugins.guard import guard_check
        from kpolicy.policy.model import Policy

        found: list[Policy] = []
        for plugin, policy in self._items("kpolicy_policies", Policy, lambda p: p.id):
            if plugin == BUILTIN:
                found.append(policy)
                continue
            check = policy.check
            if check is not None:
                check = guard_check(check, plugin, policy.id, self.calls)
            found.append(replace(policy, plugin=policy.plugin or plugin, check=check))
        return tuple(found)

    def enforced_policies(self) -> tuple[str, ...]:
        """Return the ids and globs of policies that the scanned tree cannot weaken."""
        # Not by name: two plugins may well enforce one policy.
        items = self._items("kpolicy_enforced_policies", str, None)
        return tuple(dict.fromkeys(pattern for _, pattern in items))

    def sources(self) -> tuple[Source, ...]:
        """Return the sources, plugins' first: the first that accepts a target reads it."""
        from kpolicy.manifests.model import Source
        from kpolicy.plugins.guard import GuardedSource

        protocol: Any = Source
        items: tuple[tuple[str, Source], ...]
        items = self._items("kpolicy_sources", protocol, lambda s: s.name)
        theirs: list[Source] = [GuardedSource(s, p, self.calls) for p, s in items if p != BUILTIN]
        return (*theirs, *(source for plugin, source in items if plugin == BUILTIN))

    def process_findings(self, findings: Sequence[Finding]) -> Sequence[Finding]:
        """Return the findings after each plugin's post-processing, in order."""
        hook = "kpolicy_process_findings"
        theirs = self.implementing(hook)
        for plugin in theirs:
            self._unit(plugin, hook)  # known here, so that it can be named here
        if not theirs:
            return findings
        return supervised(self.calls, lambda: self._processed(findings))

    def _processed(self, findings: Sequence[Finding]) -> Sequence[Finding]:
        from kpolicy.findings import Finding

        hook = "kpolicy_process_findings"
        current: tuple[Finding, ...] = tuple(findings)
        for plugin in self.implementing(hook):
            given = current
            answer = self._call(plugin, hook, findings=given)
            if answer is None:
                continue
            if not isinstance(answer, (list, tuple)) or not all(
                isinstance(item, Finding) for item in answer
            ):
                self._wrong_type(plugin, hook, answer, "a list of Finding, or None")
                continue
            current = tuple(answer)
        return tuple(sorted(current, key=lambda finding: finding.sort_key))

    def reporters(self) -> tuple[Reporter, ...]:
        """Return the output formats."""
        from kpolicy.reporters.model import Reporter

        return self._values("kpolicy_reporters", Reporter, lambda r: r.name)

    # What belongs to all hooks.

    def register(self, plugin: Any, name: str) -> Problem | None:
        """Add a plugin that is at hand (an object or module with hooks), not one that is installed.

        For tests and for programs that embed kpolicy. Returns what is wrong with it, None when
        nothing is. Worker processes do not know it: scan with one job.
        """
        problem: Problem | None
        if name in self.plugins:
            problem = Problem(f'a plugin is called "{name}" already', None, "give it another name")
        else:
            problem = adopt(self.manager, plugin, name, f'plugin "{name}"')
            made = Candidate(name, name, "", type(plugin).__name__)
            status: Status = "failed" if problem else "active"
            self.plugins = {**self.plugins, name: made.with_status(status, problem)}
        if problem is not None:
            self.problems.append(problem)
        self._answers.clear()
        return problem

    def answers(self, hook: str) -> tuple[tuple[str, Any], ...]:
        """Return (plugin, thing) of a hook that has been asked."""
        return self._answers.get(hook, ())

    def owner(self, hook: str, name: str) -> str:
        """Return the plugin whose `hook` gave the thing called `name`, or ""."""
        for plugin, item in self.answers(hook):
            if name in (getattr(item, "name", None), getattr(item, "id", None), item):
                return plugin
        return ""

    def toolbox(self) -> Toolbox:
        """Return all that the plugins gave, for the engine."""
        from kpolicy.engine.request import Toolbox, ToolboxFactory

        third_party = any(c.name != BUILTIN for c in self.plugins.values())
        means = cache(self._means)
        if third_party:
            # Now, so that what is wrong is known before anything is scanned.
            means()
        return Toolbox(
            packs=self.policy_packs(),
            policies=self.policies(),
            enforced=self.enforced_policies(),
            sources=self.sources(),
            means=means,
            process_findings=self.process_findings if third_party else None,
            # A plugin that was registered is somewhere in memory: nothing tells when it changes.
            repeatable=all(
                c.entry_point is not None or c.name == BUILTIN
                for c in self.plugins.values()
                if c.status == "active"
            ),
            digest=digest(c for c in self.plugins.values() if c.status == "active"),
            calls=self.calls,
            factory=ToolboxFactory(
                __name__, "make_toolbox", (*self.arguments, self.calls.ended_names)
            ),
        )

    def _means(self) -> Means:
        from kpolicy.engine.request import Means

        return Means(
            self.policy_formats(), self.relations(), self.cel_libraries(), self.workload_kinds()
        )

    def _fail(self, plugin: str, hook: str, what: str) -> None:
        """Record a failure in the middle of a scan.

        A worker process has nobody to read its records: there it raises, the worker ends, and
        the process that began the scan does that work again and records.
        """
        if self._worker or os.getpid() != self.calls.owner:
            raise PluginError(Problem(f'plugin "{plugin}", hook {hook}: {what}'))
        self._problem(plugin, hook, what)

    def _values(self, hook: str, kind: type[T], name: Callable[[T], str]) -> tuple[T, ...]:
        return tuple(item for _, item in self._items(hook, kind, name))

    def _items(
        self, hook: str, kind: type[T], name: Callable[[T], str] | None
    ) -> tuple[tuple[str, T], ...]:
        """Return (plugin, item) of all answers to a hook; each plugin is asked once.

        `name` gives what an item is known by where no two may have the same name.
        """
        if hook not in self._answers:
            self._answers[hook] = tuple(self._ask(hook, kind, name))
        return self._answers[hook]

    def _ask(
        self, hook: str, kind: type[T], name: Callable[[T], str] | None
    ) -> Iterator[tuple[str, T]]:
        owners: dict[str, str] = {}
        for plugin in self.implementing(hook):
            answer = self._call(plugin, hook)
            for item in answer if isinstance(answer, tuple) else ():
                if not isinstance(item, kind):
                    self._wrong_type(plugin, hook, item, f"{kind.__name__} objects")
                    continue
                if name is None:
                    yield plugin, item
                    continue
                known_as = name(item)
                if known_as in owners:
                    self._problem(
                        plugin,
                        hook,
                        f'"{known_as}" is already defined by plugin "{owners[known_as]}"',
                        "give it another name, or disable one: --disable-plugin NAME",
                    )
                    continue
                owners[known_as] = plugin
                yield plugin, item

    def implementing(self, hook: str) -> list[str]:
        """Return the names of the plugins that implement a hook: built-ins, then others by name."""
        caller = getattr(self.manager.hook, hook)
        names = {implementation.plugin_name for implementation in caller.get_hookimpls()}
        return [name for name in self.plugins if name in names]

    def _call(self, plugin: str, hook: str, **arguments: Any) -> Any:
        """Call one plugin's implementation; any failure becomes a problem and None."""
        mine = self.manager.get_plugin(plugin)
        others = [p for p in self.manager.get_plugins() if p is not mine]
        caller = self.manager.subset_hook_caller(hook, others)
        started = time.perf_counter()
        try:
            with self._called(plugin, hook):
                answers = caller(**arguments)
                answer = answers[0] if answers else None
                if not arguments and answer is not None:
                    answer = consumed(answer)
        except (Ended, DidNotReturn):
            answer = None  # recorded by what watches the calls
        except (Exception, SystemExit) as error:
            if plugin == BUILTIN and isinstance(error, ImportError):
                raise
            self._problem(plugin, hook, f"raised {describe(error)}", DEBUG_HINT)
            answer = None
            if os.environ.get("KPOLICY_DEBUG"):
                import traceback

                traceback.print_exception(error)
        else:
            if not arguments and answer is NOT_ITERABLE:
                self._wrong_type(plugin, hook, answers[0], "a list")
                answer = None
        if self._trace:
            count = f"{len(answer)} items" if isinstance(answer, (tuple, list)) else repr(answer)
            self._trace(
                f"{hook} {plugin} -> {count} ({(time.perf_counter() - started) * 1000:.1f} ms)"
            )
        return answer

    def rehearse(self) -> None:
        """Call every hook that is called while kpolicy loads, and forget the answers."""
        for hook in LOADING:
            for plugin in self.implementing(hook):
                self._call(plugin, hook)

    def _called(self, plugin: str, hook: str) -> AbstractContextManager[None]:
        if plugin == BUILTIN:
            return nullcontext()
        return self.calls.call(self._unit(plugin, hook))

    def _unit(self, plugin: str, hook: str) -> int:
        return _hook_unit(self.calls, plugin, hook)

    def _wrong_type(self, plugin: str, hook: str, value: object, expected: str) -> None:
        what = f"returned {called(value)}, expected {expected}"
        self._problem(plugin, hook, what, "docs/plugins.md says what each hook may return")

    def _problem(self, plugin: str, hook: str, what: str, hint: str = "") -> None:
        problem = Problem(f'plugin "{plugin}", hook {hook}: {what}', None, hint)
        if problem not in self.problems:
            self.problems.append(problem)


def make_plugin_manager(
    disabled: Iterable[str] = (),
    entry_points: bool = True,
    *,
    seconds: float | None = None,
    worker: bool = False,
    ended: Iterable[str] = (),
) -> PluginHost:
    """Return a host with the built-ins and, with `entry_points`, every installed plugin.

    `disabled` names plugins (or their distributions) that are found but not loaded; a name that is
    none is a problem. A plugin that cannot be imported or registered is reported and left out.
    `worker` = in a worker process of a scan; `ended` names calls that did not return before.

    Plugins are imported, and asked what they bring, in a child process first: one that does not
    come back there is left out here.
    """
    from kpolicy.plugins import builtin

    disabled = tuple(disabled)
    seconds = _seconds() if seconds is None else seconds
    trace = _print_trace if os.environ.get("KPOLICY_TRACE_HOOKS", "0") not in ("", "0") else None
    manager = pluggy.PluginManager("kpolicy")
    manager.add_hookspecs(Hooks)
    manager.register(builtin, BUILTIN)
    found: dict[str, Candidate] = {BUILTIN: Candidate.builtin()}
    problems: list[Problem] = []
    calls = PluginCalls(seconds, problems)
    if worker:
        calls.owner = 0
        calls.forbid(ended)
    chosen: list[Candidate] = []
    unused = set(disabled)
    for candidate in candidates() if entry_points else ():
        name = candidate.name
        unused -= {name, candidate.distribution}
        if name in found:
            problems.append(
                Problem(
                    f'two plugins are called "{name}": {found[name].distribution} and'
                    f" {candidate.distribution}",
                    None,
                    f'rename the entry point in the group "{GROUP}" of one of them',
                )
            )
            continue
        if name in disabled or candidate.distribution in disabled:
            found[name] = candidate.with_status("disabled")
            continue
        found[name] = candidate
        chosen.append(candidate)
    if chosen:
        for candidate in chosen:  # known here, so that they can be named here
            import_unit(candidate, calls)
            for hook in LOADING:
                _hook_unit(calls, candidate.name, hook)
        rehearsed(calls, lambda: _rehearsal(chosen, calls))
    for candidate in chosen:
        problem = register(manager, candidate, calls)
        status: Status = "failed" if problem else "active"
        found[candidate.name] = candidate.with_status(status, problem)
        if problem is not None:
            calls.record(problem)
    for name in sorted(unused):
        from kpolicy.strict.suggest import did_you_mean

        known = [n for n in found if n != BUILTIN]
        hint = did_you_mean(name, known) or f"installed: {', '.join(known) or 'none'}"
        problems.append(Problem(f'--disable-plugin: no plugin is called "{name}"', None, hint))
    return PluginHost(
        manager, found, calls, arguments=(disabled, entry_points), trace=trace, worker=worker
    )


def _hook_unit(calls: PluginCalls, plugin: str, hook: str) -> int:
    return calls.unit(f'plugin "{plugin}", hook {hook}', loading=hook in LOADING)


def _rehearsal(chosen: Iterable[Candidate], calls: PluginCalls) -> None:
    """Import plugins and ask them what they bring; for a process that ends afterwards."""
    manager = pluggy.PluginManager("kpolicy")
    manager.add_hookspecs(Hooks)
    good = [candidate for candidate in chosen if register(manager, candidate, calls) is None]
    found = {candidate.name: candidate for candidate in good}
    PluginHost(manager, found, calls, arguments=((), True)).rehearse()


def _seconds() -> float:
    """Return how long one call may take: `KPOLICY_PLUGIN_SECONDS`, where that is a number."""
    try:
        return max(0.0, float(os.environ.get("KPOLICY_PLUGIN_SECONDS", "")))
    except ValueError:
        return CALL_SECONDS


def make_toolbox(
    disabled: tuple[str, ...] = (), entry_points: bool = True, ended: tuple[str, ...] = ()
) -> Toolbox:
    """Return a toolbox made afresh: what a worker process calls."""
    return make_plugin_manager(disabled, entry_points, worker=True, ended=ended).toolbox()


def _print_trace(line: str) -> None:
    print(f"kpolicy: hook {line}", file=sys.stderr)
