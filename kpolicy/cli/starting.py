"""The files that `kpolicy init` writes for a repository: a pure function from facts to texts.

The texts are the files in `starter/`, with `$words` for what differs.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from string import Template
from typing import Literal

from kpolicy.records import dataclass

Forge = Literal["github", "gitlab", "none"]

#: What tells of a forge, by paths in a repository.
_SIGNS: tuple[tuple[str, Forge], ...] = (
    (".github", "github"),
    (".gitlab-ci.yml", "gitlab"),
    (".gitlab", "gitlab"),
)
#: The files of the Argo CD component, and where they go.
ARGOCD = ("kustomization.yaml", "presync.yaml", "presync.sh")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What to write."""

    forge: Forge
    pre_commit: bool = True
    argocd: bool = False
    version: str = ""
    branch: str = "main"
    config: bool = True
    """Whether to write `.kpolicy.yaml`; not where `.kube-linter.yaml` is to be read."""


def forge_of(paths: frozenset[str], remote: str) -> Forge | None:
    """Return the forge of a repository by the paths at its root, or by the address of its remote;
    None where neither tells."""
    for path, forge in _SIGNS:
        if path in paths:
            return forge
    host = remote.partition("://")[2] or remote.rpartition("@")[2]
    forges: tuple[Forge, ...] = ("github", "gitlab")
    for forge in forges:
        if host.startswith(forge) or f".{forge}." in host.partition("/")[0]:
            return forge
    return None


def starter_files(wishes: Wishes) -> dict[str, str]:
    """Return path -> text of all files, whether or not the repository has them."""
    words = {"version": wishes.version, "branch": wishes.branch}
    found: dict[str, str] = {}
    if wishes.config:
        found[".kpolicy.yaml"] = _text("kpolicy.yaml", words)
    if wishes.forge == "github":
        found[".github/workflows/kpolicy.yml"] = _text("github.yml", words)
    elif wishes.forge == "gitlab":
        found["kpolicy.gitlab-ci.yml"] = _text("gitlab.yml", words)
        found[".gitlab-ci.yml"] = _text("gitlab-include.yml", words)
    if wishes.pre_commit:
        found[".pre-commit-config.yaml"] = _text("pre-commit.yaml", words)
    if wishes.argocd:
        for name in ARGOCD:
            found[f"kpolicy-presync/{name}"] = _raw(f"argocd/{name}")
    return found


def by_hand(path: str, text: str) -> str:
    """Return what to add by hand to a file that exists already, "" where nothing is to be done."""
    return text if path in (".gitlab-ci.yml", ".pre-commit-config.yaml") else ""


def _text(name: str, words: Mapping[str, str]) -> str:
    return Template(_raw(f"{name}.tmpl")).substitute(words)


def _raw(name: str) -> str:
    return files("kpolicy.cli").joinpath("starter", *name.split("/")).read_text("utf-8")
