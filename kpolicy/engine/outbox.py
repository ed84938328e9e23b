"""Sending results while there is more to do: as far as the pipe holds them, so that nobody waits.

The receiver reads what has come between pieces of its own work; what would block is kept until the
end. Where the system does not tell how full a pipe is (all but Linux), that is everything.
"""

from __future__ import annotations

import sys
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

#: So many bytes are asked for: what an unprivileged process gets at most, unless told otherwise.
_CAPACITY = 1 << 20
#: A write begins a page of the pipe, and its length is written apart.
_SLACK = 2 * 4096


class Outbox:
    """Messages for one pipe."""

    def __init__(self, sender: Connection) -> None:
        self._sender = sender
        self._waiting: deque[bytes] = deque()
        self._capacity = _enlarged(sender.fileno())

    def put(self, message: bytes) -> None:
        """Send a message, after those before it, or keep it where the pipe is too full for it."""
        self._waiting.append(message)
        while self._waiting and self._has_room(len(self._waiting[0])):
            self._sender.send_bytes(self._waiting.popleft())

    def flush(self) -> None:
        """Send what is left, waiting for the receiver."""
        while self._waiting:
            self._sender.send_bytes(self._waiting.popleft())

    def _has_room(self, size: int) -> bool:
        if not self._capacity:
            return False
        return size + _SLACK <= self._capacity - _unread(self._sender.fileno())


def _enlarged(descriptor: int) -> int:
    """Return how many bytes a pipe holds, made larger where it can be; 0 where nobody knows."""
    if sys.platform != "linux":
        return 0
    import fcntl

    try:
        return fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _CAPACITY)
    except OSError:
        # The user has too much memory in pipes: it stays as it is.
        return fcntl.fcntl(descriptor, fcntl.F_GETPIPE_SZ)


def _unread(descriptor: int) -> int:
    """Return how many bytes are in a pipe."""
    import fcntl
    import termios

    count = fcntl.ioctl(descriptor, termios.FIONREAD, b"\0" * 4)
    return int.from_bytes(count, sys.byteorder)
