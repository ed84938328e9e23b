"""What a worker sends while it works waits for nobody, and comes whole and in order."""

from __future__ import annotations

import os
import sys
import threading
from multiprocessing import Pipe
from multiprocessing.connection import Connection

import pytest

from kpolicy.engine import outbox as module
from kpolicy.engine.outbox import Outbox

MESSAGES = [os.urandom(size) for size in (10, 70_000, 3, 900_000, 200_000, 0, 3_000_000, 40)]


def drain(reader: Connection, into: list[bytes]) -> None:
    into.extend(reader.recv_bytes() for _ in MESSAGES)


@pytest.mark.parametrize("capacity", ["enlarged", "as it is", "unknown"])
def test_nothing_waits_for_the_reader_until_the_end(
    capacity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if capacity == "as it is":
        monkeypatch.setattr(module, "_CAPACITY", 1 << 40)  # refused
    if capacity == "unknown":
        monkeypatch.setattr(module, "_enlarged", lambda descriptor: 0)
    reader, writer = Pipe(duplex=False)
    outbox = Outbox(writer)
    for message in MESSAGES:
        outbox.put(message)  # nobody reads: it would wait for ever if it waited
    got: list[bytes] = []
    thread = threading.Thread(target=drain, args=(reader, got))
    thread.start()
    outbox.flush()
    thread.join()
    assert got == MESSAGES


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how full a pipe is")
def test_what_fits_comes_before_the_end() -> None:
    reader, writer = Pipe(duplex=False)
    outbox = Outbox(writer)
    outbox.put(b"x" * 20_000)
    assert reader.poll()
    assert reader.recv_bytes() == b"x" * 20_000
