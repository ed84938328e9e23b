"""`kpolicy init`: configuration, CI, pre-commit and Argo CD files for a repository."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from kpolicy.cli.starting import Forge


@click.command()
@click.option(
    "-d", "--directory", default=".", metavar="DIR", show_default=True,
    help="The root of the repository.",
)  # fmt: skip
@click.option(
    "--ci", type=click.Choice(["github", "gitlab", "none"]), default=None,
    help="Which CI to write for (default: what the repository or its remote tells; else asked).",
)  # fmt: skip
@click.option(
    "--pre-commit/--no-pre-commit", default=True, show_default=True,
    help="Write a hook for pre-commit.",
)  # fmt: skip
@click.option(
    "--argocd", is_flag=True, help="Write the component with the PreSync hook for Argo CD."
)
@click.option("--dry-run", is_flag=True, help="Say what would be written, and write nothing.")
def init(**options: Any) -> int:
    """Write configuration, CI and hooks for a repository.

    Nothing that exists is overwritten; what to add to such a file is printed.
    """
    from kpolicy import __version__
    from kpolicy.cli.starting import Wishes, by_hand, starter_files
    from kpolicy.errors import Problem, UsageError

    root = Path(options["directory"])
    if not root.is_dir():
        raise UsageError(Problem(f"{root} is no directory", None, "name the repository's root"))
    linted = any((root / name).exists() for name in (".kube-linter.yaml", ".kube-linter.yml"))
    wishes = Wishes(
        forge=options["ci"] or _forge(root),
        pre_commit=options["pre_commit"],
        argocd=options["argocd"],
        version=__version__,
        branch=_git(root, "symbolic-ref", "--short", "HEAD") or "main",
        config=not linted,
    )
    if linted:
        click.echo("left   .kpolicy.yaml: .kube-linter.yaml is read as long as there is none")
    for name, text in starter_files(wishes).items():
        path = root / name
        if path.exists():
            click.echo(f"left   {name}: it exists")
            added = by_hand(name, text)
            if added and added not in path.read_text("utf-8", "replace"):
                click.echo("       add to it:")
                click.echo("".join(f"         {line}\n" for line in added.splitlines()), nl=False)
            continue
        click.echo(f"{'would write' if options['dry_run'] else 'wrote '} {name}")
        if not options["dry_run"]:
            _write(path, text)
    click.echo("Try it: kpolicy scan .")
    return 0


def _write(path: Path, text: str) -> None:
    from kpolicy.errors import Problem, UsageError

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(Problem(f"{path} cannot be written: {reason}")) from error


def _forge(root: Path) -> Forge:
    """Return the forge that the repository tells of; ask on a terminal, else write for none."""
    from kpolicy.cli.outputs import is_terminal
    from kpolicy.cli.starting import forge_of

    paths = frozenset(entry.name for entry in root.iterdir())
    found = forge_of(paths, _git(root, "remote", "get-url", "origin"))
    if found is not None:
        return found
    if is_terminal(sys.stdin):
        answer: Forge = click.prompt(
            "Which CI?", type=click.Choice(["github", "gitlab", "none"]), default="none"
        )
        return answer
    return "none"


def _git(root: Path, *arguments: str) -> str:
    """Return what git says, "" where it says nothing or is not there."""
    import subprocess

    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
