"""Ids, names and notes that others wrote are shown as they are: they command no terminal, no page and no picture."""

from __future__ import annotations

import io
import shutil
from typing import TYPE_CHECKING

import pytest
from commands import cli
from report_parts import page_text
from rich.table import Table
from rich.text import Text
from storage_cases import change_spec, make_frame, make_result, make_spec

from hcc_scope.cli import console as console_module
from hcc_scope.cli.streams import say
from hcc_scope.printable import printable
from hcc_scope.runs.reports import write_section_report
from hcc_scope.storage.notes import NotesWriter
from hcc_scope.storage.predictions import PredictionWriter
from hcc_scope.storage.writer import create_store

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = "[/b]<script>x</script>$\\frac{$ \x1b[2J\x1b]0;x\x07\u202ea\u2028b\x85"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("M7 \u017c \u5c0f \U0001f52c", "M7 \u017c \u5c0f \U0001f52c"),
        ("[bold]x[/]", "[bold]x[/]"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\x9b2J", "\\x9b2J"),
        ("a\rb", "a\\rb"),
        ("\udcff", "\\udcff"),
        ("a\tb\nc", "a\tb\nc"),
    ],
)
def test_what_would_command_a_terminal_is_escaped(text: str, shown: str):
    assert printable(text) == shown


@pytest.mark.parametrize("terminal", [True, False])
def test_at_every_position(terminal: bool, monkeypatch: pytest.MonkeyPatch):
    stream = io.StringIO()
    monkeypatch.setattr(console_module.sys, "stdout", stream)
    voice = console_module.people(json_mode=False)
    voice.console._force_terminal = terminal
    table = Table(title=Text(HOSTILE))
    table.add_column(Text(HOSTILE))
    table.add_row(Text(HOSTILE))
    voice.note(HOSTILE, "red")
    voice.show(table)
    shown = stream.getvalue()
    assert shown.count("[/b]<script>") == 4
    assert not {"\x07", "\u202e", "\u2028", "\x85"} & set(shown)
    assert "\x1b[2J" not in shown
    assert "\x1b]0" not in shown


def test_an_error_is_one_line(capsys: pytest.CaptureFixture[str]):
    say("Error: a\nError: b\x1b[2J")
    assert capsys.readouterr().err == "Error: a Error: b\\x1b[2J\n"


@pytest.fixture(scope="module")
def hostile_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound store, received from somebody who put markup wherever a text may stand."""
    folder = tmp_path_factory.mktemp("hostile")
    spec = make_spec((600, 600), expected_frames=2, model_sha256="0" * 64)
    with create_store(folder, spec) as writer:
        predictions = PredictionWriter(writer.path, spec, run="live-1")
        for seq in range(2):
            writer.append(make_frame(seq, (600, 600), objective=HOSTILE, tags={HOSTILE: HOSTILE}))
            predictions.append(make_result(seq, 4, engine=HOSTILE))
        predictions.close()
    notes = NotesWriter(writer.path)
    notes.add("note", HOSTILE)
    notes.add("exclude", HOSTILE, 1)
    writer.finalise({"state": "completed"})
    change_spec(
        writer.path,
        software={HOSTILE: HOSTILE},
        provenance=dict.fromkeys(
            ("specimen", "model", "model_folder", "engine", "camera", "camera_library", "plan", HOSTILE), HOSTILE
        ),
    )
    return writer.path


def test_the_page_and_its_picture_show_it(hostile_store: Path, tmp_path: Path):
    page = write_section_report(hostile_store, tmp_path).read_text(encoding="utf-8")
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 6


def test_the_page_shows_half_of_a_surrogate_pair_as_its_code(hostile_store: Path, tmp_path: Path):
    store = tmp_path / hostile_store.name
    shutil.copytree(hostile_store, store)
    change_spec(store, provenance={"specimen": "a\ud800b"})
    page = page_text(store)
    assert "The specimen: a\\ud800b." in page


@pytest.mark.parametrize(
    "arguments",
    [
        ("replay",),
        ("replay", "--model", "phantom-meng2019", "--engine", HOSTILE),
        ("recover",),
        ("replay", "--model", HOSTILE),
    ],
)
def test_commands_show_it(hostile_store: Path, arguments: tuple[str, ...]):
    command, *options = arguments
    done = cli(command, hostile_store, *options)
    assert done.code != 70, done.err
    assert not {"\x1b", "\x07", "\u202e", "\u2028"} & set(done.out + done.err)
