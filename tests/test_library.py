"""The list of a folder's sections: from manifests alone, whatever state they are in, with their present scores."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest
from commands import cli
from library_parts import stored_section
from storage_cases import change_facts

from hcc_scope.animal_scoring import animal_interval, share_of_confidence
from hcc_scope.errors import StoreError, StoreUnwritableError
from hcc_scope.runs import library
from hcc_scope.runs.animal_scores import animal_scores
from hcc_scope.runs.animal_sections import other_sections
from hcc_scope.runs.library import SectionLister
from hcc_scope.runs.library_export import export_sections
from hcc_scope.runs.reclassify_many import ReclassificationOfMany, describe_reclassified
from hcc_scope.runs.section_analyses import open_section, read_again
from hcc_scope.runs.section_comparison import compare_sections, describe_difference
from hcc_scope.runs.section_reading import with_present_score
from hcc_scope.runs.section_thumbnail import section_thumbnail
from hcc_scope.storage import find_stores, reader
from hcc_scope.storage.files import lock
from hcc_scope.storage.notes import NotesWriter
from hcc_scope.storage.predictions import read_predictions
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.recover import recover
from hcc_scope.storage.section_labels import label_section

if TYPE_CHECKING:
    from pathlib import Path


def listed(folder: Path) -> dict[str, object]:
    return {one.path.name.removesuffix(".ome.zarr"): one for one in SectionLister().each([folder])}


def test_every_state_of_a_store_is_a_row_with_one_sentence(tmp_path: Path) -> None:
    stored_section(tmp_path, "M1", "S1")
    stored_section(tmp_path / "day 2", "M1", "S2", ended=False)
    under_way = stored_section(tmp_path, "M1", "S3", ended=False)
    damaged, lost = stored_section(tmp_path, "M2", "S1"), stored_section(tmp_path, "M2", "S2")
    (damaged / "zarr.json").write_bytes(b"{")
    for name in ("zarr.json", "hcc_scope.json"):
        (lost / name).unlink()
    later = stored_section(tmp_path, "M2", "S3")
    change_facts(later, schema_version=999)
    foreign = tmp_path / "other.ome.zarr"
    foreign.mkdir()
    (foreign / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group", "attributes": {}}', encoding="utf-8")
    (tmp_path / "a file.ome.zarr").write_bytes(b"no folder")
    (tmp_path / "itself.ome.zarr").symlink_to(tmp_path / "itself.ome.zarr")
    (tmp_path / "day 2" / "up").symlink_to(tmp_path)
    with (under_way / "frames.jsonl").open("rb+") as file:
        assert lock(file.fileno())
        rows = listed(tmp_path)
    assert {name: one.state for name, one in rows.items()} == {
        "M1_S1": "complete",
        "M1_S2": "unfinished",
        "M1_S3": "under way",
        "M2_S1": "unreadable",
        "M2_S2": "unreadable",
        "M2_S3": "unreadable",
        "other": "unreadable",
    }
    assert [name for name, one in rows.items() if one.can_recover] == ["M2_S1", "M1_S2"]
    assert (rows["M2_S1"].animal_id, rows["M2_S1"].section_id) == ("M2", "S1"), "its copy states it"
    assert rows["M1_S2"].n_frames == 4
    problems = {name: one.problem.replace(str(tmp_path), "") for name, one in rows.items() if one.problem}
    assert problems["M2_S2"] == "/M2_S2.ome.zarr is not an OME-Zarr 0.5 store: it has no zarr.json."
    assert "has store version 999" in problems["M2_S3"]
    assert "was not written by HCC-Scope" in problems["other"]
    assert all(problem.endswith(".") and "\n" not in problem for problem in problems.values())


def test_a_folder_that_is_not_there_yet_holds_nothing(tmp_path: Path) -> None:
    lister = SectionLister()
    assert list(lister.each([tmp_path / "sections"])) == []
    assert lister.n_unread == 0


def test_a_store_that_goes_while_it_is_listed_is_a_row(tmp_path: Path) -> None:
    for section_id in ("S1", "S2"):
        stored_section(tmp_path, section_id=section_id)
    rows = SectionLister().each([tmp_path])
    first = next(rows)
    shutil.rmtree(tmp_path)
    (second,) = rows
    assert (first.state, second.state) == ("complete", "unreadable")
    assert second.problem.endswith("is no longer there.")


def test_a_store_that_is_away_for_a_moment_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, away = stored_section(tmp_path), tmp_path / "away"
    lister = SectionLister()
    look = library.store_stamp

    def look_and_lose(store: Path) -> tuple[int, ...]:
        stamp = look(store)
        path.rename(away)
        return stamp

    monkeypatch.setattr(library, "store_stamp", look_and_lose)
    assert [row.state for row in lister.each([tmp_path])] == ["unreadable"]
    monkeypatch.setattr(library, "store_stamp", look)
    away.rename(path)
    assert [(row.state, row.problem) for row in lister.each([tmp_path])] == [("complete", "")]


def test_only_manifests_are_read_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = stored_section(tmp_path, n=4)
    stored_section(tmp_path, section_id="S2")
    monkeypatch.setattr(reader, "read_journal", pytest.fail)
    monkeypatch.setattr(reader, "open_store", pytest.fail)
    lister = SectionLister()
    before = {one.section_id: one for one in lister.each([tmp_path])}
    NotesWriter(path).add("note", "folded at the edge")
    after = {one.section_id: one for one in lister.each([tmp_path])}
    assert after["S2"] is before["S2"]
    assert (before["S1"].n_notes, after["S1"].n_notes, after["S1"].note) == (0, 1, "folded at the edge")
    assert after["S1"].matches("m1 FOLDED")
    assert not after["S2"].matches("m1 FOLDED")


def test_the_score_is_the_present_one(tmp_path: Path) -> None:
    path = stored_section(tmp_path, n=5)
    (row,) = SectionLister().each([tmp_path])
    assert not row.has_old_score
    assert row.score == open_section(path).analyses[0].score
    NotesWriter(path).add("exclude", "a fold", 1)
    lister = SectionLister()
    (row,) = lister.each([tmp_path])
    assert row.has_old_score
    assert animal_scores([row]) == [], "an old score is no part of an animal's"
    present = with_present_score(row)
    assert present.score == open_section(path).analyses[0].score
    assert not present.has_old_score
    assert "1 field by the operator" in present.describe_quality()
    beside = dataclasses.replace(open_section(path).store.spec, section_id="S9")
    assert [other.score for other in other_sections(tmp_path, beside)] == [present.score], "in the live panel too"
    assert list(lister.with_present_scores([row])) == [present]
    assert list(lister.each([tmp_path])) == [present]


def test_the_live_panel_counts_the_sections_of_an_animal_that_the_list_counts(tmp_path: Path) -> None:
    """A run that never ended, or was recovered, has the score of its results; one that is under way has none."""
    for name in ("S2", "S3", "S4"):
        stored_section(tmp_path, section_id=name, mean=0.6, ended=False)
    recover(tmp_path / "M1_S3.ome.zarr")
    stored_section(tmp_path)
    stored_section(tmp_path, "M2")
    spec = open_store(tmp_path / "M1_S3.ome.zarr").spec
    with (tmp_path / "M1_S4.ome.zarr" / "frames.jsonl").open("rb+") as file:
        assert lock(file.fileno())
        sections = [with_present_score(one) if one.has_old_score else one for one in SectionLister().each([tmp_path])]
        others = other_sections(tmp_path, dataclasses.replace(spec, section_id="S9"))
    animal = next(one for one in animal_scores(sections) if one.animal_id == "M1")
    counted = sorted(animal.sections, key=lambda one: one.section_id)
    assert [other.section_id for other in others] == ["S1", "S2", "S3"]
    assert [other.score for other in others] == [one.score for one in counted]
    others = other_sections(tmp_path, dataclasses.replace(spec, section_id="S2"))
    assert [other.section_id for other in others] == ["S1", "S3", "S4"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_run_that_never_ended_has_the_score_of_what_was_classified(tmp_path: Path) -> None:
    path = stored_section(tmp_path, n=5, ended=False)
    (row,) = SectionLister().each([tmp_path])
    assert (row.score, row.has_old_score) == (None, True)
    assert with_present_score(row).score == open_section(path).analyses[0].score
    assert row.describe_fields() == "5"
    (path / "frames.jsonl").rename(path / "kept")
    os.mkfifo(path / "frames.jsonl")
    assert next(SectionLister().each([tmp_path])).n_frames is None, "a pipe is not waited for"
    (path / "kept").replace(path / "frames.jsonl")
    (path / "predictions.jsonl").write_bytes(b"nonsense\n")
    broken = with_present_score(row)
    assert broken.score is None
    assert broken.problem.endswith(".")


def test_an_animals_interval_holds_those_of_its_sections_at_a_confidence_that_is_shared(tmp_path: Path) -> None:
    for section_id, mean in (("S1", 0.3), ("S2", 0.5), ("S3", 0.8)):
        stored_section(tmp_path, section_id=section_id, n=12, mean=mean)
    (animal,) = animal_scores(list(SectionLister().each([tmp_path])))
    assert animal.describe() == f"mean of 3 sections {animal.score:.3f}"
    found = animal.with_interval()
    assert found.interval is not None
    of_sections = [one.score.interval for one in animal.sections]
    mean_low, mean_high = (sum(one[end] for one in of_sections) / 3 for end in (0, 1))
    assert found.interval[0] < mean_low < animal.score < mean_high < found.interval[1], "95 % for all of them together"
    assert found.describe() == (
        f"mean of 3 sections {animal.score:.3f}, 95 % interval {found.interval[0]:.3f} to {found.interval[1]:.3f}"
    )
    assert share_of_confidence(1) == 0.95
    assert animal_interval([one.score for one in animal.sections]) is None, "95 % of each is too little for three"
    assert animal_interval([animal.sections[0].score]) == of_sections[0]


def test_an_animal_without_an_interval_states_why(tmp_path: Path) -> None:
    stored_section(tmp_path, section_id="S1")
    stored_section(tmp_path, section_id="S2", sampling="raster")
    (animal,) = animal_scores(list(SectionLister().each([tmp_path])))
    assert animal.with_interval().describe().endswith("(no interval: section S2 has no valid interval)")


def test_scores_of_two_models_are_no_mean(tmp_path: Path) -> None:
    sections = list(SectionLister().each([stored_section(tmp_path).parent]))
    other = dataclasses.replace(sections[0], model_sha256="cd" * 32, model="other")
    found = animal_scores([*sections, other])
    assert [(one.model, len(one.sections)) for one in found] == [("other", 1), ("small-model", 1)]


def test_the_exported_lists_state_what_the_command_does(tmp_path: Path) -> None:
    stored_section(tmp_path / "in", section_id="S1", n=6)
    path = stored_section(tmp_path / "in", section_id="S2", sampling="raster")
    NotesWriter(path).add("exclude", "a fold", 1)
    done = cli("sections", tmp_path / "in", "--json")
    assert done.code == 0, done.err
    assert "Animal M1, small-model: mean of 2 sections" in done.err
    sections = [with_present_score(one) for one in SectionLister().each([tmp_path / "in"])]
    sections.sort(key=lambda one: one.section_id)
    written = export_sections(sections, [one.with_interval() for one in animal_scores(sections)], tmp_path / "out")
    assert json.loads((tmp_path / "out" / "sections.json").read_text(encoding="utf-8")) == done.json
    rows = list(csv.DictReader((tmp_path / "out" / "sections.csv").read_text(encoding="utf-8").splitlines()))
    assert [(row["section_id"], row["interval_valid"], bool(row["interval_low"])) for row in rows] == [
        ("S1", "True", True),
        ("S2", "False", False),
    ]
    tables = ["M1_S1-tiles.parquet", "M1_S2-tiles.parquet"]
    assert [one.name for one in written] == ["sections.json", "sections.csv", *tables]
    assert (tmp_path / "out" / tables[0]).read_bytes() == (sections[0].path / "predictions.parquet").read_bytes()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreUnwritableError, match="cannot be exported"):
        export_sections(sections, [], tmp_path / "file")
    assert cli("sections", tmp_path / "in", "--search", "s2 SMALL", "--json").json["sections"][0]["section_id"] == "S2"
    assert cli("sections", tmp_path / "none").code == StoreError.exit_code


def test_a_thumbnail_is_of_a_field_that_can_be_read(tmp_path: Path) -> None:
    path = stored_section(tmp_path, n=4)
    shutil.rmtree(path / "frames" / "0" / "c" / "2")
    picture = section_thumbnail(path, 32)
    assert picture is not None
    assert max(picture.shape) <= 32
    assert picture.max() > 200 > 50 > picture.min()
    assert section_thumbnail(stored_section(tmp_path, section_id="S9", n=1)) is not None


def test_two_sections_differ_by_no_more_than_their_intervals_allow(tmp_path: Path) -> None:
    for section_id, mean in (("S1", 0.2), ("S2", 0.8), ("S3", 0.79)):
        stored_section(tmp_path, section_id=section_id, n=40, mean=mean)
    raster = stored_section(tmp_path, section_id="S4", sampling="raster")
    rows = {one.section_id: one for one in SectionLister().each([tmp_path])}
    apart = compare_sections(rows["S1"], rows["S2"])
    assert apart.answer.startswith("The second section scores 0.600 more; 95 % interval of the difference +0.")
    assert apart.answer.endswith(": the sections differ.")
    assert {fact.name for fact in apart.facts if fact.differs} >= {"Section", "Mean tile probability"}
    assert compare_sections(rows["S2"], rows["S3"]).answer.endswith(": the sections need not differ.")
    assert "Without two valid intervals" in compare_sections(rows["S1"], rows["S4"]).answer
    other = dataclasses.replace(rows["S2"], model_sha256="cd" * 32)
    assert compare_sections(rows["S1"], other).answer.startswith("The sections were scored by different models")
    assert describe_difference(rows["S1"].score, rows["S2"].score).endswith(
        "it is not known whether the sections differ."
    )
    shutil.rmtree(raster)
    assert compare_sections(rows["S4"], rows["S4"]).answer.startswith("There is no store at")


def test_several_sections_are_classified_again_and_one_that_cannot_be_keeps_no_other_from_it(tmp_path: Path) -> None:
    good = [
        stored_section(tmp_path, section_id=f"S{n}", n=2, shape_yx=(512, 512), tile_px=512, bit_depth=16)
        for n in (1, 2)
    ]
    small = stored_section(tmp_path, section_id="S3")
    task = ReclassificationOfMany(
        [good[0], small, good[1]], model="phantom-meng2019", engine="torchscript", save_as="again"
    )
    assert task.progress().total == 3000
    found = task.run()
    assert [one.error is None for one in found] == [True, False, True]
    assert [len(read_predictions(path, "predictions-again")) for path in good] == [2, 2]
    assert task.progress().done == 3000
    assert "smaller than one tile" in found[1].describe()
    assert describe_reclassified(found) == "2 sections classified again, 1 could not be classified."
    again = ReclassificationOfMany(good, model="phantom-meng2019", engine="torchscript", save_as="again")
    again.cancel()
    assert describe_reclassified(again.run()) == "0 sections classified again, 2 cancelled."


def test_tables_of_sections_with_one_name_are_all_exported(tmp_path: Path) -> None:
    for folder, animal_id in (("a", "M1"), ("b", "M1"), ("c", "m1")):
        stored_section(tmp_path / folder, animal_id)
    sections = sorted(SectionLister().each([tmp_path]), key=lambda one: one.path)
    written = export_sections(sections, [], tmp_path / "out")
    assert [one.name for one in written[2:]] == [
        "M1_S1-tiles.parquet",
        "M1_S1-2-tiles.parquet",
        "m1_S1-3-tiles.parquet",
    ]


def test_a_score_that_is_not_the_present_one_is_not_shown(tmp_path: Path) -> None:
    first, second = (stored_section(tmp_path, section_id=name, n=5) for name in ("S1", "S2"))
    NotesWriter(first).add("exclude", "a fold", 1)
    rows = {one.section_id: one for one in SectionLister().each([tmp_path])}
    assert (rows["S1"].shown_score, rows["S1"].describe_quality()) == (None, "")
    assert compare_sections(rows["S1"], rows["S2"]).first.score == open_section(first).analyses[0].score
    (first / "predictions.jsonl").unlink()
    lost = with_present_score(next(one for one in SectionLister().each([first])))
    assert lost.score is None, "that of before the exclusion is not true any more"
    assert lost.problem
    assert second.exists()


def test_an_open_section_is_read_again_if_a_file_of_it_has_changed(tmp_path: Path) -> None:
    opened = open_section(stored_section(tmp_path, n=5))
    assert read_again(opened) is None
    opened.analyses.append(dataclasses.replace(opened.analyses[0], title="Replay 1", is_stored=False))
    NotesWriter(opened.path).add("exclude", "a fold", 1)
    label_section(opened.path, "high")
    now = read_again(opened)
    assert now is not None
    assert (now.label, now.excluded) == ("high", {1})
    assert [one.title for one in now.analyses] == ["Recorded", "Replay 1"], "what no file holds stays"
    assert {one.score.fields_excluded_by_operator for one in now.analyses} == {1}


def test_the_command_states_how_many_folders_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored_section(tmp_path)
    (tmp_path / "closed").mkdir()
    scandir = os.scandir

    def refuse(path: Path) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(find_stores.os, "scandir", refuse)
    assert "1 section; 1 folder cannot be opened" in cli("sections", tmp_path).out
