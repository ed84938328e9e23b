"""The program itself: start-up, help, broken pipes, signals; in processes of their own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import Result

from kpolicy import __version__
from kpolicy.cli.main import COMMANDS, main

CHECKOUT = Path(__file__).parents[2]
Run = Callable[..., Result]
Process = Callable[..., subprocess.CompletedProcess[str]]
OWN = ("scan", "--no-builtin", "-p", "policies", "--no-cache", "--jobs", "1")


def commands(group: click.Group = main, prefix: str = "") -> list[tuple[str, click.Command]]:
    """Return every command with its full name."""
    found: list[tuple[str, click.Command]] = []
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        found.append((f"{prefix}{name}", command))
        if isinstance(command, click.Group):
            found += commands(command, f"{prefix}{name} ")
    return found


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], []])
def test_help_lists_every_command_without_importing_it(arguments: list[str], run: Run) -> None:
    result = run(*arguments)
    for name, (_, text) in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(text)}$", result.output, re.M)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_short_help_is_the_command_s_own(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.get_short_help_str(200).rstrip(".") == COMMANDS[name][1].rstrip(".")


@pytest.mark.parametrize("name", [name for name, _ in commands()])
def test_every_command_has_help_for_itself_and_each_option(name: str, run: Run) -> None:
    result = run(*name.split(), "--help")
    assert result.exit_code == 0
    command = dict(commands())[name]
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.opts


def test_version(process: Process) -> None:
    done = process("--version")
    assert (done.returncode, done.stdout) == (0, f"kpolicy {__version__}\n")


def test_version_loads_no_engine() -> None:
    """Start-up stays within its budget because nothing that is not needed is imported."""
    code = (
        "import sys\nsys.argv = ['kpolicy', '--version']\n"
        "from kpolicy.cli.main import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(sorted({m.split('.')[0] for m in sys.modules}"
        " & {'yaml', 'pyrsistent', 'celpy', 'lark', 'rich', 'pluggy', 'msgspec'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=CHECKOUT, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_scan_loads_no_reference_engine_and_no_terminal_library(process: Process) -> None:
    code = (
        "import sys\nfrom kpolicy.cli.main import main\n"
        f"sys.argv = ['kpolicy', *{list(OWN)!r}, 'apps']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(sorted({m.split('.')[0] for m in sys.modules}"
        " & {'celpy', 'lark', 'rich', 'jsonschema', 'hypothesis', 'asyncio', 'jinja2'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "[]"


def test_an_unknown_command_is_told_with_a_suggestion(run: Run) -> None:
    result = run("scna")
    assert result.exit_code == 2
    assert '"scna" is no command; did you mean "scan"?' in result.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str, run: Run) -> None:
    result = run("completion", shell)
    assert result.exit_code == 0
    assert "_KPOLICY_COMPLETE" in result.stdout


def test_completion_answers_with_commands(process: Process) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kpolicy"], capture_output=True, text=True, check=True,
        env={
            **os.environ, "PYTHONPATH": str(CHECKOUT), "_KPOLICY_COMPLETE": "bash_complete",
            "COMP_WORDS": "kpolicy po", "COMP_CWORD": "1",
        },
    )  # fmt: skip
    assert done.stdout.strip() == "plain,policies"


def test_a_scan_in_a_process(process: Process) -> None:
    done = process(*OWN, "apps", "--format", "json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["summary"]["findings"]["warning"] == 1
    assert done.stderr == ""


def test_a_reader_that_goes_away_is_no_error(process: Process, repository: Path) -> None:
    """`kpolicy scan | head -1` prints no traceback and keeps its own status."""
    bad = (repository / "apps" / "bad.yaml").read_text()
    many = "---\n".join(bad.replace("name: bad", f"name: bad{n}") for n in range(3000))
    (repository / "apps" / "many.yaml").write_text(many)
    script = f"{sys.executable} -m kpolicy {' '.join(OWN)} apps | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=True, timeout=60,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "1"
    assert done.stderr == ""


def test_standard_output_that_is_full_is_an_error(process: Process) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "kpolicy", *OWN, "apps", "--format", "json"],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        )  # fmt: skip
    assert done.returncode == 2
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_output_is_utf_8_whatever_the_locale_says(process: Process) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kpolicy", *OWN, "apps"],
        capture_output=True, check=False, timeout=60,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert done.returncode == 1
    assert "│".encode() in done.stdout


def test_ctrl_c_ends_a_waiting_scan(process: Process) -> None:
    running = subprocess.Popen(
        [sys.executable, "-m", "kpolicy", *OWN, "-"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    )  # fmt: skip
    try:
        time.sleep(2)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=30)
    finally:
        running.kill()
    assert running.returncode == 130
    assert out == ""
    assert err.strip() == "kpolicy: interrupted"


def test_standard_output_that_is_closed_is_an_error(process: Process) -> None:
    script = f"{sys.executable} -m kpolicy {' '.join(OWN)} apps >&-"
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=False, timeout=60,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    )  # fmt: skip
    assert done.returncode == 2
    assert "standard output is closed" in done.stderr


def test_a_file_whose_name_is_no_text_is_shown_with_its_line(
    process: Process, repository: Path
) -> None:
    name = os.fsencode(repository / "apps") + b"/od\xffd.yaml"
    Path(os.fsdecode(name)).write_text((repository / "apps" / "bad.yaml").read_text())
    done = process(*OWN, "apps")
    assert done.returncode == 1
    assert "od\\xffd.yaml:7:7" in done.stdout
    assert done.stdout.count("7 │     - name: app") == 2
    for format_ in ("json", "sarif", "junit", "gitlab", "csv", "github"):
        assert process(*OWN, "apps", "--format", format_).returncode == 1


def completed(words: str, directory: Path) -> list[str]:
    """Return what a shell is offered for the last of `words`."""
    done = subprocess.run(
        [sys.executable, "-m", "kpolicy"], capture_output=True, text=True, check=True,
        cwd=directory, timeout=60,
        env={
            **os.environ, "PYTHONPATH": str(CHECKOUT), "_KPOLICY_COMPLETE": "bash_complete",
            "COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1),
        },
    )  # fmt: skip
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("kpolicy explain split-s", ["split-sidecar"]),
        ("kpolicy scan --select host-n", ["host-network"]),
        ("kpolicy scan --select latest-tag,host-n", ["latest-tag,host-network"]),
        ("kpolicy scan --format sa", ["sarif"]),
        ("kpolicy scan --pack kube-l", ["kube-linter"]),
        ("kpolicy trace split-s", ["split-sidecar"]),
        ("kpolicy scan --select zzz", []),
    ],
)
def test_completion_knows_policies_packs_and_formats(
    words: str, offered: list[str], repository: Path
) -> None:
    assert completed(words, repository) == offered
