"""The front door: the command `vonggac`. Every command lives in its own package and is imported when it is used."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import click

from vonggac.core.commands import LateCommand, LateGroup

_WIDTH = 110
_HELP = ["-h", "--help"]

_SECTIONS: dict[str, dict[str, LateCommand]] = {
    "Start": {
        "demo": LateCommand("vonggac.sim.demo:demo", "Try it: a simulated district and the centre that records it."),
        "init": LateCommand("vonggac.initialise:init", "Make a centre, or bring an existing one up to date."),
        "up": LateCommand("vonggac.roles:up", "Start the centre: record every camera and serve the pages."),
        "run": LateCommand("vonggac.roles:run_one", "Run one role of the centre by itself."),
    },
    "Units and cameras": {
        "unit": LateCommand("vonggac.org.commands:unit", "The tree of units: list, add, import."),
        "camera": LateCommand(
            "vonggac.cameras.commands:camera", "The cameras: add, list, show, edit, check, import, export."
        ),
    },
    "Recordings": {
        "recordings": LateCommand(
            "vonggac.video.commands:recordings", "What is recorded of a camera, and what is not."
        ),
        "clip": LateCommand("vonggac.video.commands:clip", "Cut an interval of a camera into an MP4 file."),
        "availability": LateCommand(
            "vonggac.video.account.commands:availability",
            "How much of the time was recorded, and where the rest went.",
        ),
        "hold": LateCommand("vonggac.video.archive.holds_commands:hold", "Keep footage from being deleted."),
        "storage": LateCommand(
            "vonggac.video.retention.commands:storage",
            "How many days are held, when the disks are full, what goes next.",
        ),
        "archive": LateCommand("vonggac.video.archive.commands:archive", "The recordings on disk."),
    },
    "Operation": {
        "doctor": LateCommand("vonggac.core.commands:doctor", "Say what is wrong with this machine, and what to do."),
        "backup": LateCommand("vonggac.core.commands:backup", "Save database, settings and keys in one file."),
        "restore": LateCommand("vonggac.core.commands:restore", "Make a centre from a backup."),
        "settings": LateCommand("vonggac.core.commands:settings", "Print every setting with its meaning."),
    },
    "Model railway": {
        "sim": LateCommand("vonggac.sim.commands:sim", "The simulated cameras: serve them, break them."),
    },
}

_EXAMPLES = """
\b
A first centre:
  vonggac init centre --admin trucban1 --password-file password.txt
  vonggac camera add "Chợ Liên Nghĩa" rtsp://192.0.2.10/stream1 --data centre
  vonggac up --data centre

Every command that needs the centre takes --data DIR, or the variable VONGGAC_DATA.

Exit status: 0 done, 1 failed (the reason is on standard error), 2 wrong usage.
"""


class FrontDoor(LateGroup):
    """The commands in sections, so that a newcomer finds the first one to type."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, commands in _SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, command.summary) for name, command in commands.items()])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        command = super().get_command(ctx, cmd_name)
        if cmd_name == "camera" and isinstance(command, LateGroup):
            # Checking a camera needs the RTSP client, which stands above the registry.
            command.late.setdefault("check", _CAMERA_CHECK)
        return command


_CAMERA_CHECK = LateCommand("vonggac.video.check_command:check", "Connect to a camera and say what is found.")


@click.group(
    cls=FrontDoor,
    late={name: command for commands in _SECTIONS.values() for name, command in commands.items()},
    context_settings={"help_option_names": _HELP, "max_content_width": _WIDTH},
    epilog=_EXAMPLES,
)
@click.version_option(package_name="vonggac", prog_name="vonggac")
def front_door() -> None:
    """Vọng Gác, the software of a local security operations centre: records the cameras of a district."""


@front_door.command("help", hidden=True)
@click.argument("words", nargs=-1, metavar="[COMMAND]...")
@click.option("--markdown", is_flag=True, help="Print the help of all commands as Markdown (docs/cli.md).")
@click.pass_context
def show_help(context: click.Context, words: tuple[str, ...], markdown: bool) -> None:
    """Show the help of a command.

    \b
    Example:
      vonggac help camera add
    """
    root = context.find_root()
    if markdown:
        click.echo(reference(), nl=False)
        return
    here = click.Context(
        root.command, info_name=root.info_name, help_option_names=_HELP, max_content_width=root.max_content_width
    )
    for word in words:
        command = here.command.get_command(here, word) if isinstance(here.command, click.Group) else None
        if command is None:
            raise click.UsageError(f"There is no command `{' '.join(words)}`. `vonggac --help` lists them all.")
        here = click.Context(command, info_name=word, parent=here)
    click.echo(here.get_help())


_WideContext = partial(click.Context, terminal_width=_WIDTH, max_content_width=_WIDTH)


def reference() -> str:
    """Return the help of all commands as Markdown: docs/cli.md."""
    lines = [
        "# The command line",
        "",
        "Made by `vonggac help --markdown`; a test compares. Every command is described by `--help` as well.",
        "",
    ]
    for path, text in _helps(_WideContext(front_door, info_name="vonggac", help_option_names=_HELP)):
        lines += [f"{'#' * min(len(path) + 1, 4)} `{' '.join(path)}`", "", "```text", text.rstrip(), "```", ""]
    return "\n".join(lines).rstrip() + "\n"


def _helps(context: click.Context) -> Iterator[tuple[list[str], str]]:
    yield context.command_path.split(" "), context.get_help()
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            command = context.command.get_command(context, name)
            if command is not None and not command.hidden:
                yield from _helps(_WideContext(command, info_name=name, parent=context))


def main() -> None:
    """Run the command line; does not return."""
    front_door(prog_name="vonggac")
