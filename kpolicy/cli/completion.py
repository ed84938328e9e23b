"""`kpolicy completion`: the script that teaches a shell kpolicy's words."""

from __future__ import annotations

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script for a shell.

    bash: add `eval "$(kpolicy completion bash)"` to ~/.bashrc.
    zsh: the same with zsh, in ~/.zshrc.
    fish: `kpolicy completion fish > ~/.config/fish/completions/kpolicy.fish`.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(ctx.find_root().command, {}, "kpolicy", "_KPOLICY_COMPLETE").source())
