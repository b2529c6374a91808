"""One camera's stream and its viewers: made once for all, at once for who comes, in jumps for who is slow."""

from __future__ import annotations

import itertools
import uuid
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from vonggac.video.live_client import LivePicture
from vonggac.video.stream import VideoParameters
from vonggac.web.live.away import Away
from vonggac.web.live.channel import CACHED_BYTES, Channel
from vonggac.web.live.fragments import FRAGMENT, Packet, Stream
from vonggac.web.live.outbox import BEHIND_S, WAITING_BYTES, Budget, Item, Jpeg, Outbox, Refused

SETS = (bytes.fromhex("674d401e96"), bytes.fromhex("68ef3c80"))
PARAMETERS = VideoParameters("h264", SETS, 640, 360, 0, 15.0)
OTHER = VideoParameters("h264", SETS, 320, 180, 0, 15.0)
AWAY = Away("timed_out", "The camera does not answer", 1)


def picture(
    number: int, *, key: bool = False, size: int = 100, parameters: VideoParameters = PARAMETERS
) -> LivePicture:
    return LivePicture(parameters, key, number * 6000, 1_000_000 + number * 66_667, bytes(size))


def new_channel(wanted: list[Any] | None = None) -> Channel:
    return Channel(uuid.UUID(int=1), "main", lambda _, frame: (wanted if wanted is not None else []).append(frame))


def new_box(budget: Budget | None = None, **options: Any) -> Outbox:
    return Outbox(budget or Budget(), lambda: None, **options)


def taken(box: Outbox) -> list[Item]:
    items = []
    while (item := box.take()) is not None:
        items.append(item)
    return items


def packets(items: list[Item]) -> list[Packet]:
    return [item for item in items if isinstance(item, Packet)]


def streams(items: list[Item]) -> list[Stream]:
    return [item for item in items if isinstance(item, Stream)]


def feed(channel: Channel, numbers: range, group: int = 30, now_s: float = 0.0, **options: Any) -> None:
    for number in numbers:
        channel.push(picture(number, key=number % group == 0, **options), now_s)


def test_who_comes_gets_the_current_group_at_once_and_then_each_picture():
    channel, box = new_channel(), new_box()
    feed(channel, range(40))
    channel.watch(box, 0)
    first = taken(box)
    assert isinstance(first[0], Stream)
    assert [packet.key for packet in packets(first)] == [True] + [False] * 9
    feed(channel, range(40, 42))
    assert len(packets(taken(box))) == 2


def test_nothing_is_given_before_a_key_frame():
    channel, box = new_channel(), new_box()
    channel.watch(box, 0)
    feed(channel, range(20, 30))
    assert taken(box) == []
    feed(channel, range(30, 32))
    assert [packet.key for packet in packets(taken(box))] == [True, False]


def test_all_viewers_get_the_same_object_made_once():
    channel = new_channel()
    boxes = [new_box() for _ in range(16)]
    for box in boxes:
        channel.watch(box, 0)
    feed(channel, range(30))
    seen = [packets(taken(box)) for box in boxes]
    for one in seen[1:]:
        assert all(a is b for a, b in zip(seen[0], one, strict=True))


def test_a_message_says_what_it_is_and_when_it_arrived():
    channel, box = new_channel(), new_box()
    channel.watch(box, 0)
    channel.push(picture(0, key=True), 0)
    stream, packet = taken(box)
    assert isinstance(stream, Stream)
    assert isinstance(packet, Packet)
    assert packet.message[:2] == bytes([FRAGMENT, 1])
    assert int.from_bytes(packet.message[2:10], "big") == 1_000_000
    assert packet.message[14:18] == b"moof"
    assert packet.message.endswith(bytes(100))
    assert stream.init[:2] == b"\x01\0"
    assert stream.mime == 'video/mp4; codecs="avc1.4D401E"'


def test_a_slow_viewer_skips_to_the_next_key_frame_and_others_lose_nothing():
    channel, slow, quick = new_channel(), new_box(), new_box()
    channel.watch(slow, 0)
    channel.watch(quick, 0)
    got: list[Packet] = []
    for number in range(120):
        channel.push(picture(number, key=number % 30 == 0), number / 15)
        got += packets(taken(quick))
    assert len(got) == 120
    items = taken(slow)
    assert streams(items), "what he was never told is told"
    kept = packets(items)
    assert kept[0].key
    assert kept[0] is got[90], "the present, not the past"
    assert len(kept) == 30


def test_who_skips_is_not_told_again_what_he_has_been_told():
    channel, box = new_channel(), new_box()
    channel.watch(box, 0)
    feed(channel, range(30))
    assert len(streams(taken(box))) == 1
    feed(channel, range(30, 31))
    feed(channel, range(31, 60), now_s=BEHIND_S + 0.1)
    assert taken(box) == []
    feed(channel, range(60, 62), now_s=BEHIND_S + 0.2)
    assert [packet.key for packet in packets(taken(box))] == [True, False]


def test_what_waits_for_one_viewer_has_a_limit():
    channel, budget = new_channel(), Budget()
    box = new_box(budget)
    channel.watch(box, 0)
    for number in range(100):
        channel.push(picture(number, key=number == 0, size=100_000), 0)
        assert box.waiting <= WAITING_BYTES
        assert budget.waiting == box.waiting
    assert budget.skips == 1
    channel.leave(box)
    assert (box.waiting, budget.waiting) == (0, 0)


