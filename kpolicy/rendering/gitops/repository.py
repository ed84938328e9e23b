"""Which URLs name this repository: git's remotes and those that the configuration gives."""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterable
from pathlib import Path

from kpolicy.records import dataclass

__all__ = ["Repository", "normal_url", "remotes_of"]

_SCP = re.compile(r"(?:[^@/]+@)?(?P<host>[^:/]+):(?!//)(?P<path>.+)")
_URL = re.compile(
    r"(?P<scheme>[a-z+]+)://(?:[^@/]*@)?(?P<host>[^:/]*)(?::(?P<port>\d+))?/(?P<path>.*)", re.I
)


def normal_url(url: str) -> str:
    """Return what the ways to write one repository's URL have in common.

    `git@github.com:Acme/Config.git`, `ssh://git@github.com:22/acme/config` and
    `https://token@github.com/acme/config/` are one; that is how Argo CD compares them.
    """
    text = url.strip().lower()
    found = _URL.fullmatch(text) or _SCP.fullmatch(text)
    if found is None:
        return text.rstrip("/").removesuffix(".git")
    parts = found.groupdict()
    port = parts.get("port") or ""
    usual = {"ssh": "22", "https": "443", "http": "80", "git+ssh": "22"}
    host = parts["host"]
    if port and port != usual.get(parts.get("scheme") or ""):
        host = f"{host}:{port}"
    return f"{host}/{parts['path'].strip('/').removesuffix('.git')}"


def remotes_of(root: str) -> tuple[str, ...]:
    """Return the URLs of the remotes of the work tree at `root`, read from git's configuration.

    No program is run. () where there is no repository, or its configuration cannot be read.
    """
    git = Path(root) / ".git"
    try:
        if git.is_file():  # a linked work tree, or a submodule
            git = Path(root, git.read_text(encoding="utf-8").partition("gitdir:")[2].strip())
            common = git / "commondir"
            if common.is_file():
                git = git / common.read_text(encoding="utf-8").strip()
        text = (git / "config").read_text(encoding="utf-8")
        parser = configparser.ConfigParser(strict=False, interpolation=None, allow_no_value=True)
        parser.read_string("\n".join(line.strip() for line in text.splitlines()))
    except (OSError, UnicodeDecodeError, configparser.Error):
        return ()
    found = (
        parser[section].get("url") for section in parser.sections() if section.startswith("remote ")
    )
    return tuple(url for url in found if url)


@dataclass(frozen=True, slots=True)
class Repository:
    """The repository that is scanned."""

    urls: frozenset[str]

    @classmethod
    def of(cls, urls: Iterable[str]) -> Repository:
        """Return the repository that these URLs name, however they are written."""
        return cls(frozenset(map(normal_url, urls)))

    def is_at(self, url: str) -> bool:
        """Return whether a URL names this repository."""
        return bool(url) and normal_url(url) in self.urls
