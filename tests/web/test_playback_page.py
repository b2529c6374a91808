"""The page of playback as the server writes it: who may open it, and that it has every word its script asks for."""

from __future__ import annotations

import asyncio
import html
import json
import re
from pathlib import Path
from typing import Any

import pytest

import vonggac.web
from vonggac.core.i18n import LANGUAGES
from vonggac.video.models import GapReason
from vonggac.web.playback_pages import SPEEDS, WORDS

UI = Path(vonggac.web.__file__).parent / "ui"
SCRIPTS = [UI / "playback.ts", *sorted((UI / "playback").glob("*.ts"))]


def opened(client: Any, path: str, **headers: str) -> str:
    """The page before somebody who is logged in."""

    async def walk() -> str:
        await client.log_in()
        return str((await client.get(path, **headers)).text)

    return asyncio.run(walk())


def data(page: str, name: str) -> Any:
    """What stands in a data attribute of the page."""
    found = re.search(rf'data-{name}="([^"]*)"', page)
    assert found
    return json.loads(html.unescape(found[1]))


def test_only_who_is_logged_in_and_may_play_back_gets_the_page(client: Any) -> None:
    async def walk() -> None:
        assert (await client.get("/playback?cameras=3")).headers["location"] == "/login?next=/playback%3Fcameras%3D3"
        await client.log_in()
        assert (await client.get("/playback?cameras=3")).status_code == 200

    asyncio.run(walk())


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_has_its_words_in_the_readers_language(client: Any, language: str) -> None:
    page = opened(client, "/playback", accept_language=language)
    said = data(page, "words")
    assert said.keys() == WORDS.keys()
    assert said["loading"] == {"vi": "Đang tải…", "en": "Loading…"}[language]
    assert set(data(page, "families")) == {reason.value for reason in GapReason}
    assert "<style" not in page
    assert ' style="' not in page


def test_what_stands_in_the_address_is_no_part_of_the_page(client: Any) -> None:
    page = opened(client, '/playback?cameras="><script>alert(1)</script>')
    assert "<script>alert" not in page


def test_the_server_has_every_word_that_the_scripts_ask_for() -> None:
    asked: set[str] = set()
    for script in SCRIPTS:
        asked |= set(re.findall(r'words\.say\(\s*"([\w-]+)"', script.read_text("utf-8")))
    assert len(asked) > 20
    assert asked <= WORDS.keys()


def test_every_word_has_the_same_places_to_fill_in_both_languages(application: Any) -> None:
    shell = application.state.shell
    for key, message in WORDS.items():
        places = {language: set(re.findall(r"\{\w+\}", shell.words(language).say(message))) for language in LANGUAGES}
        assert places["vi"] == places["en"], key


def test_page_and_script_know_the_same_speeds() -> None:
    found = re.search(r"SPEEDS = \[([^\]]+)\]", (UI / "playback" / "speeds.ts").read_text("utf-8"))
    assert found
    assert tuple(float(one) for one in found[1].split(",")) == SPEEDS
