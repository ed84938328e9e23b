"""The local phase in several processes: shards by bytes, results merged in the order of files."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

from kpolicy.config.model import Config
from kpolicy.engine.collector import without_collector
from kpolicy.engine.local import LocalEvaluator, Settings
from kpolicy.engine.outbox import Outbox
from kpolicy.engine.plan import Plan
from kpolicy.engine.request import ScanRequest, Toolbox, ToolboxFactory
from kpolicy.engine.tally import Tally
from kpolicy.manifests.model import ManifestFile
from kpolicy.records import dataclass

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from kpolicy.engine.findings import Placer
    from kpolicy.engine.join import JoinEvaluator
    from kpolicy.engine.rows import Row
    from kpolicy.snapshot.resource import Resource

#: The next shard is what each process would have of what is left, divided by this ...
_PARTS = 4
#: ... but no shorter than it would be if each process had so many of the whole.
_SHORTEST = 96


@dataclass(frozen=True, slots=True)
class Shard:
    """A run of files that stand together."""

    number: int
    files: tuple[ManifestFile, ...]
    size: int


def shards_of(files: Sequence[ManifestFile], count: int) -> list[Shard]:
    """Return the files in about `count` runs of about equal bytes, in order."""
    return _runs(files, lambda whole, left: whole / max(1, count))


def tapering_shards(files: Sequence[ManifestFile], processes: int) -> list[Shard]:
    """Return the files in runs, in order, for so many processes that take one when they are free.

    They are long at first and short in the end, when somebody waits for the last of them.
    """
    most = min(processes * _SHORTEST, MOST - 1)
    return _runs(files, lambda whole, left: max(left / (processes * _PARTS), whole / most))


def _runs(files: Sequence[ManifestFile], size_of_next: Callable[[int, int], float]) -> list[Shard]:
    """Return runs of the size that is asked for: of the whole, and of what is left of it."""
    # A small file costs more than its bytes.
    weights = [file.size + 500 for file in files]
    whole = left = sum(weights)
    wanted = size_of_next(whole, left)
    shards: list[Shard] = []
    run: list[ManifestFile] = []
    size = 0
    for file, weight in zip(files, weights, strict=True):
        run.append(file)
        size += weight
        if size >= wanted:
            shards.append(Shard(len(shards), tuple(run), size))
            left -= size
            wanted = size_of_next(whole, left)
            run, size = [], 0
    if run:
        shards.append(Shard(len(shards), tuple(run), size))
    return shards


class Claims:
    """Numbers that processes take from one another, each one once: the bytes in a pipe.

    Whoever is free takes the next one, so that a core that is slower for a while does less.
    """

    def __init__(self, reader: Connection) -> None:
        self._reader = reader

    @classmethod
    def upto(cls, count: int) -> Claims:
        """Return claims for the numbers below `count`, at most `MOST`."""
        from multiprocessing import Pipe

        reader, writer = Pipe(duplex=False)
        # They fit into any pipe; where the writing end is closed, its end is seen.
        os.write(writer.fileno(), bytes(range(count)))
        writer.close()
        return cls(reader)

    def __iter__(self) -> Iterator[int]:
        """Yield the numbers that this process gets."""
        # One byte is read by one process whole.
        while taken := os.read(self._reader.fileno(), 1):
            yield taken[0]

    def close(self) -> None:
        """Take no more in this process."""
        self._reader.close()


#: How many numbers a byte tells apart.
MOST = 256


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a process that was not forked makes its plan from. All of it can be pickled."""

    factory: ToolboxFactory
    request: ScanRequest
    config: Config

    def plan(self) -> Plan:
        """Return the plan, made again in this process."""
        from kpolicy.engine.plan import make_plan

        return make_plan(self.factory.make(), self.request, self.config)


def parallel_phase(
    plan: Plan,
    settings: Settings,
    files: Sequence[ManifestFile],
    jobs: int,
    toolbox: Toolbox,
    request: ScanRequest,
    config: Config,
) -> Tally:
    """Run the local phase in `jobs` processes, this one among them; bodies are not kept.

    A worker that dies does no harm: what it had is done again here.
    """
    shards = tapering_shards(files, jobs)
    claims = Claims.upto(len(shards))
    others = min(jobs, len(shards)) - 1
    workers = [
        _start(plan, settings, shards, claims, toolbox, request, config) for _ in range(others)
    ]
    done: dict[int, Tally] = {}
    # One for all shards: it learns from each.
    here = LocalEvaluator(plan, settings, guess=True, at_hand=True)
    try:
        with without_collector():
            read = 0
            for number in claims:
                shard = shards[number]
                done[number] = here.over(shard.files)
                for worker in workers:
                    if worker is not None:
                        worker.gather()
                if request.progress is not None:
                    # The others are as fast, for all that is known.
                    read += len(shard.files) * (1 + others)
                    request.progress("scanning", min(read, len(files)), len(files))
            for worker in workers:
                if worker is not None:
                    done.update(worker.results())
            for shard in shards:
                if shard.number not in done:
                    done[shard.number] = here.over(shard.files)
    except BaseException:
        for worker in workers:
            if worker is not None:
                worker.stop()
        raise
    finally:
        claims.close()
    whole = Tally()
    for number in sorted(done):
        whole.add(done[number])
    return whole


