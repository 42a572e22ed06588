"""Settings: broken ones are reported and dropped, the rest is kept, and nothing keeps the app from starting."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import pytest

from ui.control.settings import Contrast, Settings, load_settings, save_settings, with_recent


def test_without_a_file_there_are_defaults_and_no_message(tmp_path: Path):
    assert load_settings(tmp_path) == (Settings(), ())


def test_saved_settings_are_read_back(tmp_path: Path):
    settings = Settings(
        theme="light", animal_ids=("M7", "M8"), contrast={"demo": Contrast(low=1, high=900, auto=False)}
    )
    save_settings(settings, tmp_path)
    assert load_settings(tmp_path) == (settings, ())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("theme", "pink"),
        ("theme", None),
        ("recent_rigs", 7),
        ("recent_stores", [1, 2]),
        ("n_fields", 0),
        ("n_fields", "many"),
        ("area_um", [8000]),
        ("area_um", [-1, 5]),
        ("contrast", {"demo": {"low": "dark"}}),
        ("plan", "spiral"),
        ("geometry", 12.5),
    ],
)
def test_a_broken_value_costs_only_itself(tmp_path: Path, key: str, value: object):
    content = json.loads(Settings(animal_ids=("M7",), engine="torchscript").model_dump_json())
    (tmp_path / "settings.json").write_text(json.dumps({**content, key: value}))
    settings, problems = load_settings(tmp_path)
    assert getattr(settings, key) == getattr(Settings(), key)
    assert (settings.animal_ids, settings.engine) == (("M7",), "torchscript")
    assert len(problems) == 1
    assert f"'{key}'" in problems[0]


def test_keys_of_another_version_are_passed_over(tmp_path: Path):
    (tmp_path / "settings.json").write_text('{"theme": "light", "hologram": true}')
    assert load_settings(tmp_path) == (Settings(theme="light"), ())


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "\x00\xff", '{"theme": "light"'])
def test_what_is_no_settings_file_is_kept_aside(tmp_path: Path, text: str):
    (tmp_path / "settings.json").write_text(text, encoding="latin-1")
    settings, problems = load_settings(tmp_path)
    assert settings == Settings()
    assert len(problems) == 1
    (aside,) = tmp_path.glob("settings-broken-*.json")
    assert aside.read_text(encoding="latin-1") == text
    assert aside.name in problems[0]
    save_settings(settings, tmp_path)
    assert load_settings(tmp_path) == (Settings(), ())


@pytest.mark.skipif(sys.platform == "win32" or not hasattr(Path, "chmod"), reason="permissions of another kind")
def test_settings_that_cannot_be_written_raise_and_leave_the_old_ones(tmp_path: Path):
    save_settings(Settings(theme="light"), tmp_path)
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")
    with pytest.raises(OSError, match="blocked"):
        save_settings(Settings(), blocked)
    assert load_settings(tmp_path)[0].theme == "light"
    assert stat.S_ISREG((tmp_path / "settings.json").stat().st_mode)


def test_recent_things_are_each_there_once_newest_first():
    assert with_recent(("a", "b", "c"), "b") == ("b", "a", "c")
    assert len(with_recent(tuple(map(str, range(50))), "x")) == 12
