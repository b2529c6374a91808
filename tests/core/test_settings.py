"""Settings: the file, the variables that win over it, and what a mistake is answered with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vonggac.core import settings
from vonggac.core.errors import NotInitialised, SettingsError


def test_an_empty_file_gives_the_defaults():
    assert settings.parse("", {}) == settings.Settings()


def test_the_file_sets_an_option():
    found = settings.parse('[centre]\nname = "Đức Trọng"\n[recorder]\nsync_seconds = 2', {})
    assert found.centre.name == "Đức Trọng"
    assert found.recorder.sync_seconds == 2.0


def test_a_variable_wins_over_the_file():
    found = settings.parse("[web]\nport = 9000", {"VONGGAC_WEB_PORT": "9001"})
    assert found.web.port == 9001


def test_a_list_in_a_variable_is_written_with_commas():
    found = settings.parse("", {"VONGGAC_STORAGE_MEDIA": "media,/mnt/second"})
    assert found.storage.media == ("media", "/mnt/second")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[web]\nprot = 1", "vonggac.toml: Object contains unknown field `prot` at web."),
        ("[wbe]\nport = 1", "vonggac.toml: Object contains unknown field `wbe`."),
        ('[web]\nport = "many"', "vonggac.toml: Expected `int`, got `str` at web.port."),
        ("[web]\nport = 70000", "vonggac.toml: Expected `int` <= 65535 at web.port."),
        ('[log]\nlevel = "loud"', "vonggac.toml: Invalid enum value 'loud' at log.level."),
        ("web = 3", "vonggac.toml: Expected `object`, got `int` at web."),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_place(text: str, words: str):
    with pytest.raises(SettingsError) as caught:
        settings.parse(text, {})
    assert str(caught.value) == words


def test_a_mistake_in_a_variable_names_the_variable_and_not_the_file():
    with pytest.raises(SettingsError, match="The environment variable VONGGAC_WEB_PORT: Expected `int`"):
        settings.parse("", {"VONGGAC_WEB_PORT": "many"})


def test_a_variable_that_is_no_setting_is_not_passed_over():
    with pytest.raises(SettingsError, match="VONGGAC_WEB_PROT is no setting"):
        settings.parse("", {"VONGGAC_WEB_PROT": "80"})


def test_other_variables_of_the_program_are_left_alone():
    settings.parse("", {"VONGGAC_DATA": "/srv", "VONGGAC_MATERIAL": "/clips", "HOME": "/root"})


def test_a_file_that_is_no_toml_is_named_with_the_line():
    with pytest.raises(SettingsError, match=r"vonggac\.toml is not valid TOML: .*line 2"):
        settings.parse("[web]\nport 80", {})


def test_a_folder_without_a_settings_file_says_how_to_make_one(tmp_path: Path):
    with pytest.raises(NotInitialised, match="Make one with: vonggac init"):
        settings.load(tmp_path, {})


def test_a_settings_file_that_is_a_folder_is_an_expected_failure(tmp_path: Path):
    (tmp_path / settings.FILE_NAME).mkdir()
    with pytest.raises(SettingsError, match="cannot be read"):
        settings.load(tmp_path, {})


@given(st.text(max_size=200))
def test_no_text_raises_anything_but_a_settings_error(text: str):
    try:
        settings.parse(text, {})
    except SettingsError:
        return


def test_every_option_says_what_it_means():
    for option in settings.options():
        assert option.meaning.endswith("."), option
        assert option.variable == f"VONGGAC_{option.section}_{option.key}".upper()


@pytest.mark.slow
def test_the_page_of_settings_is_what_the_command_prints():
    printed = subprocess.run(
        [sys.executable, "-m", "vonggac", "settings"], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    page = Path(__file__).parents[2] / "docs" / "settings.md"
    assert page.read_text("utf-8") == printed, "make it anew: vonggac settings > docs/settings.md"
