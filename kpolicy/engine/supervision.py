"""Plugin calls that never come back: seen from another process, and ended with the one they are in.

An interval timer ends what returns to the interpreter now and then. A loop in C never does, and no
thread of its process can do anything about it. So work that calls plugins' code is done in a child
process, which notes in shared memory what it is calling since when; the parent reads that, kills
the child with all its workers, and has the work done again without what did not return.
"""

from __future__ import annotations

import mmap
import os
import pickle
import struct
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from kpolicy.errors import Problem

if TYPE_CHECKING:
    from io import BytesIO

T = TypeVar("T")

#: Seconds, at most, that the timer has to end a call before its process is killed.
GRACE = 1.0
_POLL = 0.05
#: A note: process, unit (from 1; 0 = no call), when it began.
_NOTE = struct.Struct("<qqd")
_NOTES = 1024
_UNITS = 4096
_SIZE = _NOTE.size * _NOTES + _UNITS
_NO_MORE = "; it is not called again"
_HINT = "--disable-plugin NAME goes without the plugin"


class Ended(TimeoutError):
    """A call of something that did not return before; it is not called again."""


class PluginCalls:
    """The calls of plugins' code in a scan, and which of it is not called any more.

    `problems` is where failures are recorded; `seconds` how long one call may take (0 = for ever).
    """

    def __init__(self, seconds: float, problems: list[Problem]) -> None:
        self.seconds = seconds
        self.problems = problems
        self.owner = os.getpid()
        """The process whose records are read in the end, or sent to the one whose are."""
        self.any = False
        """Whether there is something to call in work that can be supervised."""
        self.is_supervised = False
        """Whether this is a process that another one watches."""
        self._units: dict[str, int] = {}
        self._names: list[str] = []
        self._ended: dict[int, str] = {}
        self.told: dict[int, Problem] = {}
        """What was recorded of the units that are not called any more."""
        self._memory: mmap.mmap | None = None
        self._slot = (0, 0)

    def unit(self, name: str, *, loading: bool = False) -> int:
        """Return the number of something that can be called, by what messages call it.

        `loading` = it is called before the work that can be supervised.
        """
        self.any = self.any or not loading
        number = self._units.get(name)
        if number is None:
            self._names.append(name)
            number = self._units[name] = len(self._names)
        return number

    @contextmanager
    def call(self, unit: int) -> Iterator[None]:
        """Note a call while the body runs, and end it in time where a timer can.

        Raises `Ended` when the unit did not return before, and `DidNotReturn` when it does not now;
        both are `TimeoutError`s.
        """
        from kpolicy.engine.deadline import DidNotReturn, deadline

        if unit in self._ended:
            raise Ended(self._ended[unit])
        memory = self._memory
        if memory is None:
            memory = self._memory = mmap.mmap(-1, _SIZE)
        process = os.getpid()
        if self._slot[0] != process:
            # Processes of one scan are numbered close to each other.
            self._slot = (process, process % _NOTES * _NOTE.size)
        at = self._slot[1]
        outer = memory[at : at + _NOTE.size]
        _NOTE.pack_into(memory, at, process, unit, time.monotonic())
        try:
            with deadline(self.seconds):
                yield
        except DidNotReturn as error:
            self._ended[unit] = f"{error}{_NO_MORE}"
            if self.is_supervised:
                memory[-_UNITS + unit % _UNITS] = 1
            elif os.getpid() == self.owner:
                self._record(unit, str(error))
            raise
        finally:
            memory[at : at + _NOTE.size] = outer

    def end(self, unit: int, why: str, detail: str = "") -> None:
        """Call a unit no more, and record why."""
        self._ended[unit] = f"{why}{_NO_MORE}"
        self._record(unit, f"{why}{detail}")

    def _record(self, unit: int, what: str) -> None:
        name = self._names[unit - 1]
        problem = Problem(f"{name} {what}; the rest went on without it", None, _HINT)
        self.told[unit] = problem
        self.record(problem)

    @property
    def ended_names(self) -> tuple[str, ...]:
        """What is not called any more, for `forbid` in a process that does not know it."""
        return tuple(self._names[unit - 1] for unit in self._ended)

    def forbid(self, names: Iterable[str]) -> None:
        """Call none of these: they did not return in the process that made this one."""
        for name in names:
            self._ended[self.unit(name, loading=True)] = f"did not return{_NO_MORE}"

    @property
    def is_lost(self) -> bool:
        """Whether nobody reads what this process records."""
        return not self.is_supervised and os.getpid() != self.owner

    def overdue(self) -> list[int]:
        """Return the units that a timer ended in some process of the supervised work."""
        flags = b"" if self._memory is None else self._memory[-_UNITS:]
        known = range(1, len(self._names) + 1)
        return [unit for unit in known if flags[unit % _UNITS] and unit not in self._ended]

    def record(self, problem: Problem) -> None:
        """Record a failure once."""
        if problem not in self.problems:
            self.problems.append(problem)

    def going_on(self) -> dict[int, tuple[int, float]]:
        """Return (unit, when it began) of the calls that go on, by process."""
        if self._memory is None:
            return {}
        return {
            process: (unit, began)
            for process, unit, began in _NOTE.iter_unpack(self._memory[:-_UNITS])
            if unit
        }

    def prepare(self) -> None:
        """Make the shared memory, empty: before a child is made."""
        if self._memory is None:
            self._memory = mmap.mmap(-1, _SIZE)
        else:
            self._memory[:] = bytes(len(self._memory))


