"""Wraps what plugins give, so that a failure deep in a scan still names its plugin.

A CEL function fails as a CEL evaluation error (a finding of outcome `error`), a check as a
`PluginError` (which the engine makes such a finding of), a format as a problem at its document, a
source as an `Invalid` input. A relation that fails gives no entries, and its failure is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kpolicy.engine.deadline import DidNotReturn
from kpolicy.engine.supervision import Ended, PluginCalls, rehearsed, supervised
from kpolicy.errors import PluginError, Problem

if TYPE_CHECKING:
    from kpolicy.cel.declarations import Library, Overload
    from kpolicy.location import SourceLocation
    from kpolicy.manifests.model import Discovery, Source, SourceOptions
    from kpolicy.policy.formats import Loaded, Part, PolicyFormat
    from kpolicy.policy.model import PythonCheck, Violation
    from kpolicy.policy.source import SourceNode
    from kpolicy.relations.model import Entry, Relation, Side
    from kpolicy.snapshot.kinds import Kinds
    from kpolicy.snapshot.resource import Resource
    from kpolicy.snapshot.snapshot import Snapshot


def guard_library(library: Library, plugin: str, calls: PluginCalls) -> Library:
    """Return the library with every overload wrapped in `guard_overload`."""
    functions = tuple(
        replace(f, overloads=tuple(guard_overload(o, f.name, plugin, calls) for o in f.overloads))
        for f in library.functions
    )
    return replace(library, functions=functions)


def guard_overload(overload: Overload, function: str, plugin: str, calls: PluginCalls) -> Overload:
    """Return the overload so that all it can raise is `CelError`, in the time that `calls` allows.

    A result that does not fit the declared type is an error too: it would fail far from its cause.
    """
    from kpolicy.cel.errors import CelError

    implementation = overload.implementation
    fits = _fits(overload.result.name)
    label = f'function "{function}" of plugin "{plugin}"'
    # Once is enough: a loop for each resource would make the scan endless all the same.
    unit = calls.unit(f'plugin "{plugin}", hook kpolicy_cel_libraries: function "{function}"')

    def guarded(*arguments: Any) -> Any:
        try:
            with calls.call(unit):
                result = implementation(*arguments)
        except CelError:
            raise
        except Ended as error:
            raise CelError(f"{label} {error}") from error
        except DidNotReturn as error:
            raise CelError(f"{label} {error}; it is not called again") from error
        except (Exception, SystemExit) as error:
            raise CelError(f"{label} failed: {_words(error)}") from error
        if not fits(result):
            raise CelError(f"{label} returned {type(result).__name__}, declared {overload.result}")
        return result

    return replace(overload, implementation=guarded)


def _fits(name: str) -> Callable[[Any], bool]:
    """Return whether a Python value can be a CEL value of the type called `name`."""
    if name == "bool":
        return lambda value: value is True or value is False
    if name in ("int", "uint"):
        return lambda value: isinstance(value, int) and not isinstance(value, bool)
    classes: Mapping[str, Any] = {
        "string": str, "double": float, "bytes": bytes, "list": (list, tuple), "map": Mapping,
        "null_type": type(None),
    }  # fmt: skip
    if name in classes:
        return lambda value: isinstance(value, classes[name])
    return lambda value: True


def guard_relation(
    relation: Relation, plugin: str, report: Callable[[str], None], calls: PluginCalls
) -> Relation:
    """Return the relation so that a failure is reported and relates nothing.

    `report` records what went wrong; in a worker process, whose records nobody reads, it raises.
    """
    label = f'relation "{relation.name}"'
    unit = calls.unit(f'plugin "{plugin}", hook kpolicy_relations: {label}')

    def side(given: Side) -> Side:
        entries = given.entries

        def guarded(resource: Resource, kinds: Kinds) -> Iterable[Entry]:
            from kpolicy.relations.model import Entry

            try:
                with calls.call(unit):
                    found = tuple(entries(resource, kinds))
            except (Ended, DidNotReturn) as error:
                # Recorded by what watches the calls, if anybody does.
                if calls.is_lost:
                    report(f"{label} {error}")
                return ()
            except (Exception, SystemExit) as error:
                report(f"{label} failed on {_named(resource)}: {_words(error)}")
                return ()
            for entry in found:
                if not isinstance(entry, Entry):
                    report(f"{label} returned a {type(entry).__name__}, expected Entry objects")
                    return ()
            return found

        return replace(given, entries=guarded)

    changes: dict[str, Any] = {"left": side(relation.left), "right": side(relation.right)}
    if relation.right is relation.left:
        # A symmetric relation says so by having one side; it must stay one.
        changes["right"] = changes["left"]
    for name in ("links", "facts", "bridges"):
        given = getattr(relation, name)
        if given is not None:
            changes[name] = side(given)
    if relation.matches is not None:
        matches = relation.matches

        def guarded_matches(*arguments: Any) -> bool:
            try:
                with calls.call(unit):
                    return bool(matches(*arguments))
            except (Ended, DidNotReturn) as error:
                if calls.is_lost:
                    report(f"{label} {error}")
                return False
            except (Exception, SystemExit) as error:
                report(f"{label} failed in matches(): {_words(error)}")
                return False

        changes["matches"] = guarded_matches
    return replace(relation, **changes)


def guard_check(check: PythonCheck, plugin: str, policy: str, calls: PluginCalls) -> PythonCheck:
    """Return a Python policy's function so that all it can raise is `PluginError`."""
    label = f'plugin "{plugin}", hook kpolicy_policies: policy "{policy}"'
    unit = calls.unit(label)

    def guarded(
        resource: Resource, snapshot: Snapshot, params: Mapping[str, Any]
    ) -> Iterable[Violation]:
        from kpolicy.policy.model import Violation

        try:
            with calls.call(unit):
                found = tuple(check(resource, snapshot, params))
        except (Ended, DidNotReturn) as error:
            raise PluginError(Problem(f"{label} {error}")) from error
        except (Exception, SystemExit) as error:
            what = f"{label} failed on {_named(resource)}: {_words(error)}"
            raise PluginError(Problem(what)) from error
        for violation in found:
            if not isinstance(violation, Violation):
                what = f"{label} yielded a {type(violation).__name__}, expected Violation objects"
                raise PluginError(Problem(what))
        return found

    return guarded


