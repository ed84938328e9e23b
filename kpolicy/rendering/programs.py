"""Helm and Kustomize as child processes: where they are found, and how they are kept in bounds."""

# Where a program stands is the system's business.
# ruff: noqa: PTH111, PTH117

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from kpolicy.records import dataclass
from kpolicy.rendering.settings import RenderSettings

__all__ = ["Failed", "Programs", "find_programs"]

#: Bytes that a program may write.
_LARGEST = 128 * 1024 * 1024
_LARGEST_ERROR = 64 * 1024
#: Bytes of memory that a program may map.
_MEMORY = 8 << 30


class Failed(Exception):
    """A program ended with an error, or was ended; the message is for the user."""


@dataclass(frozen=True, slots=True)
class Found:
    """The programs by their purpose, as absolute paths; "" = not there."""

    helm: str = ""
    kustomize: str = ""


def find_programs(settings: RenderSettings) -> Found:
    """Return where the programs are: those that are configured, else those on PATH.

    A relative entry of PATH does not count: the current directory may be the scanned one.
    """
    kustomize = _located(settings.kustomize or "kustomize")
    if not kustomize and not settings.kustomize:
        kustomize = _located("kubectl")
    return Found(_located(settings.helm or "helm"), kustomize)


def _located(program: str) -> str:
    expanded = os.path.expanduser(program)
    if os.sep in expanded and not os.path.isabs(expanded):
        return ""
    found = shutil.which(expanded)
    return found if found is not None and os.path.isabs(found) else ""


def environment(home: Path) -> dict[str, str]:
    """Return the environment of a program: its own empty home, no way to others or out.

    PATH is empty, so that neither git nor a plugin is found; the proxies lead nowhere.
    """
    nowhere = "http://127.0.0.1:9"
    made = {
        "HOME": str(home),
        "PATH": "",
        "TMPDIR": str(home),
        "LC_ALL": "C",
        "KUBECONFIG": str(home / "kubeconfig"),
        "GIT_ALLOW_PROTOCOL": "none",
        "HTTP_PROXY": nowhere,
        "HTTPS_PROXY": nowhere,
        "http_proxy": nowhere,
        "https_proxy": nowhere,
        "HELM_PLUGINS": str(home / "plugins"),
        "HELM_NO_PLUGINS": "1",
    }
    for name in ("CACHE", "CONFIG", "DATA"):
        made[f"HELM_{name}_HOME"] = str(home / name.lower())
        made[f"XDG_{name}_HOME"] = str(home / name.lower())
    if sys.platform == "win32":
        made["SYSTEMROOT"] = os.environ.get("SYSTEMROOT", "")
    return made


class Programs:
    """Runs programs, from several threads; `stop` ends all that run."""

    def __init__(self, found: Found, seconds: float) -> None:
        self.found = found
        self.seconds = seconds
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def run(self, command: Sequence[str], cwd: Path, home: Path) -> bytes:
        """Return what a program writes. Raises `Failed`."""
        name = Path(command[0]).name
        try:
            with self._lock:
                if self._stopped:
                    raise Failed("was interrupted")
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    cwd=cwd,
                    env=environment(home),
                    start_new_session=True,
                )
                self._running.add(process)
        except OSError as error:
            raise Failed(f"{name} cannot be run: {error.strerror or error}") from None
        try:
            _bound_memory(process)
            return self._result(process, name)
        finally:
            with self._lock:
                self._running.discard(process)

    def _result(self, process: subprocess.Popen[bytes], name: str) -> bytes:
        out, error = _Drain(process.stdout, _LARGEST), _Drain(process.stderr, _LARGEST_ERROR)
        out.on_overflow = lambda: _kill(process)
        out.start()
        error.start()
        late = False
        try:
            process.wait(self.seconds)
        except subprocess.TimeoutExpired:
            late = True
        finally:
            # The group too: what the program started must not outlive it.
            _kill(process)
            process.wait()
            out.join()
            error.join()
        if late:
            raise Failed(f"{name} took longer than {self.seconds:g} s and was ended")
        if out.overflowed:
            raise Failed(f"{name} wrote more than {_LARGEST >> 20} MiB and was ended")
        if process.returncode:
            words = bytes(error.data).decode("utf-8", "replace").strip()
            raise Failed(words or f"{name} ended with status {process.returncode}")
        return bytes(out.data)

    def stop(self) -> None:
        """End what runs; nothing more is started."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                _kill(process)


class _Drain(threading.Thread):
    """Reads a pipe to its end and keeps the first bytes of it."""

    def __init__(self, stream: IO[bytes] | None, limit: int) -> None:
        super().__init__(daemon=True)
        assert stream is not None
        self.stream = stream
        self.limit = limit
        self.data = bytearray()
        self.overflowed = False
        self.on_overflow: Callable[[], None] = lambda: None

    def run(self) -> None:
        with contextlib.suppress(OSError, ValueError), self.stream:
            while part := self.stream.read1(1 << 16):  # type: ignore[attr-defined]
                room = self.limit - len(self.data)
                self.data += part[:room]
                if len(part) > room and not self.overflowed:
                    self.overflowed = True
                    self.on_overflow()


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)


def _bound_memory(process: subprocess.Popen[bytes]) -> None:
    """Bound the memory of a child, where the system lets its parent do so."""
    if sys.platform == "linux":
        import resource

        with contextlib.suppress(OSError, ValueError):
            resource.prlimit(process.pid, resource.RLIMIT_AS, (_MEMORY, _MEMORY))
