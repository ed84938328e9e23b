"""The results of earlier scans of what a request names: recalled where they hold, kept anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import msgspec

from kpolicy.config.model import Config
from kpolicy.engine.cache_directory import cache_directory
from kpolicy.engine.cached.compare import Changes, Columns, columns_of, compare
from kpolicy.engine.cached.keys import results_key, results_path
from kpolicy.engine.cached.packed import Packed
from kpolicy.engine.cached.room import limit_of, make_room, touch, write_parts
from kpolicy.engine.cached.state import State, dump, load, load_rest, numbers_of
from kpolicy.engine.policy_files import policy_sources
from kpolicy.engine.report import Ran
from kpolicy.engine.request import ScanRequest, Toolbox
from kpolicy.engine.tally import Tally
from kpolicy.manifests.model import Discovery, Limits
from kpolicy.records import dataclass

#: A tree with fewer files and fewer bytes is scanned as soon as it is looked up.
SMALLEST = 24
SMALLEST_BYTES = 128 * 1024
#: Files that are read as soon as an index is written.
_FEW = 8


@dataclass(frozen=True, slots=True)
class Recalled:
    """Kept results, and what has changed since."""

    state: State
    now: Columns
    changes: Changes
    packed: Packed | None = None
    """Where the rest of the state is, where it is not at hand."""

    def whole(self) -> bool:
        """Return whether all of the state is at hand; reads what was not needed so far."""
        if self.state.prints:
            return True
        return self.packed is not None and load_rest(self.packed, self.state)

    @property
    def is_current(self) -> bool:
        """Whether nothing has to be evaluated."""
        return not self.changes.any

    @property
    def is_dated(self) -> bool:
        """Whether so many files were read to know that nothing changed that a new index pays."""
        return self.changes.read > _FEW

    def redated(self) -> State:
        """Return the state with the numbers that the files have now. Only where it is current."""
        self.whole()
        head = msgspec.structs.replace(
            self.state.head, stats=self.now.stats.numbers.tobytes(), taken=self.now.stats.taken
        )
        return replace(self.state, head=head)

    def tally(self) -> Tally:
        """Return what the files yielded. Only where it is current."""
        return tally_of(self.state, self.now)

    def ran(self) -> Ran:
        """Return what a report needs besides."""
        return ran_of(self.state, self.now)


def tally_of(state: State, now: Columns) -> Tally:
    """Return what the files of a state yielded, in their order, as the phases would."""
    found = now.found
    tally = Tally(invalid=list(found.invalid), skipped=list(found.skipped), notes=list(found.notes))
    for position in sorted(state.had):
        each = state.had[position]
        tally.findings += each.local
        tally.findings += each.joined
        tally.annotated.update(each.annotated)
        tally.invalid += each.invalid
        tally.skipped += each.skipped
        tally.notes += each.notes
    if state.head.copies is not None:
        tally.notes.append(state.head.copies)
    tally.digest = state.head.digest
    counts = numbers_of(state.head.counts, "I")
    tally.documents = sum(counts[0::3])
    tally.resource_count = sum(counts[1::3])
    tally.evaluations = sum(counts[2::3])
    tally.uncommented = {
        file.path
        for file, commented in zip(now.files, state.head.commented, strict=True)
        if not commented
    }
    return tally


def ran_of(state: State, now: Columns) -> Ran:
    """Return what a report needs to know of a state's policies and files."""
    head = state.head
    files = {file.path: file for file in now.files}
    return Ran(files, tuple(head.policies), tuple(head.late))


@dataclass(frozen=True, slots=True)
class Memory:
    """Where the results of one tree, with one set of policies and settings, are kept."""

    path: Path
    limits: Limits
    texts: Mapping[str, str]
    """The policy files that the key stands for."""

    def recall(self, found: Discovery) -> Recalled | None:
        """Return what is kept, and how the files found differ from it; None where nothing is."""
        now = self.columns(found)
        if now is None:
            return None
        packed = Packed.open(self.path)
        if packed is None:
            return None
        state = load(packed)
        if state is None:
            return None
        touch(self.path)
        return Recalled(state, now, compare(state, now, self.limits), packed)

    def columns(self, found: Discovery) -> Columns | None:
        """Return a discovery as it is compared, None where its results are not kept."""
        return columns_of(found, self.limits) if self.is_worth_it(found) else None

    def is_worth_it(self, found: Discovery) -> bool:
        """Return whether a tree is large enough for its results to be kept."""
        files = found.files
        return len(files) >= SMALLEST or sum(file.size for file in files) >= SMALLEST_BYTES

    def keep(self, state: State) -> bool:
        """Write a state; return whether that could be done."""
        try:
            parts = dump(state)
        except (TypeError, ValueError, OverflowError):
            return False
        limit = limit_of()
        if sum(map(len, parts)) > limit or not write_parts(self.path, parts):
            return False
        make_room(self.path.parent, limit)
        return True


def memory_of(request: ScanRequest, toolbox: Toolbox, config: Config) -> Memory | None:
    """Return where the results of a scan are kept, None for a scan whose results are not.

    Not kept are: comparisons with a base, passes and skips, the reference engine's results, what
    comes from standard input, and results of code that no digest stands for.
    """
    if not is_kept(request, toolbox):
        return None
    directory = cache_directory()
    if directory is None or not limit_of():
        return None
    files, python, problems = policy_sources(toolbox, request, config)
    if problems:
        return None
    key = results_key(request, toolbox, config, files, python)
    texts = {file.path: file.text for file in files}
    return Memory(results_path(directory, key), request.limits, texts)


def is_kept(request: ScanRequest, toolbox: Toolbox) -> bool:
    """Return whether a scan is one whose results are kept."""
    return (
        request.cache
        and not request.base
        and not request.results_all
        and not request.param_paths
        and request.engine == "compiled"
        and "-" not in request.targets
        and toolbox.repeatable
        and bool(toolbox.digest)
    )
