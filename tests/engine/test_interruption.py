"""Ctrl-C ends a scan with several processes at once, also while a worker waits to be read."""

from __future__ import annotations

import multiprocessing
import signal
import time
from typing import Any

import pytest

from kpolicy.engine.workers import _Worker

pytestmark = pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="workers are forked here"
)


def _stubborn(sender: Any) -> None:
    """Ignore Ctrl-C, as workers do, and write more than a pipe holds."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sender.send_bytes(b"x" * 10_000_000)


class _Interrupted:
    """A pipe's end on which waiting is ended by Ctrl-C."""

    def __init__(self, receiver: Any) -> None:
        self._receiver = receiver

    def recv(self) -> Any:
        time.sleep(0.2)
        raise KeyboardInterrupt

    def close(self) -> None:
        self._receiver.close()


def test_a_worker_that_waits_to_be_read_is_ended() -> None:
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_stubborn, args=(sender,), daemon=True)
    process.start()
    sender.close()
    worker = _Worker(process, _Interrupted(receiver))  # type: ignore[arg-type]
    began = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            worker.results()
        assert time.monotonic() - began < 5
        assert not process.is_alive()
    finally:
        process.kill()
