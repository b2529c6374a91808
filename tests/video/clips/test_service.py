"""Asking for clips: what is refused and in which words, what is held, how it ends."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from peers.stored_archive import MINUTE_US, NOW_US
from vonggac.core.clock import utc
from vonggac.core.settings import ClipSettings
from vonggac.video.archive import holds
from vonggac.video.clips import service
from vonggac.video.clips.models import Clip, ClipState
from vonggac.video.clips.service import ClipNotAsked
from vonggac.video.models import Hold
from vonggac.video.mp4 import ClipReport
from vonggac.video.retention import deletion

from .conftest import FIRST_US, LENGTH_US, Centre

HOUR_US = 60 * MINUTE_US


def test_a_clip_holds_its_recordings_from_the_moment_it_is_asked_for(centre: Centre) -> None:
    clip = centre.clip(centre.ask())
    (hold,) = centre.holds()
    assert (hold.id, hold.from_us, hold.to_us) == (clip.hold_id, clip.from_us, clip.to_us)
    assert hold.subject == f"clip {clip.id.hex[-8:]}"
    assert hold.reason == clip.purpose == "Vụ 17: va chạm ở chợ"
    assert clip.state == ClipState.WAITING
    assert clip.expires_at - clip.asked_at == timedelta(hours=24)
    with centre.database.read() as session:
        held = holds.held_spans(session)[clip.camera_id]
        oldest = next(deletion.oldest(session, clip.camera_id, held))
    assert oldest.start_us == FIRST_US + 3 * LENGTH_US


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"purpose": " \n "}, "Say what the clip is for"),
        ({"purpose": "x" * 201}, "at most 200 letters"),
        ({"to_us": FIRST_US}, "must lie after its beginning"),
        ({"to_us": FIRST_US - MINUTE_US}, "must lie after its beginning"),
        ({"to_us": FIRST_US + 6 * HOUR_US + 1}, "at most 6 hours"),
        ({"from_us": NOW_US - MINUTE_US, "to_us": NOW_US + MINUTE_US}, "into the future"),
        ({"from_us": NOW_US + MINUTE_US, "to_us": NOW_US + 2 * MINUTE_US}, "into the future"),
        ({"from_us": FIRST_US - HOUR_US, "to_us": FIRST_US - MINUTE_US}, "Nothing was recorded"),
    ],
)
def test_what_cannot_be_a_clip_is_refused_in_plain_words_and_leaves_no_trace(
    centre: Centre, changed: dict[str, Any], words: str
) -> None:
    with pytest.raises(ClipNotAsked, match=words):
        centre.ask(dataclasses.replace(centre.wants(), **changed))
    assert centre.holds() == []
    with centre.database.read() as session:
        assert session.query(Clip).count() == 0


def test_a_purpose_is_one_line_without_control_characters(centre: Centre) -> None:
    clip_id = centre.ask(dataclasses.replace(centre.wants(), purpose="Vụ\x00 va\x1b[31m chạm\n QL20 "))
    with centre.database.read() as session:
        assert session.get_one(Clip, clip_id).purpose == "Vụ va[31m chạm QL20"
    with pytest.raises(ClipNotAsked, match="Say what the clip is for"):
        centre.ask(dataclasses.replace(centre.wants(), purpose="\x00\x07"))


def test_an_end_a_moment_ahead_is_now_since_clocks_differ(centre: Centre) -> None:
    centre.archive.record(NOW_US - MINUTE_US)
    clip = centre.clip(centre.ask(centre.wants(NOW_US - 2 * MINUTE_US, NOW_US + 5_000_000)))
    assert clip.to_us == NOW_US


def test_one_account_has_few_clips_under_way_and_not_too_many_kept_and_others_their_own(
    centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = centre.ask()
    for _ in range(service.UNFINISHED_EACH - 1):
        centre.ask()
    with pytest.raises(ClipNotAsked, match="5 of your clips are being made"):
        centre.ask()
    centre.ask(centre.wants(who=1))
    with centre.database.write() as session:
        service.fail(session, first, service.BROKE_OFF)
    centre.ask()
    monkeypatch.setattr(service, "KEPT_EACH", 6)
    with centre.database.write() as session:
        for clip in service.mine(session, centre.account_ids[0]):
            service.fail(session, clip.id, service.BROKE_OFF)
    with pytest.raises(ClipNotAsked, match="You have 6 clips"):
        centre.ask()


def test_all_clips_together_take_no_more_than_the_setting_says(centre: Centre) -> None:
    with centre.database.read() as session:
        one = centre.clip(centre.ask()).size
        assert one > 0
        assert service.total_bytes(session) == one
    small = ClipSettings(max_gb=0.1)
    with centre.database.write() as session:
        session.execute(sa.update(Clip).values(size=100_000_000 - one))
    centre.ask(settings=small)
    with pytest.raises(ClipNotAsked, match=r"may take 0\.1 GB"):
        centre.ask(settings=small)


def test_every_end_of_a_clip_lets_go_of_its_recordings(centre: Centre) -> None:
    ready, failed, deleted, over = (centre.ask() for _ in range(4))
    assert len(centre.holds()) == 4
    report = ClipReport(FIRST_US, FIRST_US + MINUTE_US, MINUTE_US, 30, 777, [], 0)
    with centre.database.write() as session:
        assert service.begin_next(session) is not None
        assert service.planned(session, ready, report, 10**9)
        assert service.progress(session, ready, 700)
        assert service.finish(session, ready, b"\x01" * 32, [])
        service.fail(session, failed, service.BROKE_OFF)
        service.remove(session, session.get_one(Clip, deleted))
    made = centre.clip(ready)
    assert (made.state, made.size, made.written, made.frames) == (ClipState.READY, 777, 777, 30)
    assert len(centre.holds()) == 1
    centre.archive.clock.us += 24 * HOUR_US
    with centre.database.write() as session:
        assert service.due(session, centre.archive.clock.us).over
        assert service.expire(session, centre.archive.clock.us) == 3
        assert not service.due(session, centre.archive.clock.us).over
        assert session.get(Clip, over) is None
        assert not service.progress(session, over, 1)
        assert not service.finish(session, over, b"", [])
    assert centre.holds() == []


def test_a_hold_that_somebody_released_by_hand_stands_in_nobodys_way(centre: Centre) -> None:
    clip_id = centre.ask()
    with centre.database.write() as session:
        holds.release(session, session.scalars(sa.select(Hold)).one(), released_by="an", reason="không cần")
        service.fail(session, clip_id, service.BROKE_OFF)
    assert centre.clip(clip_id).hold_id is None


def test_clips_are_made_in_the_order_in_which_they_were_asked_for(centre: Centre) -> None:
    asked = []
    for who in (0, 1, 0):
        asked.append(centre.ask(centre.wants(who=who)))
        centre.archive.clock.us += 1
    with centre.database.write() as session:
        begun = [service.begin_next(session) for _ in range(4)]
    assert [clip.id if clip else None for clip in begun] == [*asked, None]
    with centre.database.read() as session:
        assert [clip.id for clip in service.mine(session, centre.account_ids[0])] == [asked[2], asked[0]]
        assert service.find(session, asked[1], centre.account_ids[0]) is None


def test_a_clip_that_breaks_off_again_and_again_is_given_up(centre: Centre) -> None:
    clip_id = centre.ask()
    for attempt in range(1, service.ATTEMPTS + 1):
        with centre.database.write() as session:
            begun = service.begin_next(session)
            assert begun is not None
            assert begun.attempts == attempt
        with centre.database.write() as session:
            given_up = service.take_up_again(session)
    assert [clip.id for clip in given_up] == [clip_id]
    clip = centre.clip(clip_id)
    assert (clip.state, clip.failure) == (ClipState.FAILED, service.BROKE_OFF)
    assert clip.expires_at > utc(centre.archive.clock.us)
    assert centre.holds() == []
