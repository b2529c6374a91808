"""The log: one line an event, no credential in it whatever carries it, no flood."""

from __future__ import annotations

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vonggac.core.log import RateLimit, configure, get_logger, redact
from vonggac.core.settings import LogSettings


@pytest.fixture(autouse=True)
def _restore_the_log():
    handlers = logging.root.handlers[:]
    yield
    logging.root.handlers[:] = handlers
    logging.captureWarnings(False)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://admin:secret@192.0.2.1/1 refused", "rtsp://…@192.0.2.1/1 refused"),
        ("rtsp://admin:p@ss/word@192.0.2.1/1", "rtsp://…@192.0.2.1/1"),
        ("postgresql://u:p@h/db and http://x:y@z", "postgresql://…@h/db and http://…@z"),
        ("no address, but trucban1@example", "no address, but trucban1@example"),
        ("rtsp://192.0.2.1:554/stream", "rtsp://192.0.2.1:554/stream"),
    ],
)
def test_credentials_are_cut_out_of_addresses(text: str, shown: str):
    assert redact(text) == shown


@given(st.from_regex(r"[a-z0-9:@/?#%!-]{1,20}", fullmatch=True))
def test_no_password_survives_redaction(password: str):
    assert f"{password}@192.0.2.1" not in redact(f"rtsp://admin:{password}@192.0.2.1/1")


@pytest.mark.parametrize("form", ["json", "text"])
def test_no_credential_reaches_the_log_by_value_list_message_or_traceback(
    form: str, capsys: pytest.CaptureFixture[str]
):
    configure(LogSettings(format=form), "recorder")
    address = "rtsp://admin:secret@192.0.2.1/1"
    try:
        raise LookupError(address)
    except LookupError:
        get_logger().exception(f"cannot read {address}", url=address, urls=[address])
    logging.getLogger("library").warning("connecting to %s", address)
    written = capsys.readouterr().err
    assert "192.0.2.1" in written
    assert "secret" not in written


def test_every_json_line_is_one_object_with_the_role(capsys: pytest.CaptureFixture[str]):
    configure(LogSettings(format="json"), "keeper")
    get_logger().info("Chợ Liên Nghĩa", camera=1)
    logging.getLogger("library").error("two\nlines")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert lines[0] | {"timestamp": ""} == {
        "event": "Chợ Liên Nghĩa",
        "camera": 1,
        "level": "info",
        "role": "keeper",
        "timestamp": "",
    }
    assert (lines[1]["event"], lines[1]["library"], lines[1]["what"]) == ("A library says", "library", "two\nlines")


def test_lines_below_the_level_are_not_written(capsys: pytest.CaptureFixture[str]):
    configure(LogSettings(level="warning", format="json"))
    get_logger().info("quiet")
    get_logger().warning("loud")
    assert [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == ["loud"]


def test_one_line_of_a_kind_passes_a_minute_and_says_how_many_did_not():
    limit = RateLimit(60)
    assert limit.passes("camera 1", now=0) == 0
    assert [limit.passes("camera 1", now=second) for second in (1, 30, 59)] == [None, None, None]
    assert limit.passes("camera 2", now=30) == 0
    assert limit.passes("camera 1", now=60) == 3
    assert limit.passes("camera 1", now=61) is None


def test_a_rate_limit_does_not_grow_without_end():
    limit = RateLimit(60, limit=10)
    for kind in range(1000):
        limit.passes(kind, now=0)
    assert len(limit._seen) <= 10
