"""Which sections a query finds, in which order, and which stores an animal's score rests on."""

from __future__ import annotations

import csv
import io
import re
import shlex
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from commands import cli
from library_parts import stored_section

from hcc_scope.errors import StoreError, UsageError
from hcc_scope.runs.animal_scores import animal_scores
from hcc_scope.runs.animal_sections import animal_mean, other_sections
from hcc_scope.runs.listed_section import ListedSection
from hcc_scope.runs.section_columns import COLUMNS, json_cells, section_rows
from hcc_scope.runs.section_query import parse_condition, parse_order, sort_rows
from hcc_scope.storage.notes import NotesWriter
from hcc_scope.storage.reader import open_store
from hcc_scope.types import SectionScore

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def row(path: str, section_id: str, score: float | None = 0.5, **changes: object) -> ListedSection:
    found = None
    if score is not None:
        ends = (score - 0.1, score + 0.1)
        found = SectionScore(score, ends, 8, True, 0.95, 0.55, False, "", 8, 100, {"out_of_focus": 4})
    values = {"animal_id": "M1", "created_utc": NOW, "n_frames": 8, "model": "small", "model_sha256": "ab", **changes}
    return ListedSection(Path(path), values.pop("state", "complete"), section_id=section_id, score=found, **values)


ORIGINAL = row("lib/M1_S1.ome.zarr", "S1")
CHOICES = {
    "a copy in a folder below": (
        [row("lib/copies/M1_S1.ome.zarr", "S1"), ORIGINAL],
        "lib/M1_S1.ome.zarr",
        "a copy of lib/M1_S1.ome.zarr",
    ),
    "a copy from before the last note": (
        [ORIGINAL, row("lib/deep/M1_S1.ome.zarr", "S1", 0.7, noted_utc=NOW)],
        "lib/deep/M1_S1.ome.zarr",
        "a copy of lib/deep/M1_S1.ome.zarr",
    ),
    "a copy from before the section was continued": (
        [replace(ORIGINAL, noted_utc=NOW), row("lib/deep/M1_S1.ome.zarr", "S1", n_frames=12)],
        "lib/deep/M1_S1.ome.zarr",
        "a copy of lib/deep/M1_S1.ome.zarr",
    ),
    "acquired again": (
        [row("lib/again/M1_S1.ome.zarr", "S1", created_utc=NOW + timedelta(days=1)), ORIGINAL],
        "lib/again/M1_S1.ome.zarr",
        "the section was acquired again: lib/again/M1_S1.ome.zarr",
    ),
    "acquired again, and cut off": (
        [row("lib/M1_S1-2.ome.zarr", "S1", created_utc=NOW + timedelta(days=1), state="unfinished"), ORIGINAL],
        "lib/M1_S1.ome.zarr",
        "its run never ended, and there is another of the section: lib/M1_S1.ome.zarr",
    ),
}


@pytest.mark.parametrize(("stores", "counts", "why"), CHOICES.values(), ids=CHOICES)
@pytest.mark.parametrize("step", [1, -1])
def test_each_section_of_an_animal_counts_once(stores: list[ListedSection], counts: str, why: str, step: int) -> None:
    (animal,) = animal_scores([*stores[::step], row("lib/M1_S2.ome.zarr", "S2", 0.9)])
    assert [one.path.as_posix() for one in animal.sections] == [counts, "lib/M1_S2.ome.zarr"]
    assert animal.score == (animal.sections[0].score.score + 0.9) / 2
    (left_out,) = animal.left_out
    assert left_out.describe().replace("\\", "/") == why
    assert animal.describe().endswith(", without 1 copy" if "copy" in why else ", without 1 other run of a section")


def test_what_has_no_present_score_counts_nowhere() -> None:
    none = row("lib/M1_S2.ome.zarr", "S2", None)
    old = row("lib/M1_S3.ome.zarr", "S3", has_old_score=True)
    other_model = row("lib/M1_S1-2.ome.zarr", "S1", model_sha256="cd")
    found = animal_scores([ORIGINAL, none, old, other_model])
    assert [(one.model_sha256, len(one.sections), one.left_out) for one in found] == [("ab", 1, ()), ("cd", 1, ())]


