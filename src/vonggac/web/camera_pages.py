"""The pages `/cameras` and `/cameras/{camera}`: every camera, and everything about one."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException
from starlette.responses import Response

from vonggac.cameras import csv_export, service
from vonggac.cameras.models import Camera
from vonggac.cameras.record import LABELS, LENGTHS
from vonggac.core.errors import VonggacError
from vonggac.core.i18n import N_
from vonggac.core.secrets import SecretBox
from vonggac.core.text import fold
from vonggac.org import service as org
from vonggac.org.models import Unit
from vonggac.shell.doors import Doors
from vonggac.shell.visit import Visit, json_response, redirect
from vonggac.shell.words import Words
from vonggac.video.health import KIND_WORDS, STATE_WORDS, State, health_rows
from vonggac.web.camera_form import (
    FIELD_WORDS,
    TRANSPORT_WORDS,
    CameraForm,
    FormReader,
    UnitChoice,
    form_of,
    read_changes,
    units_for,
)
from vonggac.web.camera_of import camera_of
from vonggac.web.camera_view import CameraPage, ListRow, Present, camera_page, list_rows, present
from vonggac.web.live.words import live_words

doors = Doors()

RECORD_CHOICES: dict[str, str] = {
    "guarantee": N_("Guarantee ends soon or is over"),
    "certificate": N_("Certificate QCVN 135 missing or over"),
}
NOTICES: dict[str, str] = {
    "added": N_("The camera was added. Recording begins by itself within seconds."),
    "saved": N_("The changes are saved. The recorder takes them over by itself."),
    "same": N_("Nothing was changed."),
    "picture": N_("The picture at installation is kept."),
    "no-picture": N_("The picture at installation was deleted."),
    "no-frame": N_("The camera sends no picture now, so none was kept. Try again when it records."),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """What the reader chose to see; stands in the page's address, so that it can be sent to a colleague."""

    search: str
    state: str
    unit: str
    kind: str
    record: str

    def shows(self, row: ListRow) -> bool:
        """Return whether a camera is among what was chosen."""
        health = row.health
        if (self.state and health.state != self.state) or (self.kind and health.kind != self.kind):
            return False
        if (self.unit and health.unit_id.hex != self.unit) or (self.record and self.record not in row.record):
            return False
        found = found_in(row)
        return all(word in found for word in fold(self.search).split())


def found_in(row: ListRow) -> str:
    """Return in what a camera is searched: number, name, unit and place, without accents."""
    return fold(f"{row.health.number} {row.health.name} {row.health.unit_name} {row.place}")


@doors.get("/cameras", verb="camera.view")
async def cameras_page(visit: Visit) -> Response:
    """List the cameras."""
    words, now_us = visit.words, visit.shell.clock.now_us()

    def read(session: Session) -> list[ListRow]:
        return list_rows(session, words, _seen_units(session, visit, "camera.view"), now_us)

    rows = await visit.shell.database.query(read)
    asked = visit.request.query_params
    choice = Choice(
        search=asked.get("q", "")[:100],
        state=asked.get("state", ""),
        unit=asked.get("unit", ""),
        kind=asked.get("kind", ""),
        record=asked.get("record", ""),
    )
    return visit.page(
        "cameras.html",
        rows=rows,
        choice=choice,
        shown=sum(map(choice.shows, rows)),
        found_in=found_in,
        units={row.health.unit_id.hex: row.health.unit_name for row in rows},
        states=[state for state in State if any(row.health.state == state for row in rows)],
        state_words=STATE_WORDS,
        kind_words=KIND_WORDS,
        record_choices=RECORD_CHOICES,
        now_us=now_us,
    )


@doors.get("/cameras.csv", verb="camera.view")
async def cameras_csv(visit: Visit) -> Response:
    """Return the register as CSV: what `vonggac camera import` reads, without user and password."""

    def read(session: Session) -> str:
        seen = _seen_units(session, visit, "camera.view")
        cameras = [camera for camera in service.list_cameras(session) if camera.unit_id in seen]
        return csv_export.export_cameras(session, sorted(cameras, key=lambda camera: camera.number))

    headers = {"content-disposition": 'attachment; filename="cameras.csv"'}
    table = await visit.shell.database.query(read)
    return Response(table.encode(), headers=headers, media_type="text/csv; charset=utf-8")


