"""Ends a call that does not return, where the platform can (an interval timer, main thread)."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Overdue(BaseException):
    """A call that took too long. Not an `Exception`, so that no `except Exception` keeps it."""


class DidNotReturn(TimeoutError):
    """A call that the timer ended; a `TimeoutError` of the called code's own is none."""


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Raise `DidNotReturn` in the body after `seconds`; 0 = no limit.

    Works in the main thread on systems with interval timers and does nothing elsewhere. An
    outer timer that is running is left alone: the outer limit then serves for both.
    """
    if not seconds or not _can() or signal.getitimer(signal.ITIMER_REAL)[0]:
        yield
        return

    running = True

    def ring(_number: int, _frame: FrameType | None) -> None:
        # A ring that comes when the body has just ended must not reach the code after it.
        if running:
            raise Overdue

    before = signal.signal(signal.SIGALRM, ring)
    # The interval rings again should the first ring be swallowed.
    signal.setitimer(signal.ITIMER_REAL, seconds, 0.1)
    try:
        try:
            yield
        finally:
            running = False
    except Overdue:
        raise DidNotReturn(f"did not return within {seconds:g} s") from None
    finally:
        running = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _can() -> bool:
    import threading

    return hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