def guard_format(format_: PolicyFormat, plugin: str, calls: PluginCalls) -> PolicyFormat:
    """Return the format so that a failure of its functions is a problem at the document.

    Each is called in a child process first: what comes of it may hold functions, which no process
    can send to another.
    """
    load, assemble = format_.load, format_.assemble
    label = f'plugin "{plugin}", hook kpolicy_policy_formats: format "{format_.name}"'
    unit = calls.unit(label, loading=True)

    def guarded(call: Callable[[], Loaded], location: SourceLocation) -> Loaded:
        from kpolicy.policy.formats import Loaded

        def timed() -> Loaded:
            with calls.call(unit):
                return call()

        rehearsed(calls, timed)
        try:
            loaded = timed()
        except (Ended, DidNotReturn) as error:
            return Loaded((), (Problem(f"{label} {error}", location),))
        except (Exception, SystemExit) as error:
            return Loaded((), (Problem(f"{label} failed: {_words(error)}", location),))
        if not isinstance(loaded, Loaded):
            what = f"{label} returned a {type(loaded).__name__}, expected Loaded"
            return Loaded((), (Problem(what, location),))
        return replace(
            loaded, policies=tuple(replace(p, plugin=p.plugin or plugin) for p in loaded.policies)
        )

    def guarded_load(document: SourceNode) -> Loaded:
        return guarded(lambda: load(document), document.location)

    if assemble is None:
        return replace(format_, load=guarded_load)

    def guarded_assemble(parts: Sequence[Part]) -> Loaded:
        return guarded(lambda: assemble(parts), parts[0].location)

    return replace(format_, load=guarded_load, assemble=guarded_assemble)


class GuardedSource:
    """A plugin's source whose failures become an `Invalid` entry for the target."""

    def __init__(self, source: Source, plugin: str, calls: PluginCalls) -> None:
        self.name = source.name
        self.plugin = plugin
        self._source = source
        self._calls = calls
        self._label = f'plugin "{plugin}", hook kpolicy_sources: source "{self.name}"'
        self._unit = calls.unit(self._label, loading=True)

    def accepts(self, target: str) -> bool:
        """Ask the plugin; a failure is reported, and another source reads the target."""
        return supervised(self._calls, lambda: self._accepts(target), always=True)

    def _accepts(self, target: str) -> bool:
        try:
            with self._calls.call(self._unit):
                return bool(self._source.accepts(target))
        except (Ended, DidNotReturn):
            return False  # recorded by what watches the calls
        except (Exception, SystemExit) as error:
            what = f"{self._label} failed on {target}: {_words(error)}"
            self._calls.record(Problem(what))
            return False

    def discover(self, target: str, options: SourceOptions) -> Discovery:
        """Ask the plugin; a failure is an `Invalid` at the target."""
        return supervised(self._calls, lambda: self._discover(target, options), always=True)

    def _discover(self, target: str, options: SourceOptions) -> Discovery:
        from kpolicy.location import SourceLocation
        from kpolicy.manifests.model import Discovery, Invalid

        try:
            with self._calls.call(self._unit):
                found = self._source.discover(target, options)
            if isinstance(found, Discovery):
                return found
            message = f"{self._label} returned a {type(found).__name__}, expected Discovery"
        except (Ended, DidNotReturn) as error:
            message = f"{self._label} {error}"
        except (Exception, SystemExit) as error:
            message = f"{self._label} failed: {_words(error)}"
        return Discovery(invalid=(Invalid(SourceLocation(target), message),))


def _named(resource: Resource) -> str:
    return f"{resource.kind}/{resource.name}"


def _words(error: BaseException) -> str:
    text = str(error).splitlines()[0] if str(error) else ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