ROWS = section_rows(
    [
        row("lib/M1_S2.ome.zarr", "S2", 0.7, label="high", note="a Fold at the edge"),
        row("lib/M1_S10.ome.zarr", "S10", 0.4, created_utc=NOW - timedelta(days=2)),
        row("lib/M2_S1.ome.zarr", "S1", None, animal_id="M2", state="unfinished"),
        ListedSection(Path("lib/lost.ome.zarr"), "unreadable", "It is damaged."),
    ],
    [],
)
FOUND = {
    "score > 0.5": "S2",
    "score<=0.4": "S10",
    "score != 0.7": "S10 S1 lost",
    "score = none": "S1 lost",
    "score != none": "S2 S10",
    "animal = m1": "S2 S10",
    "section == S1": "S1",
    "model_sha256 = AB": "S2 S10 S1",
    "note ~ fold": "S2",
    "note ~ 'fold'": "S2",
    'animal = "M1"': "S2 S10",
    "note !~ fold": "S10 S1 lost",
    "complete": "S2 S10",
    "not complete": "S1 lost",
    "interval_valid = yes": "S2 S10",
    "interval_valid != true": "S1 lost",
    "date >= 2026-11-30": "S2 S1",
    "date = 2026-11-28": "S10",
    "date < 2026-11-30T12:00": "S10",
    "acquired_utc <= 2026-11-30T14:00+02:00": "S2 S10 S1",
    "decision = high": "S2",
    "verdict ~ undecided": "",
    "tiles_out_of_focus > 3": "S2 S10",
    "quality ~ out of focus": "S2 S10",
    "problem ~ damaged": "lost",
    "state = unreadable": "lost",
}


@pytest.mark.parametrize(("condition", "found"), FOUND.items())
def test_a_condition_finds(condition: str, found: str) -> None:
    names = [one.section.section_id or one.section.path.name for one in ROWS if parse_condition(condition).holds(one)]
    assert " ".join(names).replace(".ome.zarr", "") == found


WRONG = {
    "score": "lacks an operator and a value",
    "not score": "lacks an operator",
    "colour = red": "There is no column 'colour'",
    "scor > 0.6": "There is no column 'scor'. Did you mean 'score'?",
    "score => 0.6": "The operator '=>' in the condition 'score => 0.6' is unknown. For score use = != < <= > >=.",
    "score > 0.6 and verdict = high": "is more than one condition. Give each its own --where",
    "animal ~ M and not complete": "is more than one condition. Give each its own --where",
    "score > 1_0": "'1_0' is no value of score, which holds numbers. Write a number with a decimal point",
    "score > 60%": "'60%' is no value of score, which holds numbers. Write a number with a decimal point",
    "score > high": "'high' is no value of score, which holds numbers",
    "score = nan": "'nan' is no value",
    "score ~ 5": "score cannot be compared by ~",
    "animal > M1": "animal_id cannot be compared by >",
    "complete = maybe": "Write yes or no",
    "date = yesterday": "Write a date as 2026-11-30",
    "> 5": "cannot be read",
    "": "cannot be read",
}


@pytest.mark.parametrize(("condition", "words"), WRONG.items())
def test_a_condition_that_cannot_hold_is_refused_in_words(condition: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_condition(condition)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("orders", "found"),
    [
        ([], "S2 S10 S1 lost"),
        (["score"], "S10 S2 S1 lost"),
        (["-score"], "S2 S10 S1 lost"),
        (["-section"], "S10 S2 S1 lost"),
        (["state", "-date"], "S2 S10 S1 lost"),
        (["-animal"], "S1 S2 S10 lost"),
    ],
)
def test_an_order_has_numbers_in_ids_by_value_and_what_is_not_known_last(orders: list[str], found: str) -> None:
    for rows in (ROWS, ROWS[::-1]):
        names = [one.section.section_id or "lost" for one in sort_rows(rows, [parse_order(order) for order in orders])]
        assert " ".join(names) == found


def test_a_note_of_digits_alone_has_its_place() -> None:
    rows = section_rows([row("a", "S1", note="9" * 5000), row("b", "S2", note="10")], [])
    assert [one.section.section_id for one in sort_rows(rows, [parse_order("note")])] == ["S2", "S1"]