@doors.get("/api/cameras/states", verb="camera.view")
async def camera_states(visit: Visit) -> Response:
    """Return what each camera does now, in the reader's words."""
    words, now_us = visit.words, visit.shell.clock.now_us()

    def read(session: Session) -> list[dict[str, str]]:
        return [
            {"id": row.id.hex, "state": row.state.value, "words": words.say(STATE_WORDS[row.state])}
            for row in health_rows(session, now_us)
            if visit.may("camera.view", row.unit_id)
        ]

    return json_response({"now_ms": now_us // 1000, "rows": await visit.shell.database.query(read)})


@doors.get("/cameras/{camera}", verb="camera.view")
async def one_camera_page(visit: Visit) -> Response:
    """Show everything about one camera."""
    camera = await camera_of(visit, "camera.view", visit.request.path_params["camera"])
    shell, words = visit.shell, visit.words
    box, now_us = _box(visit), shell.clock.now_us()

    def read(session: Session) -> CameraPage:
        return camera_page(session, session.get_one(Camera, camera.id), words, shell.settings, box, now_us)

    page = await shell.database.query(read)
    notice = NOTICES.get(visit.request.query_params.get("notice", ""), "")
    said = msgspec.json.encode(live_words(visit.words)).decode()
    return visit.page("camera.html", page=page, camera=camera, notice=notice, live_words=said)


@doors.get("/api/cameras/{camera}/present", verb="camera.view")
async def camera_present(visit: Visit) -> Response:
    """Return what changes on the page of a camera, in the reader's words."""
    camera = await camera_of(visit, "camera.view", visit.request.path_params["camera"])
    words, now_us = visit.words, visit.shell.clock.now_us()

    def read(session: Session) -> Present:
        return present(session, camera, words, now_us)

    return json_response(await visit.shell.database.query(read))


@doors.get("/cameras/{camera}/edit", verb="camera.manage")
async def edit_page(visit: Visit) -> Response:
    """Show the form of a camera."""
    camera = await camera_of(visit, "camera.manage", visit.request.path_params["camera"])
    return await _edit_form(visit, camera, form_of(camera))


@doors.post("/cameras/{camera}/edit", verb="camera.manage")
async def edit_camera(visit: Visit) -> Response:
    """Change a camera; what cannot be kept is shown again with the reasons, and nothing that was typed is lost."""
    camera = await camera_of(visit, "camera.manage", visit.request.path_params["camera"])
    reader = FormReader(visit.form(), visit.words)
    box = _box(visit)

    def change(session: Session) -> bool:
        stored = session.get_one(Camera, camera.id)
        choices = units_for(session, visit)
        changes = read_changes(reader, stored, choices, lambda: service.credentials(stored, box))
        return bool(changes and service.edit_camera(session, box, stored, changes))

    try:
        changed = await visit.shell.database.run(change)
    except service.ChangedMeanwhile as error:
        current = await camera_of(visit, "camera.manage", camera.id.hex)
        _show_conflict(reader.form, form_of(current))
        reader.note("", error)
        return await _edit_form(visit, current, reader.form, 409)
    except service.NameTaken as error:
        reader.note("name", error)
    except service.AddressTaken as error:
        reader.note("url", error)
    except service.CredentialsWanted as error:
        reader.note(error.column, error)
    except VonggacError as error:
        reader.note("", error)
    if not reader.sound:
        return await _edit_form(visit, camera, reader.form, 422)
    return redirect(f"/cameras/{camera.number}?notice={'saved' if changed else 'same'}")


async def _edit_form(visit: Visit, camera: Camera, form: CameraForm, status: int = 200) -> Response:
    def read(session: Session) -> tuple[list[UnitChoice], bool]:
        return units_for(session, visit), camera.unit_id in org.recorded_with_audio(session)

    choices, audio = await visit.shell.database.query(read)
    for name, text in form.changed.items():
        form.changed[name] = _in_words(visit.words, choices, name, text)
    return visit.page(
        "camera_edit.html",
        status,
        camera=camera,
        form=form,
        units=choices,
        audio=audio,
        field_words=FIELD_WORDS,
        transport_words=TRANSPORT_WORDS,
        kind_words=KIND_WORDS,
    )


def _in_words(words: Words, choices: list[UnitChoice], name: str, text: str) -> str:
    """Return the text of a form's field as its reader knows it: a unit by its name, a day as he writes it."""
    if name == "unit":
        return next((choice.name for choice in choices if choice.id == text), text)
    if name == "enabled":
        return words.say("yes") if text else words.say("no")
    if name in ("kind", "transport"):
        return words.say((KIND_WORDS | TRANSPORT_WORDS).get(text, text))
    if text and name not in LENGTHS and name in LABELS:
        return words.day(date.fromisoformat(text))
    return text


def _show_conflict(form: CameraForm, current: CameraForm) -> None:
    """Put beside each field what somebody else has written meanwhile; saving again then means it."""
    for name, text in current.values.items():
        if name != "version" and form.get(name).split() != text.split():
            form.changed[name] = text
    form.values["version"] = current.values["version"]


def _seen_units(session: Session, visit: Visit, verb: str) -> set[uuid.UUID]:
    return {unit_id for unit_id in session.scalars(sa.select(Unit.id)) if visit.may(verb, unit_id)}


def _box(visit: Visit) -> SecretBox:
    open_box: Callable[[], SecretBox] | None = visit.request.app.state.open_box
    if open_box is None:
        raise HTTPException(503)
    return open_box()