def test_what_waits_for_all_of_them_has_a_limit_and_the_slowest_pays():
    channel, budget = new_channel(), Budget(50_000)
    slow, quick = new_box(budget), new_box(budget)
    channel.watch(slow, 0)
    channel.watch(quick, 0)
    got = 0
    for number in range(100):
        channel.push(picture(number, key=number % 50 == 0, size=1000), 0)
        assert budget.waiting <= 50_000
        got += len(packets(taken(quick)))
    assert got == 100


def test_a_group_too_long_to_keep_is_its_key_frame_until_the_next_one():
    channel = new_channel()
    size = CACHED_BYTES // 10
    for number in range(20):
        channel.push(picture(number, key=number == 0, size=size), 0)
    box = new_box()
    channel.watch(box, 0)
    assert [packet.key for packet in packets(taken(box))] == [True]
    channel.push(picture(20, size=10), 0)
    assert taken(box) == [], "it refers to pictures that he does not have"
    channel.push(picture(21, key=True), 0)
    channel.push(picture(22), 0)
    assert len(packets(taken(box))) == 2


def test_that_a_camera_is_away_is_said_once_and_pictures_come_back_with_a_stream_of_their_own():
    channel, box = new_channel(), new_box()
    channel.watch(box, 0)
    feed(channel, range(3))
    before = streams(taken(box))
    channel.lose(AWAY, 0)
    channel.lose(AWAY, 0)
    assert taken(box) == [AWAY]
    late = new_box()
    channel.watch(late, 0)
    assert taken(late) == [AWAY], "also to who comes now; what was cached is no longer the present"
    feed(channel, range(31, 33))
    assert taken(box) == [], "it begins at a key frame"
    feed(channel, range(60, 62))
    after = taken(box)
    assert streams(after) != before
    assert len(packets(after)) == 2


def test_other_parameters_are_another_stream():
    channel, box = new_channel(), new_box()
    channel.watch(box, 0)
    feed(channel, range(3))
    channel.push(picture(3, key=True, parameters=OTHER), 0)
    told = streams(taken(box))
    assert [stream.width for stream in told] == [640, 320]


def test_parameters_that_no_browser_can_be_told_of_are_said_in_words():
    channel, box = new_channel(), new_box()
    channel.watch(box, 0)
    channel.push(picture(0, key=True, parameters=VideoParameters("h264", (b"\x67",), 640, 360)), 0)
    (why,) = taken(box)
    assert isinstance(why, Away)
    assert why.reason == "unsupported"


def test_a_refusal_is_said_to_who_is_there_and_to_who_comes():
    channel, box, late = new_channel(), new_box(), new_box()
    channel.watch(box, 0)
    channel.refuse("no_sub_stream", 0)
    channel.watch(late, 0)
    assert taken(box) == taken(late) == [Refused("no_sub_stream")]


def test_key_frames_only_bridges_a_wait():
    channel, box = new_channel(), new_box(keys_only=True)
    channel.watch(box, 0)
    feed(channel, range(90))
    assert [packet.key for packet in packets(taken(box))] == [True] * 3


def test_key_frames_are_decoded_only_while_somebody_wants_that():
    wanted: list[Any] = []
    channel, box = new_channel(wanted), new_box()
    feed(channel, range(90))
    assert wanted == []
    channel.look(box, 0)
    assert [frame.pts for frame in wanted] == [60 * 6000], "the last one at once"
    feed(channel, range(90, 121))
    assert len(wanted) == 3
    channel.show(5, b"picture", 0)
    channel.show(6, b"newer", 0)
    items = taken(box)
    assert [type(item) for item in items] == [Jpeg], "what was not taken is replaced"
    channel.leave(box)
    feed(channel, range(121, 200))
    assert len(wanted) == 3


@given(
    steps=st.lists(
        st.tuples(st.booleans(), st.integers(0, 3), st.floats(0, 1), st.integers(1, 400_000)), min_size=1, max_size=150
    )
)
def test_however_slowly_he_takes_them_pictures_follow_a_key_frame_without_a_hole(steps):
    channel, budget = new_channel(), Budget(1 << 20)
    box = new_box(budget)
    channel.watch(box, 0)
    now_s, items = 0.0, []
    for number, (key, takes, passes, size) in enumerate(steps):
        now_s += passes
        channel.push(picture(number, key=key, size=size), now_s)
        assert budget.waiting <= 1 << 20
        for _ in range(takes):
            if (item := box.take()) is not None:
                items.append(item)
    given_to = packets(items + taken(box))
    arrivals = [int.from_bytes(packet.message[2:10], "big") for packet in given_to]
    assert arrivals == sorted(set(arrivals))
    for before, after in itertools.pairwise(given_to):
        gap = int.from_bytes(after.message[2:10], "big") - int.from_bytes(before.message[2:10], "big")
        assert after.key or gap < 70_000, "a picture that refers to one that was left out"
    assert not given_to or given_to[0].key
    assert budget.waiting == 0


def test_who_looks_after_nobody_did_for_long_is_not_shown_what_was_decoded_then():
    wanted: list[Any] = []
    channel, first, second, plays = new_channel(wanted), new_box(), new_box(), new_box()
    channel.watch(plays, 0)
    channel.look(first, 0)
    feed(channel, range(3))
    channel.show(wanted[-1].arrived_us, b"jpeg", 0)
    assert len(taken(first)) == 1
    channel.leave(first)
    feed(channel, range(30, 100))
    channel.look(second, 0)
    assert taken(second) == []
    assert wanted[-1].arrived_us == picture(90).arrived_us, "the newest is decoded at once"