def test_the_command_writes_the_same_rows_as_a_table_json_and_csv(tmp_path: Path) -> None:
    for section_id, mean in (("S1", 0.3), ("S2", 0.8), ("S10", 0.7)):
        stored_section(tmp_path, section_id=section_id, mean=mean)
    shutil.copytree(tmp_path / "M1_S2.ome.zarr", tmp_path / "copies" / "M1_S2.ome.zarr")
    asked = ("query", tmp_path, "--where", "score > 0.5", "--where", "complete", "--sort", "-score,-in_animal_score")
    done = cli(*asked, "--json")
    assert done.code == 0, done.err
    rows = done.json["sections"]
    counting = [(one["section_id"], one["in_animal_score"]) for one in rows]
    assert counting == [("S2", True), ("S2", False), ("S10", True)]
    assert rows[1]["not_counted"] == f"a copy of {rows[0]['store']}"
    assert "3 of 4 sections" in done.err
    assert {one["animal_sections"] for one in rows} == {3}
    table = list(csv.DictReader(io.StringIO(cli(*asked, "--csv").out)))
    assert [list(one) for one in table] == [list(COLUMNS)] * 3
    assert [[one[name] for name in ("store", "score")] for one in table] == [
        [one["store"], str(one["score"])] for one in rows
    ]
    first = cli(*asked, "--first", "1")
    assert "3 of 4 sections, of them the first 1" in first.out
    assert "S10" not in first.out
    assert cli("query", tmp_path / "none").code == StoreError.exit_code
    for wrong in (["--json", "--csv"], ["--first", "0"], ["--where", "score"], ["--sort", "colour"]):
        assert cli("query", tmp_path, *wrong).code == UsageError.exit_code
    empty = cli("query", tmp_path, "--where", "score > 2", "--json")
    assert empty.json == {"sections": []}


def test_the_animals_score_is_the_same_everywhere(tmp_path: Path) -> None:
    paths = [stored_section(tmp_path, section_id=name, mean=mean) for name, mean in (("S1", 0.3), ("S2", 0.8))]
    copy = tmp_path / "day 2" / paths[1].name
    shutil.copytree(paths[1], copy)
    stored_section(tmp_path / "day 2", section_id="S3", mean=0.6, ended=False)
    stored_section(tmp_path, section_id="S4", model_sha256="cd" * 32)
    NotesWriter(paths[0]).add("exclude", "a fold", 1)
    listed = cli("sections", tmp_path, "--search", "S1", "--json").json["animals"]
    mean = next(one for one in listed if one["model_sha256"] == "ab" * 32)
    assert (mean["sections"], len(mean["left_out"])) == (["S1", "S2", "S3"], 1), "over all, whatever is searched for"
    of_query = cli("query", tmp_path, "--where", "section = S1", "--json").json["sections"]
    assert of_query[0]["animal_score"] == mean["score"]
    others = other_sections(tmp_path, open_store(paths[0]).spec)
    scores = [of_query[0]["score"], *(one.score.score for one in others)]
    assert [one.section_id for one in others] == ["S2", "S3"]
    assert sum(scores) / 3 == pytest.approx(mean["score"], abs=1e-15)
    of_copy = animal_mean(copy, open_store(copy).spec, tmp_path)
    assert (of_copy.score, of_copy.n_sections) == (mean["score"], 3)
    assert of_copy.where == f"the folder {tmp_path.name} and those below it"
    assert of_copy.remark == f"this store does not count: a copy of {paths[1]}"
    beside = animal_mean(paths[0], open_store(paths[0]).spec, paths[0].parent)
    assert (beside.score, beside.where, beside.remark) == (
        mean["score"], "this folder and those below it", "without 1 copy"
    )  # fmt: skip


def test_the_page_has_all_columns_and_its_commands_run(tmp_path: Path) -> None:
    page = (Path(__file__).parent.parent / "docs" / "query.md").read_text(encoding="utf-8")
    table = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    assert [name for cell in table for name in re.findall(r"`(\w+)`", cell)] == list(COLUMNS)
    commands = re.findall(r"^hcc-scope (query .*)$", page, re.MULTILINE)
    assert len(commands) >= 5
    for command in commands:
        done = cli(*shlex.split(command.replace("D:/sections", tmp_path.as_posix())))
        assert done.code == 0, done.err


def test_the_cells_of_a_row_are_json() -> None:
    cells = [json_cells(one) for one in ROWS]
    assert [one["acquired_utc"] for one in cells[:2]] == ["2026-11-30T12:00:00+00:00", "2026-11-28T12:00:00+00:00"]
    assert (cells[0]["interval_low"], cells[0]["decision"], cells[2]["score"]) == (0.6, "high", None)
