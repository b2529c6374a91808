"""What programs and players get of recordings: who may, which bytes, what is remembered, why there is nothing."""

from __future__ import annotations

import asyncio
import gzip
import io
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from PIL import Image
from prometheus_client import CollectorRegistry

from peers import sound
from peers.coded import HEIGHT, encode_numbers, picture_number, record
from peers.footage import Footage
from peers.stored_archive import SetClock
from vonggac.shell.bundle import Bundle
from vonggac.shell.models import LookRow
from vonggac.video.activity import service as activity
from vonggac.video.activity.models import Source
from vonggac.video.activity.service import Episode
from vonggac.video.models import GapReason, RecordingState
from vonggac.video.volumes import MARKER
from vonggac.web.application import make_application

BEGIN_MS = 1_795_500_000_000
SECOND = 1_000_000
LAST_MS = BEGIN_MS + 4000
VONGGAC_CAMERA = "Chợ Liên Nghĩa"


@pytest.fixture
def clock() -> SetClock:
    return SetClock((BEGIN_MS + 3_600_000) * 1000)


@pytest.fixture
def application(district: Any, clock: SetClock) -> Any:
    """The application an hour after the recordings of these tests."""
    bundle = Bundle({"main.js": b"// scripts", "style.css": b"* { color: red }", "icon.svg": b"<svg/>"})
    registry = CollectorRegistry()
    return make_application(district.folder.settings, district.database, registry, clock=clock, bundle=bundle)


@pytest.fixture
def footage(district: Any, tmp_path: Path) -> Footage:
    return Footage(district.database, district.cameras[VONGGAC_CAMERA], tmp_path / "media")


@pytest.fixture
def groups() -> Any:
    return encode_numbers(60, group=15, b_frames=3).groups()


def looks(district: Any) -> list[tuple[str, int | None, int | None]]:
    with district.database.read() as session:
        return [(row.kind, row.from_us, row.to_us) for row in session.scalars(sa.select(LookRow).order_by(LookRow.id))]


def run(client: Any, work: Coroutine[Any, Any, Any]) -> Any:
    async def whole() -> Any:
        await client.log_in()
        return await work

    return asyncio.run(whole())


def playlist(more: str = "", camera: str = "1", *, until: int = LAST_MS) -> str:
    return f"/playback/{camera}/playlist.m3u8?from={BEGIN_MS}&to={until}{more}"


def test_a_playlist_names_what_the_recording_route_serves_byte_for_byte(
    client: Any, footage: Footage, groups: Any, district: Any
) -> None:
    key = footage.put(BEGIN_MS * 1000, record(groups))

    async def work() -> None:
        answer = await client.get(playlist(), page=False)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/vnd.apple.mpegurl"
        assert answer.headers["cache-control"] == "no-store"
        assert looks(district) == []  # a list of addresses is no picture
        lines = answer.text.splitlines()
        assert f'#EXT-X-MAP:URI="recording/{key}.mp4",BYTERANGE="' in answer.text
        whole = await client.get(f"/playback/1/recording/{key}.mp4", page=False)
        assert (whole.status_code, whole.headers["accept-ranges"]) == (200, "bytes")
        assert looks(district) == [("playback", BEGIN_MS * 1000, LAST_MS * 1000)]
        at = 0
        for line in lines:
            if line.startswith("#EXT-X-BYTERANGE:"):
                size, offset = map(int, line.partition(":")[2].split("@"))
                part = await client.get(
                    f"/playback/1/recording/{key}.mp4", page=False, range=f"bytes={offset}-{offset + size - 1}"
                )
                assert (part.status_code, len(part.content)) == (206, size)
                assert part.headers["content-range"] == f"bytes {offset}-{offset + size - 1}/{len(whole.content)}"
                assert part.content == whole.content[offset : offset + size]
                assert offset >= at
                at = offset + size
        assert at == len(whole.content)
        assert len(looks(district)) == 1

    run(client, work())