def supervised(calls: PluginCalls | None, work: Callable[[], T], *, always: bool = False) -> T:
    """Return what `work` returns, which calls plugins' code, whatever that does.

    Where no plugin gave code (unless `always`), or no child can be made safely, it is done in this
    process. The result has to be picklable, and of the state that `work` changes only the records
    come back.
    """
    if calls is None or not (_can_watch(calls) if always else is_supervised(calls)):
        return work()
    while True:
        done, result, overdue = _attempt(calls, work)
        if done:
            made: T = result
            return made
        if not overdue:
            # It failed for a reason of its own: let that show here.
            return work()
        for unit, why, detail in overdue:
            calls.end(unit, why, detail)


def rehearsed(calls: PluginCalls, work: Callable[[], object]) -> None:
    """Do `work` in a child and forget what it gives, so that what does not return is known.

    For work whose result cannot be sent from one process to another, as an imported module: done
    again here, it leaves out what `calls` has ended. Nothing that it prints is seen.
    """
    if not _can_watch(calls):
        return

    def silent() -> None:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nowhere, number)
        work()

    while True:
        _, _, overdue = _attempt(calls, silent)
        if not overdue:
            return
        for unit, why, detail in overdue:
            calls.end(unit, why, detail)


def is_supervised(calls: PluginCalls | None) -> bool:
    """Return whether `supervised` would do work in a child."""
    return calls is not None and calls.any and _can_watch(calls)


def _can_watch(calls: PluginCalls) -> bool:
    """Return whether a child can be made that this process watches; a watched one makes none."""
    import threading

    if not calls.seconds or calls.is_supervised or calls.is_lost:
        return False
    return sys.platform == "linux" and threading.active_count() == 1


#: A unit, what it did, and how that was ended.
_Overdue = tuple[int, str, str]


def _attempt(calls: PluginCalls, work: Callable[[], Any]) -> tuple[bool, Any, Sequence[_Overdue]]:
    """Return (whether it is done, the result, the units that kept it from that)."""
    calls.prepare()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        _be_child(calls, work, writing)
    os.close(writing)
    try:
        content, killed = _watch(calls, reading)
    finally:
        os.close(reading)
        _kill(child)
    if killed:
        return False, None, killed
    late = f"did not return within {calls.seconds:g} s"
    overdue = [(unit, late, "") for unit in calls.overdue()]
    if overdue:
        # Which resources it had answered for depends on luck: all are asked again, without it.
        return False, None, overdue
    if not content:
        return False, None, _blame(calls, child)
    result, problems = pickle.loads(content)
    for problem in problems:
        calls.record(problem)
    return True, result, ()


def _watch(calls: PluginCalls, reading: int) -> tuple[bytes, Sequence[_Overdue]]:
    """Return what the child sends until it ends, or the unit that does not return."""
    import select

    parts: list[bytes] = []
    patience = calls.seconds + min(GRACE, calls.seconds)
    while True:
        if select.select([reading], [], [], _POLL)[0]:
            part = os.read(reading, 1 << 20)
            if not part:
                return b"".join(parts), ()
            parts.append(part)
            continue
        now = time.monotonic()
        for process, (unit, began) in calls.going_on().items():
            if now - began > patience and _is_alive(process):
                late = f"did not return within {calls.seconds:g} s"
                return b"", [(unit, late, " and could not be interrupted")]


def _blame(calls: PluginCalls, child: int) -> Sequence[_Overdue]:
    """Return the unit in whose call the child ended, if it was in one."""
    noted = calls.going_on().get(child)
    return [] if noted is None else [(noted[0], "ended its process", "")]


def _is_alive(process: int) -> bool:
    """Return whether a process still runs: the note of one that was killed stays behind."""
    try:
        status = Path(f"/proc/{process}/stat").read_bytes()
    except OSError:
        return False
    return status.rpartition(b")")[2].split()[:1] != [b"Z"]


def _be_child(calls: PluginCalls, work: Callable[[], Any], writing: int) -> None:
    """Do the work, send what it gives, and end the process."""
    import signal

    try:
        # A group of its own: it is killed together with the workers that it starts.
        os.setpgid(0, 0)
        _die_with_parent()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        calls.owner = os.getpid()
        calls.is_supervised = True
        known = len(calls.problems)
        result = work()
        content = _pickled((result, calls.problems[known:]))
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(content)
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except BaseException:
        os._exit(1)
    os._exit(0)


def _die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent is gone: nobody would watch it then."""
    import ctypes
    import signal

    set_death_signal = 1  # PR_SET_PDEATHSIG of prctl(2)
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(set_death_signal, signal.SIGKILL, 0, 0, 0)


def _pickled(value: Any) -> bytes:
    import io

    out: BytesIO = io.BytesIO()
    _Pickler(out, pickle.HIGHEST_PROTOCOL).dump(value)
    return out.getvalue()


class _Pickler(pickle.Pickler):
    """Read-only views of mappings can be pickled too."""

    def reducer_override(self, value: Any) -> Any:
        if type(value) is MappingProxyType:
            return MappingProxyType, (dict(value),)
        return NotImplemented


def _kill(child: int) -> None:
    import signal

    for end in (os.killpg, os.kill):
        try:
            end(child, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue
    with suppress(ChildProcessError):
        os.waitpid(child, 0)
