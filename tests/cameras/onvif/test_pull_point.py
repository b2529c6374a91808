"""A subscription from the first question to the last, with the simulated cameras' service over real sockets."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vonggac.cameras.address import Credentials
from vonggac.cameras.onvif import pull_point
from vonggac.cameras.onvif.client import Answer, exchange
from vonggac.cameras.onvif.errors import OnvifError, Reason
from vonggac.cameras.onvif.messages import Notification, username_token
from vonggac.cameras.onvif.motion import HOLDS_S, MotionState, said_of_motion
from vonggac.cameras.onvif.pull_point import HttpResponse, PullPoint, Step
from vonggac.core.clock import SystemClock
from vonggac.sim import digest
from vonggac.sim.onvif import TOPICS, OnvifCamera, OnvifServer

KNOWN = Credentials("admin", "một mật khẩu")
CLOCK = SystemClock()


async def ask(point: PullPoint) -> list[Notification]:
    """One request and its answer."""
    seconds = CLOCK.monotonic_ns() / 1e9
    return point.answer(await exchange(point.request(CLOCK.now_us(), seconds)), CLOCK.now_us(), seconds)


async def until_subscribed(point: PullPoint) -> list[str]:
    """Ask until the camera tells; return what was asked."""
    asked = []
    while not point.subscribed:
        asked.append(point.step.value)
        await ask(point)
    return asked


def with_camera(
    camera: OnvifCamera, do: Callable[[OnvifServer, PullPoint], Awaitable[None]], known: Credentials | None = KNOWN
) -> None:
    async def run() -> None:
        async with OnvifServer({7: camera}, credentials=digest.Credentials(KNOWN.user, KNOWN.password)) as server:
            await do(server, PullPoint(server.address(7), known))

    asyncio.run(run())


@pytest.mark.parametrize("topic", list(TOPICS))
def test_a_camera_tells_that_something_moves_and_moves_no_more(topic: str) -> None:
    camera, state = OnvifCamera(topic=topic), MotionState()

    async def do(server: OnvifServer, point: PullPoint) -> None:
        assert await until_subscribed(point) == [Step.TIME, Step.SERVICES, Step.SUBSCRIBE]
        state.take(await ask(point), 0)
        assert not state.moves(0)
        for moves in (True, False):
            asking = asyncio.create_task(ask(point))
            await asyncio.sleep(0.05)
            camera.move(moves)
            state.take(await asking, 1)
            assert state.moves(1) is moves
        assert point.leave()
        await ask(point)
        assert point.step is Step.OVER
        assert camera.subscriptions == {}

    with_camera(camera, do)


def test_a_camera_whose_clock_is_wrong_by_years_is_logged_in_to_by_its_own_clock() -> None:
    async def do(server: OnvifServer, point: PullPoint) -> None:
        await until_subscribed(point)
        assert abs(point.clock_offset_us / 1e6 + timedelta(days=2000).total_seconds()) < 5

    with_camera(OnvifCamera(clock_off=timedelta(days=-2000)), do)


@pytest.mark.parametrize(("year", "month", "day"), [(9999, 12, 31), (1, 1, 1)])
def test_a_camera_whose_clock_stands_at_the_end_of_the_calendar_is_logged_in_to_by_ours(
    year: int, month: int, day: int
) -> None:
    point = PullPoint("http://192.0.2.1/onvif/device_service", KNOWN)
    point.request(CLOCK.now_us(), 0)
    says = (
        f"<Envelope><Body><UTCDateTime><Time><Hour>23</Hour><Minute>59</Minute><Second>59</Second></Time><Date>"
        f"<Year>{year}</Year><Month>{month}</Month><Day>{day}</Day></Date></UTCDateTime></Body></Envelope>"
    )
    point.answer(HttpResponse(200, [], says.encode()), CLOCK.now_us(), 0)
    for seconds in (-2_000_000_000, 0, 2):  # the first: our own clock was set back by decades
        assert b"UsernameToken" in point.request(CLOCK.now_us() + seconds * 1_000_000, 0).body
    assert point.clock_offset_us == 0


def test_a_camera_that_knows_no_services_is_asked_for_capabilities_and_another_host_in_them_counts_for_nothing() -> (
    None
):
    async def do(server: OnvifServer, point: PullPoint) -> None:
        asked = await until_subscribed(point)
        assert asked == [Step.TIME, Step.SERVICES, Step.CAPABILITIES, Step.SUBSCRIBE]

    with_camera(OnvifCamera(knows_services=False), do)


def test_a_camera_that_wants_http_digest_gets_it_and_no_token() -> None:
    async def do(server: OnvifServer, point: PullPoint) -> None:
        await until_subscribed(point)
        request = point.request(CLOCK.now_us(), CLOCK.monotonic_ns() / 1e9)
        assert b"Authorization: Digest" in request.head
        assert b"UsernameToken" not in request.body

    with_camera(OnvifCamera(asks_digest=True), do)


@pytest.mark.parametrize("by_digest", [False, True])
@pytest.mark.parametrize("known", [None, Credentials("admin", "wrong")])
def test_who_has_not_the_password_is_told_so_and_asks_no_further(known: Credentials | None, by_digest: bool) -> None:
    camera = OnvifCamera(asks_digest=by_digest)

    async def do(server: OnvifServer, point: PullPoint) -> None:
        with pytest.raises(OnvifError) as caught:
            await until_subscribed(point)
        assert caught.value.reason is Reason.UNAUTHORISED
        assert "wrong" not in str(caught.value)
        assert len(camera.asked) <= 5

    with_camera(camera, do, known)


def test_a_subscription_is_renewed_when_half_of_it_is_over_and_made_anew_where_that_is_not_possible() -> None:
    for renews, then in ((True, Step.RENEW), (False, Step.SUBSCRIBE)):
        camera = OnvifCamera(renews=renews)

        async def do(server: OnvifServer, point: PullPoint, then: Step = then) -> None:
            await until_subscribed(point)
            later = CLOCK.monotonic_ns() / 1e9 + pull_point.TERM_S / 2 + 1
            request = point.request(CLOCK.now_us(), later)
            assert point.step is Step.RENEW
            point.answer(await exchange(request), CLOCK.now_us(), later)
            assert point.step is (Step.PULL if then is Step.RENEW else Step.SUBSCRIBE)
            while point.step is not Step.PULL:
                await ask(point)

        with_camera(camera, do)


def test_a_subscription_that_the_camera_has_forgotten_is_gone() -> None:
    camera = OnvifCamera()

    async def do(server: OnvifServer, point: PullPoint) -> None:
        await until_subscribed(point)
        camera.forget()
        with pytest.raises(OnvifError) as caught:
            await ask(point)
        assert caught.value.reason is Reason.GONE

    with_camera(camera, do)


def test_the_token_is_that_of_onvifs_own_example() -> None:
    # ONVIF Application Programmer's Guide §6.1.1.3: nonce, time and password of its example, and the digest it gives.
    nonce = base64.b64decode("LKqI6G/AikKCQrN0zqZFlg==")
    token = username_token(Credentials("user", "userpassword"), nonce, 1_284_623_445_000_000)
    assert "<u:Created>2010-09-16T07:50:45Z</u:Created>" in token
    assert ">tuOSpGlFlIXsozq4HFNeeGeFLEI=<" in token
    assert "userpassword" not in token


def test_nothing_answers_where_nothing_is() -> None:
    async def run() -> None:
        point = PullPoint("http://127.0.0.1:1/onvif/device_service", None)
        with pytest.raises(OnvifError, match="cannot be reached"):
            await ask(point)

    asyncio.run(run())


@pytest.mark.parametrize("address", ["http://[::1", "http://x:99999/", "http://h/a b", "http://h/" + "x" * 5000])
def test_an_address_that_makes_no_sense_is_refused(address: str) -> None:
    with pytest.raises(OnvifError, match="no sense"):
        PullPoint("http://192.0.2.1/onvif/device_service", None)._where(address)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([200, 400, 401, 404, 500]), st.binary(max_size=80)), max_size=8))
def test_no_sequence_of_answers_raises_anything_but_what_is_documented(answers: list[tuple[int, bytes]]) -> None:
    point, said = PullPoint("http://192.0.2.1/onvif/device_service", KNOWN), ""
    try:
        for number, (status, body) in enumerate(answers):
            point.request(0, number)
            wrapped = b"<Envelope><Body>" + body.replace(b"<", b"") + b"</Body></Envelope>"
            point.answer(HttpResponse(status, ['Digest realm="x", nonce="y"'], wrapped), 0, number)
    except OnvifError as error:
        said = str(error)
    assert KNOWN.password not in said


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.booleans(), st.integers(1, 40))
def test_http_however_broken_raises_only_what_is_documented(data: bytes, headed: bool, step: int) -> None:
    whole = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + data if headed else data
    answer = Answer()
    with contextlib.suppress(OnvifError):
        for at in range(0, len(whole), step):
            answer.take(whole[at : at + step])
        answer.take(b"")


@pytest.mark.parametrize(
    "head", [b"101 Switching Protocols\r\nUpgrade: websocket", b"200 OK\r\nUpgrade: h2c\r\nContent-Length: 3"]
)
def test_a_camera_that_wants_to_speak_another_protocol_is_not_followed(head: bytes) -> None:
    answer = Answer()
    with contextlib.suppress(OnvifError):
        answer.take(b"HTTP/1.1 " + head + b"\r\nConnection: Upgrade\r\n\r\nabc")
        assert answer.complete


@pytest.mark.parametrize("step", [1, 1000])
def test_what_comes_behind_the_end_of_an_answer_changes_nothing_of_it(step: int) -> None:
    answer = Answer()
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
    data = whole + b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nContent-Length: 1\r\n\r\nd"
    for at in range(0, len(data), step):
        if not answer.complete:
            answer.take(data[at : at + step])
    got = answer.response()
    assert (got.status, got.challenges, got.body) == (200, [], b"abc")


def message(topic: str, operation: str = "Changed", **data: str) -> Notification:
    return Notification(topic, operation, (), data)


def test_messages_of_other_things_say_nothing_of_motion() -> None:
    assert said_of_motion(message("Device/Trigger/DigitalInput", LogicalState="true")) is None
    assert said_of_motion(message("VideoSource/ImageTooDark/ImagingService", State="true")) is None
    assert said_of_motion(message("VideoSource/MotionAlarm", State="perhaps")) is None
    assert said_of_motion(message("VideoSource/MotionAlarm", State="1")) is True
    assert said_of_motion(message("VideoSource/MotionAlarm", "Deleted", State="true")) is False


def test_motion_that_a_camera_never_takes_back_is_over_after_ten_minutes() -> None:
    state = MotionState()
    state.take([message("VideoSource/MotionAlarm", State="true")], 0)
    assert state.moves(HOLDS_S - 1)
    assert not state.moves(HOLDS_S)