@pytest.mark.parametrize("piece", [1, 7, 997])
def test_however_a_range_cuts_heads_of_groups_its_bytes_are_the_same(
    piece: int, client: Any, footage: Footage, groups: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vonggac.web.media_out.PIECE", piece)
    monkeypatch.setattr("vonggac.web.playback_media.PIECE", piece)
    key = footage.put(BEGIN_MS * 1000, record(groups[:2]))

    async def work() -> None:
        whole = (await client.get(f"/playback/1/recording/{key}.mp4?shift=90000", page=False)).content
        for begin in (0, 700, 735, 801, 1000, len(whole) - 1):
            part = await client.get(
                f"/playback/1/recording/{key}.mp4?shift=90000", page=False, range=f"bytes={begin}-{begin + 150}"
            )
            assert part.content == whole[begin : begin + 151]

    run(client, work())


def test_ranges_that_cannot_be_satisfied_conditions_and_heads_are_answered_as_http_has_them(
    client: Any, footage: Footage, groups: Any, district: Any
) -> None:
    recorded = record(groups)
    key = footage.put(BEGIN_MS * 1000, recorded)
    address = f"/playback/1/recording/{key}.mp4"

    async def work() -> None:
        behind = await client.get(address, page=False, range=f"bytes={len(recorded.data)}-")
        assert (behind.status_code, behind.headers["content-range"]) == (416, f"bytes */{len(recorded.data)}")
        head = await client.http.head(address, headers={"range": "bytes=0-9"})
        assert (head.status_code, head.headers["content-length"]) == (200, str(len(recorded.data)))
        assert (head.content, looks(district)) == (b"", [])
        etag = head.headers["etag"]
        same = await client.get(address, page=False, range="bytes=0-9", if_range=etag)
        other = await client.get(address, page=False, range="bytes=0-9", if_range='"other"')
        assert (same.status_code, len(same.content)) == (206, 10)
        assert (other.status_code, len(other.content)) == (200, len(recorded.data))

    run(client, work())


def test_only_recordings_of_that_camera_are_served_under_its_address_and_nothing_without_a_right(
    client: Any, footage: Footage, groups: Any
) -> None:
    key = footage.put(BEGIN_MS * 1000, record(groups))
    still = f"/playback/1/still.jpg?at={BEGIN_MS}"
    paths = [playlist(), f"/playback/1/recording/{key}.mp4", f"/playback/1/key/{key}/0.m4s", still]
    paths += [f"/api/timeline?camera=1&from={BEGIN_MS}&to={LAST_MS}", f"/api/moment?camera=1&at={BEGIN_MS}"]

    async def work() -> None:
        for path in paths:
            assert (await client.get(path, page=False)).status_code == 401, path
        await client.log_in("khach1")
        for path in paths:
            assert (await client.get(path, page=False)).status_code == 403, path
        client.http.cookies.clear()
        await client.log_in()
        for path in (f"/playback/2/recording/{key}.mp4", f"/playback/2/key/{key}/0.m4s"):
            assert (await client.get(path, page=False)).status_code == 404, path
        for path in (f"/playback/1/recording/{key + 1}.mp4", f"/playback/1/recording/{10**30}.mp4"):
            assert (await client.get(path, page=False)).json()["error"] == "gone"
        assert (await client.get("/playback/99/playlist.m3u8?from=1&to=2", page=False)).status_code == 404
        for path in paths:
            assert (await client.get(path, page=False)).status_code == 200, path

    asyncio.run(work())


def test_a_disk_that_is_away_a_file_that_is_gone_and_one_cut_short_are_said_in_words(
    client: Any, footage: Footage, groups: Any
) -> None:
    key = footage.put(BEGIN_MS * 1000, record(groups))
    paths = [f"/playback/1/recording/{key}.mp4", f"/playback/1/key/{key}/0.m4s", f"/playback/1/still.jpg?at={BEGIN_MS}"]

    async def errors() -> list[tuple[int, str]]:
        answers = [await client.get(path, page=False) for path in paths]
        assert all(answer.json()["words"] for answer in answers)
        return [(answer.status_code, answer.json()["error"]) for answer in answers]

    async def work() -> None:
        file = footage.file(key)
        data = file.read_bytes()
        file.write_bytes(data[:300])
        assert set(await errors()) <= {(404, "damaged"), (503, "unreadable")}
        file.unlink()
        assert await errors() == [(404, "gone")] * 3
        (footage.folder / MARKER).unlink()
        assert await errors() == [(503, "volume_lost")] * 3
        vietnamese = await client.get(paths[0], page=False, accept_language="vi")
        assert vietnamese.json()["words"] == "Không có ổ đĩa chứa bản ghi này."

    run(client, work())


@pytest.mark.parametrize(
    ("query", "status", "error"),
    [
        ("", 400, "bad_times"),
        ("from=1&to=x", 400, "bad_times"),
        ("from=5&to=5", 400, "bad_times"),
        ("from=-5&to=5", 400, "bad_times"),
        ("from=1&to=999999999999999", 400, "bad_times"),
        (f"from={BEGIN_MS}&to={BEGIN_MS + 6 * 3_600_000 + 1}", 400, "too_long"),
        (f"from={BEGIN_MS - 9000}&to={BEGIN_MS - 5000}", 404, "nothing_recorded"),
        (f"from={BEGIN_MS + 7_200_000}&to={BEGIN_MS + 7_300_000}", 404, "nothing_recorded"),
    ],
)
def test_times_that_cannot_be_used_and_intervals_without_pictures_are_refused_in_words(
    query: str, status: int, error: str, client: Any, footage: Footage, groups: Any
) -> None:
    footage.put(BEGIN_MS * 1000, record(groups))
    for name in ("playlist", "master"):
        answer = run(client, client.get(f"/playback/1/{name}.m3u8?{query}", page=False))
        assert (answer.status_code, answer.json()["error"]) == (status, error)
        assert answer.json()["words"]
    # A page that says so gets nothing for nothing, and other errors as before.
    answer = run(client, client.get(f"/playback/1/playlist.m3u8?{query}&empty=1", page=False))
    assert answer.status_code == (204 if status == 404 else status)


def test_a_playlist_is_compressed_where_that_is_wanted_and_says_its_codecs_in_the_master(
    client: Any, footage: Footage
) -> None:
    footage.put(BEGIN_MS * 1000, sound.recording_with_sound(encode_numbers(60), sound.coded(4.2, [1.0])))

    async def work() -> None:
        plain = await client.http.get(playlist(), headers={"accept-encoding": "identity"})
        request = client.http.build_request("GET", playlist(), headers={"accept-encoding": "gzip"})
        zipped = await client.http.send(request, stream=True)
        raw = b"".join([part async for part in zipped.aiter_raw()])
        assert (gzip.decompress(raw), zipped.headers["vary"]) == (plain.content, "Accept-Encoding")
        master = await client.get(playlist("&sound=1").replace("playlist", "master"), page=False)
        assert 'CODECS="avc1.64000A,mp4a.40.2",RESOLUTION=192x96' in master.text
        assert master.text.splitlines()[-1] == f"playlist.m3u8?from={BEGIN_MS}&to={LAST_MS}&sound=1"
        assert "?sound=1" in (await client.get(playlist("&sound=1"), page=False)).text

    run(client, work())


def test_what_is_being_written_is_listed_up_to_its_last_whole_group_and_the_list_stays_open(
    client: Any, footage: Footage, groups: Any, clock: SetClock
) -> None:
    key = footage.put(BEGIN_MS * 1000, record(groups), state=RecordingState.OPEN, cut=5)
    clock.us = (BEGIN_MS + 4500) * 1000

    async def work() -> None:
        answer = await client.get(playlist(until=BEGIN_MS + 60_000), page=False)
        assert "#EXT-X-PLAYLIST-TYPE:EVENT" in answer.text
        assert "#EXT-X-ENDLIST" not in answer.text
        assert answer.text.count("#EXTINF") == 2
        clock.us += 120 * SECOND
        later = await client.get(playlist(until=BEGIN_MS + 60_000), page=False)
        assert later.text.count("#EXTINF") == 3
        assert later.text.endswith("#EXT-X-ENDLIST\n")
        part = await client.get(f"/playback/1/recording/{key}.mp4", page=False, range="bytes=0-9")
        assert (part.status_code, "etag" in part.headers) == (206, False)

    run(client, work())


def test_a_still_is_the_picture_of_its_moment_says_its_own_time_and_is_remembered(
    client: Any, footage: Footage, groups: Any, district: Any
) -> None:
    footage.put(BEGIN_MS * 1000, record(groups))

    def number(content: bytes) -> int:
        return picture_number(np.asarray(Image.open(io.BytesIO(content)).convert("L"))[:HEIGHT])

    async def work() -> None:
        at_ms = BEGIN_MS + 1500
        answer = await client.get(f"/playback/1/still.jpg?at={at_ms}", page=False)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
        assert (number(answer.content), answer.headers["cache-control"]) == (22, "no-store")
        assert [kind for kind, *_ in looks(district)] == ["still"]
        own_ms = int(answer.headers["x-picture-ms"])
        assert own_ms == BEGIN_MS + 22 * 1000 // 15
        again = await client.get(f"/playback/1/still.jpg?at={own_ms}", page=False)
        assert again.content == answer.content
        strip = await client.get(f"/playback/1/still.jpg?at={at_ms}&strip=1", page=False)
        assert number(strip.content) == 22
        assert Image.open(io.BytesIO(strip.content)).height > HEIGHT + 20
        nothing = await client.get(f"/playback/1/still.jpg?at={BEGIN_MS - 1}", page=False)
        assert (nothing.status_code, nothing.json()["error"]) == (404, "nothing_recorded")

    run(client, work())


def test_the_time_line_and_a_moment_are_told_in_milliseconds_and_in_the_readers_words(
    client: Any, footage: Footage, groups: Any
) -> None:
    begin_us = BEGIN_MS * 1000
    footage.put(begin_us, record(groups))
    footage.gap(begin_us + 4 * SECOND, begin_us + 10 * SECOND, GapReason.TIMED_OUT, "no answer from 10.0.0.1")
    footage.put(begin_us + 10 * SECOND, record(groups), run=2)

    async def work() -> None:
        path = f"/api/timeline?camera=1&from={BEGIN_MS}&to={BEGIN_MS + 14_000}"
        shown = (await client.get(path, page=False, accept_language="vi")).json()
        assert shown["recorded"] == [[BEGIN_MS, BEGIN_MS + 4000], [BEGIN_MS + 10_000, BEGIN_MS + 14_000]]
        (gap,) = shown["gaps"]
        assert gap == {
            "from": BEGIN_MS + 4000, "to": BEGIN_MS + 10_000, "reason": "timed_out", "words": gap["words"],
            "detail": "no answer from 10.0.0.1", "count": 1,
        }  # fmt: skip
        assert gap["words"] == "Camera không trả lời"
        assert (shown["coarse"], shown["marks"], shown["bookmarks"]) == (False, [], [])
        assert (shown["due_from_ms"], shown["due_to_ms"]) == (BEGIN_MS, BEGIN_MS + 14_000)
        month = (
            await client.get(f"/api/timeline?camera=1&from={BEGIN_MS}&to={BEGIN_MS + 30 * 86_400_000}&cells=300")
        ).json()
        assert month["coarse"] is True
        assert len(month["shares"]) == len(month["recorded"])
        moment = (await client.get(f"/api/moment?camera=1&at={BEGIN_MS + 7000}", page=False)).json()
        assert (moment["recorded"], moment["gap"]["reason"]) == (False, "timed_out")
        assert (moment["next_ms"], moment["previous_ms"]) == (BEGIN_MS + 10_000, BEGIN_MS + 3999)
        for at in (moment["next_ms"], moment["previous_ms"]):
            assert (await client.get(f"/playback/1/still.jpg?at={at}", page=False)).status_code == 200
        inside = (await client.get(f"/api/moment?camera=1&at={BEGIN_MS + 1}", page=False)).json()
        assert inside == {
            "at_ms": BEGIN_MS + 1, "recorded": True, "gap": None, "next_ms": BEGIN_MS + 1, "previous_ms": BEGIN_MS + 1
        }  # fmt: skip
        assert (await client.get("/api/moment?at=5", page=False)).status_code == 400

    run(client, work())


def test_marks_are_what_was_noted_of_activity_and_none_are_told_of_a_month(client: Any, district: Any) -> None:
    camera_id = district.cameras[VONGGAC_CAMERA]
    begin_us = BEGIN_MS * 1000
    with district.database.write() as session:
        episode = Episode(camera_id, camera_id, Source.ONVIF, begin_us + SECOND, begin_us + 3 * SECOND, 1.0)
        activity.note(session, [episode])

    async def asked() -> list[Any]:
        found = []
        for before in (86_400_000, 30 * 86_400_000):
            path = f"/api/timeline?camera=1&from={BEGIN_MS - before}&to={LAST_MS}"
            found.append((await client.get(path, page=False)).json()["marks"])
        return found

    mark = {"from": BEGIN_MS + 1000, "to": BEGIN_MS + 3000, "score": 1.0, "source": "onvif"}
    assert run(client, asked()) == [[mark], []]
