"""Settings: the file `vonggac.toml` in the data folder, and environment variables that win over it.

Every option is a field below, with what it means; docs/settings.md is made from here (`vonggac settings`). The variable
of option `key` in section `[section]` is `VONGGAC_SECTION_KEY`.
"""

from __future__ import annotations

import os
import tomllib
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from vonggac.core.errors import NotInitialised, SettingsError

FILE_NAME = "vonggac.toml"
PREFIX = "VONGGAC_"


class CentreSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The centre itself."""

    name: Annotated[str, Meta(description="Name of the centre, shown on every page.")] = "Vọng Gác"
    zone: Annotated[str, Meta(description="Time zone in which times are shown (IANA name).")] = "Asia/Ho_Chi_Minh"
    language: Annotated[
        Literal["vi", "en"], Meta(description="Language of the pages for a browser that asks for neither.")
    ] = "vi"


class DatabaseSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Where the state is kept."""

    url: Annotated[
        str,
        Meta(
            description="Empty: SQLite in the data folder. Otherwise PostgreSQL: `postgresql+psycopg://user@host/name`."
        ),
    ] = ""


class WebSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The pages."""

    host: Annotated[str, Meta(description="Address on which pages are served.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="Port of the pages; 0 takes a free one.")] = 8080
    unseen_hours: Annotated[
        int,
        Meta(
            ge=0,
            le=168,
            description="The wall names cameras that nobody has looked at live for so many hours; 0: none.",
        ),
    ] = 3


class MetricsSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Prometheus metrics of the roles that serve no pages (`web` serves its own at /metrics)."""

    host: Annotated[str, Meta(description="Address on which roles serve `/metrics`.")] = "127.0.0.1"
    recorder_port: Annotated[
        int,
        Meta(ge=-1, le=65535, description="Port of the recorder's metrics; 0 takes a free one, -1 serves none."),
    ] = 8081
    keeper_port: Annotated[
        int,
        Meta(ge=-1, le=65535, description="Port of the keeper's metrics; 0 takes a free one, -1 serves none."),
    ] = 8082


class RecorderSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Recording."""

    processes: Annotated[
        int,
        Meta(ge=1, le=64, description="Recorder processes among which the cameras are shared out, by their numbers."),
    ] = 1
    read_pause_ms: Annotated[
        int,
        Meta(
            ge=0,
            le=1000,
            description="A camera nobody watches is read this seldom; 0 reads at every arrival.",
        ),
    ] = 200
    recording_seconds: Annotated[
        int, Meta(ge=5, le=600, description="Length of one file; it ends at the next key frame after it.")
    ] = 60
    sync_seconds: Annotated[
        float,
        Meta(ge=0.5, le=300, description="After a power cut at most this much of each camera is lost."),
    ] = 10.0
    stall_seconds: Annotated[
        float,
        Meta(ge=1, le=60, description="No picture for so long (looked at every second): the connection is made anew."),
    ] = 4.0
    key_frame_seconds: Annotated[
        float,
        Meta(
            ge=5,
            le=3600,
            description="Pictures without a key frame for so long: the camera counts as away and is asked anew.",
        ),
    ] = 60.0
    clock_tolerance_seconds: Annotated[
        float,
        Meta(ge=1, le=86400, description="By how much a camera's own clock may be off before a fault is raised."),
    ] = 10.0
    connect_timeout_seconds: Annotated[
        float, Meta(ge=1, le=60, description="A camera that has not answered by then counts as timed out.")
    ] = 10.0
    connects_at_once: Annotated[
        int,
        Meta(
            ge=1, le=1000, description="Cameras being connected to at the same moment; one that hangs loses its turn."
        ),
    ] = 16
    sub_streams: Annotated[
        Literal["watched", "always"],
        Meta(
            description="When the cameras' sub-streams are played: while somebody watches them, or always, so that "
            "the first picture is there at once. They are never recorded."
        ),
    ] = "watched"
    write_queue_mb: Annotated[
        int,
        Meta(ge=8, le=65536, description="What may wait for a slow disk, all cameras together, in megabytes."),
    ] = 256


class StorageSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Where recordings lie."""

    media: Annotated[
        tuple[str, ...],
        Meta(description="Folders of recordings (volumes), made by `init`; relative ones lie in the data folder."),
    ] = ("media",)
    reserve_mb: Annotated[
        int, Meta(ge=16, description="Space that recording leaves free on each volume, in megabytes.")
    ] = 1024
    margin_minutes: Annotated[
        int,
        Meta(
            ge=1,
            le=1440,
            description="Old recordings are deleted while there is room for fewer minutes of recording, all cameras "
            "together, above the reserve.",
        ),
    ] = 10
    min_days: Annotated[
        int,
        Meta(
            ge=0,
            le=36500,
            description="Days every camera's recordings are kept at least, where the camera says nothing else. Less is "
            "kept only when the disk is full, and is a fault.",
        ),
    ] = 30
    max_days: Annotated[
        int,
        Meta(
            ge=0,
            le=36500,
            description="Days after which recordings are deleted even if there is space; 0: kept until there is none.",
        ),
    ] = 0


class ClipSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Clips that people copy on the pages, kept in the folder `clips` of the data folder until they are fetched."""

    keep_hours: Annotated[int, Meta(ge=1, le=720, description="Hours after which a clip is deleted.")] = 24
    max_gb: Annotated[
        float,
        Meta(
            ge=0.1,
            le=10000,
            description="What all clips together may take, in gigabytes. A clip beyond it is refused, and so is one "
            "that would leave less free on its disk than `storage.reserve_mb`.",
        ),
    ] = 20.0


class LogSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The log, on standard error."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="Least important line that is written."),
    ] = "info"
    format: Annotated[
        Literal["auto", "json", "text"], Meta(description="`auto`: text on a terminal, JSON lines elsewhere.")
    ] = "auto"


class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """All settings of one data folder."""

    centre: CentreSettings = CentreSettings()
    database: DatabaseSettings = DatabaseSettings()
    web: WebSettings = WebSettings()
    metrics: MetricsSettings = MetricsSettings()
    recorder: RecorderSettings = RecorderSettings()
    storage: StorageSettings = StorageSettings()
    clips: ClipSettings = ClipSettings()
    log: LogSettings = LogSettings()


@dataclass(frozen=True, slots=True)
class Option:
    """One option, as the documentation shows it."""

    section: str
    key: str
    kind: str
    default: Any
    meaning: str
    bounds: str = ""

    @property
    def variable(self) -> str:
        """Name of the environment variable that sets it."""
        return f"{PREFIX}{self.section}_{self.key}".upper()


def options() -> Iterator[Option]:
    """Yield every option in the order of the file."""
    for section in msgspec.structs.fields(Settings):
        hints = typing.get_type_hints(section.type, include_extras=True)
        for field in msgspec.structs.fields(section.type):
            annotated = hints[field.name]
            plain, meta = typing.get_args(annotated)[:2]
            kind = getattr(plain, "__name__", str(plain)).replace("typing.", "")
            if typing.get_origin(plain) is Literal:
                kind = " or ".join(f'"{choice}"' for choice in typing.get_args(plain))
            bounds = [f"from {meta.ge}"] if meta.ge is not None else []
            bounds += [f"to {meta.le}"] if meta.le is not None else []
            yield Option(section.name, field.name, kind, field.default, meta.description or "", " ".join(bounds))


def markdown() -> str:
    """Return every option with its meaning, default and variable: docs/settings.md."""
    words = {"str": "text", "int": "whole number", "float": "number", "tuple": "list of texts"}
    lines = [
        "# Settings",
        "",
        f"Settings stand in the file `{FILE_NAME}` of the data folder. Each has a default and may be left out. An",
        "environment variable wins over the file; in it a list is written with commas. A role reads them when it",
        "starts. An unknown name or a value of the wrong kind stops it with a message that names the option.",
        "",
        "This page is what `vonggac settings` prints.",
    ]
    section = ""
    for option in options():
        if option.section != section:
            section = option.section
            about = next(field.type.__doc__ for field in msgspec.structs.fields(Settings) if field.name == section)
            lines += ["", f"## `[{section}]`", "", str(about), ""]
            lines += ["| option | variable | value | default | meaning |", "|---|---|---|---|---|"]
        value = ", ".join(filter(None, (words.get(option.kind, option.kind), option.bounds)))
        default = list(option.default) if isinstance(option.default, tuple) else option.default
        shown = msgspec.json.encode(default).decode()
        lines.append(f"| `{option.key}` | `{option.variable}` | {value} | `{shown}` | {option.meaning} |")
    return "\n".join(lines) + "\n"


def parse(text: str, environment: Mapping[str, str], source: str = FILE_NAME) -> Settings:
    """Return the settings of a file's text and the environment; SettingsError names what is wrong and where."""
    try:
        tree: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{source} is not valid TOML: {error}.") from error
    for option in options():
        if (value := environment.get(option.variable)) is None:
            continue
        section = tree.setdefault(option.section, {})
        if isinstance(section, dict):
            section[option.key] = value.split(",") if option.kind == "tuple" else value
            source_of_value = option.variable
            _check_one(option, section[option.key], source_of_value)
    _refuse_unknown_variables(environment)
    try:
        return msgspec.convert(tree, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{source}: {_plain(error)}") from error


def _refuse_unknown_variables(environment: Mapping[str, str]) -> None:
    known = {option.variable for option in options()}
    sections = tuple(f"{PREFIX}{field.name}_".upper() for field in msgspec.structs.fields(Settings))
    for name in environment:
        if name.startswith(sections) and name not in known:
            raise SettingsError(f"The environment variable {name} is no setting. `vonggac settings` lists them all.")


def load(data: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of a data folder; NotInitialised when there is no settings file in it."""
    path = data / FILE_NAME
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise NotInitialised(f"{data} holds no centre. Make one with: vonggac init {data}") from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.") from error
    return parse(text, os.environ if environment is None else environment, str(path))


def _check_one(option: Option, value: Any, source: str) -> None:
    section = next(field.type for field in msgspec.structs.fields(Settings) if field.name == option.section)
    try:
        msgspec.convert({option.key: value}, section, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"The environment variable {source}: {_plain(error)}") from error


def _plain(error: msgspec.ValidationError) -> str:
    message, _, where = str(error).partition(" - at ")
    return f"{message}{' at ' + where.strip('`').removeprefix('$.') if where else ''}."
