"""The role `web` as a process: it answers, ends in time with pages open, and says plainly what is in its way."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from vonggac.core.errors import VonggacError
from vonggac.web.role import TAKES_NOTHING_MS, UNSENT_BYTES, listen


def test_a_port_that_is_taken_is_said_with_what_to_do() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(VonggacError, match=rf"127\.0\.0\.1:{port}: .*web\.port"):
            listen("127.0.0.1", port)


@pytest.mark.slow
def test_the_role_ends_in_time_while_a_page_listens(web_process: Callable[..., str], district: Any) -> None:
    address = web_process()
    with httpx.Client(base_url=address, timeout=30) as http:
        form = {"accept": "text/html"}
        token = http.get("/login", headers=form).text.partition('name="csrf" value="')[2].partition('"')[0]
        answer = http.post(
            "/login", data={"name": "trucban1", "password": "một mật khẩu dài", "csrf": token}, headers=form
        )
        assert answer.status_code == 303
        with http.stream("GET", "/events") as stream:
            lines = stream.iter_lines()
            assert next(lines) == "event: open"
            district.say()
            assert any(line == "event: change" for line in lines)
            # Starting it again stops this one first and wants to see exit status 0.
            assert web_process() != address
            assert list(lines)[-1] == ""


@pytest.mark.slow
def test_the_pages_need_no_library_that_only_decoding_needs() -> None:
    loaded = "import sys, vonggac.web.role; print([m for m in ('av', 'numpy', 'PIL', 'fastapi', 'pydantic', 'alembic')"
    loaded += " if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True, timeout=60)
    assert answer.stdout.strip() == "[]"


def test_what_a_viewer_has_not_taken_waits_with_us_and_not_in_the_kernel() -> None:
    """Connections inherit from the socket that they came in by."""
    with listen("127.0.0.1", 0) as listening:
        listening.listen()
        with socket.create_connection(listening.getsockname()), listening.accept()[0] as connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == UNSENT_BYTES
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == TAKES_NOTHING_MS
