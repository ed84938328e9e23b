"""A call that does not return is ended, and nothing else is."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from kpolicy.engine.deadline import deadline


def test_a_loop_is_ended_in_time() -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError, match=r"did not return within 0\.1 s"), deadline(0.1):
        while True:
            pass
    assert time.monotonic() - began < 5


def test_a_sleep_is_ended_in_time() -> None:
    with pytest.raises(TimeoutError), deadline(0.05):
        time.sleep(30)


def test_what_returns_is_left_alone_and_no_timer_is_left() -> None:
    before = signal.getsignal(signal.SIGALRM)
    for _ in range(100):
        with deadline(5):
            pass
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is before


def test_other_exceptions_pass_through() -> None:
    with pytest.raises(ValueError, match="mine"), deadline(5):
        raise ValueError("mine")
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_swallowing_exceptions_does_not_help() -> None:
    with pytest.raises(TimeoutError), deadline(0.1):
        while True:
            try:
                while True:
                    pass
            except Exception:
                continue


def test_an_outer_limit_serves_for_both() -> None:
    with pytest.raises(TimeoutError, match=r"0\.1 s"), deadline(0.1), deadline(60):
        while True:
            pass


def test_zero_is_no_limit() -> None:
    with deadline(0):
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_other_threads_have_no_limit_and_no_failure() -> None:
    seen: list[str] = []

    def work() -> None:
        with deadline(0.01):
            time.sleep(0.05)
        seen.append("done")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == ["done"]
