"""The front door: quick to open, every command explained, the reference page current."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from vonggac.cli import front_door

REFERENCE = Path(__file__).parents[2] / "docs" / "cli.md"


def commands(group: click.Group = front_door, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield " ".join((*path, name)), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


COMMANDS = dict(commands())


def test_help_imports_neither_database_nor_video_nor_pages() -> None:
    script = (
        "import sys; sys.argv[1:] = ['--help']\n"
        "from vonggac.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'sqlalchemy', 'av', 'numpy', 'fastapi', 'cryptography', 'alembic', 'rich'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "vonggac init centre" in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_explained(name: str) -> None:
    command = COMMANDS[name]
    assert command.help, name
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.opts}"
    if any(isinstance(parameter, click.Argument) for parameter in command.params):
        assert "Example" in command.help, f"{name} shows no example"


@pytest.mark.parametrize("name", [name for name, command in COMMANDS.items() if not isinstance(command, click.Group)])
def test_every_command_that_reads_a_centre_takes_its_folder_from_the_environment(name: str) -> None:
    for parameter in COMMANDS[name].params:
        if parameter.name == "data":
            assert parameter.envvar == "VONGGAC_DATA"


def test_the_reference_page_is_what_help_prints() -> None:
    # In a process of its own: Click remembers of each command how its help was asked for first.
    printed = subprocess.run([sys.executable, "-m", "vonggac", "help", "--markdown"], capture_output=True, check=True)
    assert REFERENCE.read_bytes() == printed.stdout, "make it anew: vonggac help --markdown > docs/cli.md"


def test_help_of_a_nested_command_is_what_its_own_option_prints() -> None:
    from click.testing import CliRunner

    runner = CliRunner()
    asked = runner.invoke(front_door, ["help", "camera", "add"], prog_name="vonggac").output
    assert asked == runner.invoke(front_door, ["camera", "add", "--help"], prog_name="vonggac").output
