"""The page `/cameras/new`: an address is checked step by step, its picture shown, and the camera added."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException
from starlette.responses import Response

from vonggac.cameras import pictures, service
from vonggac.cameras.models import Camera
from vonggac.core.clock import utc
from vonggac.core.secrets import SecretBox
from vonggac.shell.doors import Doors
from vonggac.shell.visit import Visit, json_response, redirect
from vonggac.video.health import KIND_WORDS
from vonggac.web.camera_checks import Check, Checks, TooManyChecks
from vonggac.web.camera_form import (
    FIELD_WORDS,
    TRANSPORT_WORDS,
    CameraForm,
    FormReader,
    read_address,
    read_new,
    units_for,
)
from vonggac.web.check_view import check_view

doors = Doors()


class Asked(msgspec.Struct):
    """An address that is to be checked."""

    url: str
    user: str = ""
    password: str = ""
    transport: str = "tcp"
    tls_fingerprint: str = ""


@doors.get("/cameras/new", verb="camera.manage")
async def new_page(visit: Visit) -> Response:
    """Show the empty form."""
    return await _form(visit, CameraForm({"kind": "overview", "transport": "tcp", "keep_picture": "yes"}))


@doors.post("/cameras/new", verb="camera.manage")
async def add_camera(visit: Visit) -> Response:
    """Add a camera; what cannot be kept is shown again with the reasons, and only its password is to be typed anew."""
    reader = FormReader(visit.form(), visit.words)
    check = _checks(visit).find(visit.known.account_id, reader.text("check"))
    open_box: Callable[[], SecretBox] | None = visit.request.app.state.open_box
    if open_box is None:
        raise HTTPException(503)
    box = open_box()

    def add(session: Session) -> Camera | None:
        new = read_new(reader, units_for(session, visit), check.address if check is not None else None)
        if new is None:
            return None
        added = service.add_camera(session, box, new)
        if check is not None and check.jpeg and reader.text("keep_picture") and check.address.url == new.address.url:
            taken_at = utc(visit.shell.clock.now_us())
            pictures.set_picture(session, added, check.jpeg, taken_at, "camera")
        return added

    added = None
    try:
        added = await visit.shell.database.run(add)
    except service.NameTaken as error:
        reader.note("name", error)
    except service.AddressTaken as error:
        reader.note("url", error)
    if added is None:
        return await _form(visit, reader.form, 422)
    _checks(visit).stop(visit.known.account_id)
    return redirect(f"/cameras/{added.number}?notice=added")


@doors.post("/api/cameras/checks", verb="camera.manage")
async def start_check(visit: Visit) -> Response:
    """Begin to check an address; answers what is wrong with it, or the check."""
    asked: Asked = visit.decode(Asked)
    posted = {name: getattr(asked, name) for name in Asked.__struct_fields__}
    reader = FormReader(posted, visit.words)
    address, transport, pin = read_address(reader)
    if reader.sound:
        other = await visit.shell.database.query(_camera_at, address.url)
        if other is not None:
            reader.note("url", service.address_taken(address.url, other.number, other.name))
    if not reader.sound:
        return json_response({"problems": reader.form.problems}, 422)
    try:
        check = _checks(visit).start(Check(visit.known.account_id, address, transport, pin))
    except TooManyChecks as error:
        return json_response({"problems": {"": visit.words.explain(error)}}, 429)
    return json_response(check_view(visit.words, check), 201)


@doors.get("/api/cameras/checks/{check}", verb="camera.manage")
async def look_at_check(visit: Visit) -> Response:
    """Return how far a check is."""
    return json_response(check_view(visit.words, _check(visit)))


@doors.delete("/api/cameras/checks/{check}", verb="camera.manage")
async def stop_check(visit: Visit) -> Response:
    """Break a check off."""
    _check(visit)
    _checks(visit).stop(visit.known.account_id)
    return Response(status_code=204)


@doors.get("/api/cameras/checks/{check}/picture.jpg", verb="camera.manage")
async def picture_of_check(visit: Visit) -> Response:
    """Return the first picture that came."""
    check = _check(visit)
    if check.jpeg is None:
        raise HTTPException(404)
    return Response(check.jpeg, headers={"cache-control": "no-store"}, media_type="image/jpeg")


async def _form(visit: Visit, form: CameraForm, status: int = 200) -> Response:
    choices = await visit.shell.database.query(units_for, visit)
    check = _checks(visit).find(visit.known.account_id, form.get("check"))
    return visit.page(
        "camera_new.html",
        status,
        form=form,
        check_id=check.id if check is not None else "",
        password_known=check is not None
        and check.address.credentials is not None
        and check.address.url == form.get("url"),
        units=choices,
        field_words=FIELD_WORDS,
        transport_words=TRANSPORT_WORDS,
        kind_words=KIND_WORDS,
    )


def _checks(visit: Visit) -> Checks:
    checks: Checks = visit.request.app.state.checks
    return checks


def _check(visit: Visit) -> Check:
    found = _checks(visit).find(visit.known.account_id, visit.request.path_params["check"])
    if found is None:
        raise HTTPException(404)
    return found


def _camera_at(session: Session, url: str) -> Camera | None:
    return session.scalar(sa.select(Camera).where(Camera.url == url, Camera.removed_at.is_(None)))
