"""Stream descriptions as cameras write them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vonggac.video.rtsp import sdp
from vonggac.video.rtsp.errors import RtspError
from vonggac.video.rtsp.message import Headers


def test_a_description_gives_codec_rate_sets_and_control(sdp_text):
    description = sdp.parse(sdp_text.encode())
    (video,) = description.media
    assert (video.kind, video.encoding, video.clock_rate, video.payload_type) == ("video", "H264", 90000, 96)
    assert (video.framerate, video.control, description.control) == (15.0, "trackID=1", "*")
    assert [unit[0] & 31 for unit in video.parameter_sets] == [7, 8]


def test_the_sets_of_h265_stand_in_three_parameters_and_come_in_the_order_of_the_standard():
    (video,) = sdp.parse(
        b"m=video 0 RTP/AVP 98\r\na=rtpmap:98 H265/90000\r\n"
        b"a=fmtp:98 sprop-pps=RAHgdrAmQA==; sprop-sps=QgEBAWAAAAMAsA==,QgEBAWAAAAMAsB==;sprop-vps=QAEMAf//AWAAAAMA\r\n"
    ).media
    assert [unit[0] >> 1 for unit in video.parameter_sets] == [32, 33, 33, 34]


def test_audio_metadata_and_a_second_video_are_told_apart():
    description = sdp.parse(
        b"v=0\nm=audio 0 RTP/AVP 8\nm=video 0 RTP/AVP 98\na=rtpmap: 98 h265/90000\n"
        b"m=application 0 RTP/AVP 107\na=rtpmap:107 vnd.onvif.metadata/90000\nm=video 0 RTP/AVP 96\n"
        b"a=control:rtsp://h/2\na=rtpmap:96 H264/90000\n"
    )
    assert [media.name for media in description.media] == [
        "audio PCMA",
        "video H265",
        "application VND.ONVIF.METADATA",
        "video H264",
    ]


@pytest.mark.parametrize(
    ("base", "control", "url"),
    [
        ("rtsp://h/live/", "trackID=1", "rtsp://h/live/trackID=1"),
        ("rtsp://h/live", "trackID=1", "rtsp://h/live/trackID=1"),
        ("rtsp://h/cam?channel=1&subtype=0", "trackID=1", "rtsp://h/cam?channel=1&subtype=0/trackID=1"),
        ("rtsp://h/live", "rtsp://h/other/track1", "rtsp://h/other/track1"),
        ("rtsp://h/live/main", "/track1", "rtsp://h/track1"),
        ("rtsp://h/live", "*", "rtsp://h/live"),
        ("rtsp://h/live", None, "rtsp://h/live"),
        ("rtsp://h/live", "", "rtsp://h/live"),
    ],
)
def test_control_addresses_are_joined_as_cameras_mean_them(base, control, url):
    assert sdp.control_url(base, control) == url


def test_the_base_comes_from_the_headers_or_the_request():
    assert sdp.base_url("rtsp://h/a", Headers([("content-base", " rtsp://h/b/ ")])) == "rtsp://h/b/"
    assert sdp.base_url("rtsp://h/a", Headers([("Content-Location", "rtsp://h/c")])) == "rtsp://h/c"
    assert sdp.base_url("rtsp://h/a", Headers([("Content-Base", "")])) == "rtsp://h/a"


@pytest.mark.parametrize("base", ["rtsp://[x", "rtsp://[abc]/live", "rtsp://]/"])
def test_a_base_that_is_no_address_is_a_protocol_error(base):
    with pytest.raises(RtspError) as error:
        sdp.control_url(base, "/trackID=1")
    assert error.value.reason == "protocol"


def test_broken_parameter_sets_and_rates_are_passed_over():
    (media,) = sdp.parse(
        b"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=framerate:0\r\n"
        b"a=fmtp:96 sprop-parameter-sets=Z0LADNoFBn54QAAAAwBAAAAHg8UKqA,%%%,;packetization-mode=1"
    ).media
    assert [unit[0] & 31 for unit in media.parameter_sets] == [7]
    assert media.framerate is None


def test_what_is_no_description_is_a_protocol_error():
    for body in (b"", b"<html></html>"):
        with pytest.raises(RtspError) as error:
            sdp.parse(body)
        assert error.value.reason == "protocol"


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(["m=", "a=", "a=control:", "a=rtpmap:96 ", "a=fmtp:96 ", "a=framerate:", "v="])
                .flatmap(lambda start: st.text(max_size=30).map(lambda rest: start + rest)), max_size=40))  # fmt: skip
def test_any_description_is_read_or_refused(lines):
    try:
        description = sdp.parse("\r\n".join(lines).encode())
    except RtspError:
        return
    assert len(description.media) <= sdp.MAX_MEDIA
    for media in description.media:
        assert isinstance(media.parameter_sets, tuple)
        assert sdp.control_url("rtsp://h/", media.control)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=30), st.text(max_size=30))
def test_any_base_and_control_address_are_joined_or_refused(base, control):
    with contextlib.suppress(RtspError):
        assert sdp.control_url("rtsp://" + base, "/" + control).startswith("rtsp")