class _Worker:
    """A child process and the pipe on which its results come."""

    def __init__(self, process: Any, receiver: Connection) -> None:
        self._process = process
        self._receiver = receiver
        self._found: dict[int, Tally] = {}
        self._ended = False

    def gather(self) -> None:
        """Take what has come so far."""
        while not self._ended and self._receiver.poll():
            self._take()

    def results(self) -> dict[int, Tally]:
        """Return what the worker found, by shard, when it is done; where it died, what it sent."""
        try:
            while not self._ended:
                self._take()
        except BaseException:
            # Ctrl-C: the worker heeds no signal but this one, and may be waiting to be read.
            self.stop()
            raise
        finally:
            self._receiver.close()
            self._process.join()
        return self._found

    def _take(self) -> None:
        try:
            received = self._receiver.recv()
        except (EOFError, OSError):
            received = None
        if received is None:
            self._ended = True
        else:
            number, tally = received
            self._found[number] = tally

    def stop(self) -> None:
        """End the worker, whatever it is doing."""
        self._process.terminate()


def _start(
    plan: Plan,
    settings: Settings,
    shards: Sequence[Shard],
    claims: Claims,
    toolbox: Toolbox,
    request: ScanRequest,
    config: Config,
) -> _Worker | None:
    """Start a worker: forked where that is safe, else from the toolbox's factory."""
    fork = _may_fork()
    if not fork and toolbox.factory is None:
        return None
    source: Plan | Recipe = plan
    if not fork:
        assert toolbox.factory is not None
        bare = replace(request, progress=None, config=None)
        source = Recipe(toolbox.factory, plain(bare), plain(config))
        settings = plain(settings)
    return _launch("fork" if fork else "spawn", _work, source, settings, tuple(shards), claims)


def _may_fork() -> bool:
    """Return whether a fork is safe: no other thread can hold a lock that nobody would release."""
    import threading

    return sys.platform == "linux" and threading.active_count() == 1


def _launch(method: str, target: Callable[..., None], *args: Any) -> _Worker:
    """Start a process that calls `target` with `args` and the end of a pipe for its results."""
    import multiprocessing

    context: Any = multiprocessing.get_context(method)
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=target, args=(*args, sender), daemon=True)
    process.start()
    sender.close()
    return _Worker(process, receiver)


def plain(value: Any) -> Any:
    """Return a copy of a value made of dataclasses in which every mapping is a `dict`.

    Read-only views of mappings cannot be pickled.
    """
    if is_dataclass(value) and not isinstance(value, type):
        changed = {f.name: plain(getattr(value, f.name)) for f in fields(value)}
        return replace(value, **changed)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(plain, value))
    if isinstance(value, (list, tuple)):
        return tuple(plain(item) for item in value)
    return value


#: Fewer open rows than this are settled sooner than a process is forked.
_WORTH_A_FORK = 1_500


def settle_in_two(
    evaluator: JoinEvaluator,
    pairs: Sequence[tuple[Resource, Row]],
    placer: Placer,
    tally: Tally,
) -> None:
    """Settle open rows, where that is safe and worth it with a forked process for the second half.

    The child has the indexes as they are; what it finds comes after what is found here, in order.
    """
    worker = None
    half = len(pairs)
    if half >= _WORTH_A_FORK and _may_fork():
        half //= 2
        worker = _launch("fork", _settle_there, evaluator, pairs[half:], placer)
    try:
        _settle(evaluator, pairs[:half], placer, tally)
        rest = None if worker is None else worker.results().get(0)
    except BaseException:
        if worker is not None:
            worker.stop()
        raise
    if rest is not None:
        tally.add(rest)
    elif half < len(pairs):
        _settle(evaluator, pairs[half:], placer, tally)


def _settle(
    evaluator: JoinEvaluator,
    pairs: Sequence[tuple[Resource, Row]],
    placer: Placer,
    tally: Tally,
) -> None:
    for resource, row in pairs:
        evaluator.settle(resource, row, placer, tally)


def _settle_there(
    evaluator: JoinEvaluator,
    pairs: Sequence[tuple[Resource, Row]],
    placer: Placer,
    sender: Connection,
) -> None:
    def results() -> Iterator[tuple[int, Tally]]:
        found = Tally()
        _settle(evaluator, pairs, placer, found)
        if evaluator.reads is not None:
            found.reads = evaluator.reads.by_file()
        yield 0, found

    _send(results, sender)


def _work(
    source: Plan | Recipe,
    settings: Settings,
    shards: Sequence[Shard],
    claims: Claims,
    sender: Connection,
) -> None:
    """What a worker process does. A failure ends it; the caller does its work again."""

    def results() -> Iterator[tuple[int, Tally]]:
        plan = source.plan() if isinstance(source, Recipe) else source
        evaluator = LocalEvaluator(plan, settings, guess=True)
        for number in claims:
            yield number, evaluator.over(shards[number].files)

    _send(results, sender)


def _send(results: Callable[[], Iterable[tuple[int, Tally]]], sender: Connection) -> None:
    """Work out the results and send them; a failure ends the process."""
    import gc
    import pickle
    import signal

    # Ctrl-C is the caller's business; a worker ends with it, or when its pipe is gone.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()
    try:
        outbox = Outbox(sender)
        for result in results():
            outbox.put(pickle.dumps(result, -1))
        outbox.flush()
        sender.send(None)
    except Exception:
        # The caller sees the pipe end, does this work again and meets the same failure, if any,
        # in its own process.
        os._exit(1)
    sender.close()
