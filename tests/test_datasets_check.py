"""The check of labelled images: its findings, and that it reports all of them in one run."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from commands import cli
from dataset_parts import HEADER, edit, small_set, tissue, write_image, write_lines
from hypothesis import given
from hypothesis import strategies as st
from storage_cases import make_frame, make_spec, shard

from hcc_scope.datasets import check
from hcc_scope.datasets.check import DatasetReport, check_dataset, cramers_v
from hcc_scope.errors import DatasetError, ManifestError
from hcc_scope.storage.writer import create_store

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.progress import Progress


def kinds(report: DatasetReport) -> list[tuple[str, str]]:
    return [(problem.severity, problem.kind) for problem in report.problems]


def text_of(report: DatasetReport, kind: str) -> str:
    [problem] = [problem for problem in report.problems if problem.kind == kind]
    return str(problem)


@pytest.fixture
def few_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "FEW_IMAGES", 1)


def test_a_sound_set(tmp_path: Path, few_are_enough: None):
    steps: list[Progress] = []
    report = check_dataset(small_set(tmp_path, 2, images=2), steps.append)
    assert [step.done for step in steps] == list(range(1, 9))
    assert report.problems == ()
    assert report.trainable
    assert [(c.name, c.images, c.animals, c.sections, c.days) for c in report.classes] == [
        ("high", 4, 2, 2, 2),
        ("low", 4, 2, 2, 2),
    ]
    assert [(a.name, a.low, a.high) for a in report.animals] == [
        ("high1", 0, 2),
        ("high2", 0, 2),
        ("low1", 2, 0),
        ("low2", 2, 0),
    ]
    assert report.sections[2].name == "low1 / s1"
    assert [(d.name, d.low, d.high) for d in report.days] == [("2026-01-01", 2, 2), ("2026-01-02", 2, 2)]
    assert (report.shapes_yx, report.bit_depths, report.pixel_sizes_um) == ({"512 x 512": 8}, {"16": 8}, {"0.325": 8})
    assert report.class_by_day_v == 0.0
    assert (report.tiles, report.tiles_usable, report.tiles_excluded) == (8, {"low": 4, "high": 4}, {})
    json.dumps(report.to_json(), allow_nan=False)


def test_everything_that_is_wrong_is_found_immediately(tmp_path: Path):
    for i in range(3):
        write_image(tmp_path / f"{i}.tif", tissue(i))
    write_image(tmp_path / "copy.tif", tissue(0))
    write_image(tmp_path / "eight.tif", (tissue(5) >> 8).astype(np.uint8))
    write_image(tmp_path / "small.tif", tissue(6, (500, 500)))
    write_image(tmp_path / "wide.tif", tissue(7, (512, 700)))
    write_image(tmp_path / "glass.tif", np.full((512, 512), 30_000, np.uint16))
    whole = write_image(tmp_path / "cut.tif", tissue(8))
    whole.write_bytes(whole.read_bytes()[:-10])
    bits = write_image(tmp_path / "bits.tif", tissue(9))
    damaged = bytearray(bits.read_bytes())
    damaged[2000] ^= 0xFF
    bits.write_bytes(bytes(damaged))
    path = write_lines(
        tmp_path / "m.csv",
        [
            "0.tif,low,m1,s1,mon,0.325",
            "1.tif,low,m1,s1,mon,0.325",
            "2.tif,high,m2,s1,tue,0.325",
            "copy.tif,high,m2,s1,tue,0.325",
            "eight.tif,high,m2,s1,tue,0.325",
            "small.tif,low,m1,s1,mon,0.325",
            "wide.tif,low,m1,s1,mon,0.65",
            "glass.tif,low,m1,s1,mon,0.325",
            "cut.tif,low,m1,s1,mon,0.325",
            "bits.tif,low,m1,s1,mon,0.325",
            "gone.tif,low,m1,s1,mon,0.325",
            "1.tif,low,m1,s1,mon,0.325",
            "2.tif,middling,m2,s1,tue,0.325",
        ],
    )
    report = check_dataset(path)
    found = "\n".join(map(str, report.problems))
    for words in (
        "line 10: ",
        "cut.tif, page 0 ends before its pixels do",
        "bits.tif cannot be decoded",
        "line 12: ",
        "gone.tif cannot be opened",
        "line 13: 1.tif is listed already on line 3",
        "line 14: the class is 'middling'",
        "most images have 16 bit, but not eight.tif (8 bit)",
        "pixel sizes are more than 5% from the median of 0.325 um in wide.tif (0.65 um)",
        "smaller than a tile of 512 x 512 px: small.tif (500 x 500)",
        "The same pixels are labelled low and high: 0.tif (low, m1), copy.tif (high, m2)",
        "2 images are not of the usual 512 x 512 px: small.tif (500 x 500), wide.tif (512 x 700)",
        "No tile passes quality in 1 image: glass.tif",
        "All images of class low are from one animal (m1): the protocol by animal cannot run",
        "Every day has images of one class alone (mon: 7 low, 0 high, tue: 0 low, 3 high)",
        "There are only 3 images of class high",
    ):
        assert words in found, words
    assert not report.trainable
    severities = [problem.severity for problem in report.problems]
    assert severities == sorted(severities)  # errors first
    assert report.class_by_day_v == 1.0


def test_copies_within_an_animal_are_a_warning_and_across_animals_an_error(tmp_path: Path, few_are_enough: None):
    path = small_set(tmp_path, 2)
    write_image(tmp_path / "copy.tif", tissue(100))  # of low1-0.tif, in other words: another file, the same pixels
    lines = path.read_text().splitlines()[1:]
    write_lines(path, [*lines, "copy.tif,low,low1,s2,2026-01-02,0.325"])
    report = check_dataset(path)
    assert kinds(report) == [("warning", "duplicate")]
    assert "copy.tif (low, low1)" in text_of(report, "duplicate")
    assert report.trainable

    write_lines(path, [*lines, "copy.tif,low,low2,s2,2026-01-02,0.325"])
    report = check_dataset(path)
    assert kinds(report) == [("error", "duplicate")]
    assert "listed for different animals: low1-0.tif (low, low1), copy.tif (low, low2)" in text_of(report, "duplicate")
    assert set(report.problems[0].images) == {str(tmp_path / "low1-0.tif"), str(tmp_path / "copy.tif")}


def test_copies_that_nothing_is_trained_on_are_a_warning(tmp_path: Path, few_are_enough: None):
    path = small_set(tmp_path, 2)
    lines = path.read_text().splitlines()[1:]
    for name in ("white.tif", "copy.tif"):
        write_image(tmp_path / name, np.full((512, 512), 65_535, np.uint16))
    write_lines(path, [*lines, "white.tif,low,low1,s1,2026-01-01,0.325", "copy.tif,low,low2,s1,2026-01-02,0.325"])
    report = check_dataset(path)
    assert kinds(report) == [("warning", "duplicate"), ("warning", "quality")]
    assert "for different animals: white.tif (low, low1), copy.tif (low, low2). No tile" in text_of(report, "duplicate")
    assert report.trainable


def test_one_is_reported_in_the_singular(tmp_path: Path):
    for i, shape in enumerate(((512, 512), (512, 512), (512, 700))):
        write_image(tmp_path / f"{i}.tif", tissue(i, shape))
    lines = ["0.tif,low,m1,s1,mon,0.3", "1.tif,low,m1,s1,mon,0.3", "2.tif,high,m2,s1,mon,0.3"]
    found = [problem.what for problem in check_dataset(write_lines(tmp_path / "m.csv", lines)).problems]
    assert "There is only 1 image of class high" in found
    assert "1 image is not of the usual 512 x 512 px: 2.tif (512 x 700)" in found


def test_days_that_go_with_the_class_and_lopsided_numbers(tmp_path: Path, few_are_enough: None):
    path = small_set(tmp_path, 2, images=4)
    lines = path.read_text().splitlines()[1:]
    # high1 is imaged on the other day, and few of high are left
    kept = [line for line in lines if "high" not in line or "-0.tif" in line]
    write_lines(path, [line.replace("2026-01-01", "2026-01-02") if "high1" in line else line for line in kept])
    report = check_dataset(path)
    assert kinds(report) == [("warning", "unbalanced")]
    assert report.class_by_day_v == pytest.approx(math.sqrt((4 * 2) ** 2 / (8 * 2 * 4 * 6)))
    write_lines(
        path,
        [line.replace("2026-01-02", "2026-01-01") if "low2" in line else line for line in lines if "high1" not in line],
    )
    report = check_dataset(path)
    assert ("warning", "day") in kinds(report)
    assert "one class alone" in text_of(report, "day")


def test_sites_and_batches_are_counted_and_compared_with_the_class(tmp_path: Path, few_are_enough: None):
    path = small_set(tmp_path, 2, images=2)
    rows = [line + (",Kyoto,b1" if ",low," in line else ",kyoto,b2") for line in path.read_text().splitlines()[1:]]
    rows[0] = rows[0].replace("b1", "b2")
    report = check_dataset(write_lines(path, rows, f"{HEADER},site,batch"))
    assert [(s.name, s.low, s.high) for s in report.sites] == [("Kyoto", 4, 0), ("kyoto", 0, 4)]
    assert (report.class_by_day_v, report.class_by_site_v) == (0.0, 1.0)
    assert report.class_by_batch_v == pytest.approx(math.sqrt(3 / 5))  # of 3, 0; 1, 4
    assert "Every site has images of one class alone (Kyoto: 4 low, 0 high" in text_of(report, "site")
    assert "Class and batch go together (Cramér's V 0.77; b1: 3 low, 0 high" in text_of(report, "batch")
    assert "The sites Kyoto and kyoto differ only in case" in text_of(report, "spelling")
    rows[0] = rows[0].replace("Kyoto", "Nara")
    report = check_dataset(write_lines(path, rows, f"{HEADER},site,batch"))
    assert any("from several sites: low1 (Kyoto and Nara)" in problem.what for problem in report.problems)


def test_ids_that_may_be_two_spellings_of_one_are_a_warning(tmp_path: Path, few_are_enough: None):
    path = small_set(tmp_path, 3, images=2)
    edit(path, "low2-0.tif,low,low2,", "low2-0.tif,low,LOW_1,")
    edit(path, "high1-1.tif,high,high1,s1", "high1-1.tif,high,high1,S 1")
    edit(edit(path, ",low3,", ",1-11,"), ",high3,", ",11-1,")  # of two cages
    report = check_dataset(path)
    assert [str(problem) for problem in report.problems] == [
        "The animal ids LOW_1 and low1 differ only in case, spaces, hyphens or underscores. If they are one animal, "
        "give them one id: with two, a split by animal can have it on both sides.",
        "The section ids S 1 and s1 of animal high1 differ only in case, spaces, hyphens or underscores. If they are "
        "one section, give them one id: with two, it counts as two sections.",
    ]
    assert report.trainable


def test_a_class_without_a_usable_tile_is_an_error(tmp_path: Path, few_are_enough: None):
    write_image(tmp_path / "a.tif", tissue(1))
    write_image(tmp_path / "b.tif", np.full((512, 512), 65_535, np.uint16))
    path = write_lines(tmp_path / "m.csv", ["a.tif,low,m1,s1,mon,0.3", "b.tif,high,m2,s1,mon,0.3"])
    report = check_dataset(path)
    assert [str(p) for p in report.errors] == [
        "No tile of class high passes quality (1 no tissue, 1 saturated). Look at these images: are they in focus, "
        "exposed, and on tissue? Is the bit depth right?"
    ]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy")), max_size=30))
def test_cramers_v_is_a_share_and_symmetric(pairs: list[tuple[str, str]]):
    rows, columns = [a for a, _ in pairs], [b for _, b in pairs]
    v = cramers_v(rows, columns)
    assert v == pytest.approx(cramers_v(columns, rows))
    if v is None:
        assert len(set(rows)) < 2 or len(set(columns)) < 2
    else:
        assert 0.0 <= v <= 1.0
        assert cramers_v(rows, rows) == pytest.approx(1.0)


def test_the_problems_of_a_store(tmp_path: Path, few_are_enough: None):
    shape = (512, 512)
    for animal, complete in (("M1", True), ("M2", False)):
        with create_store(tmp_path, make_spec(shape, animal_id=animal, bit_depth=16)) as writer:
            for seq in range(2):
                writer.append(make_frame(seq, shape, bit_depth=16, pixels=tissue(seq + 10 * complete)))
        if complete:
            writer.finalise({"state": "completed"})
    path = write_lines(tmp_path / "m.csv", ["M1_S2.ome.zarr,low,,,,", "M2_S2.ome.zarr,high,,,,"])
    report = check_dataset(path)
    assert kinds(report) == [("warning", "store"), ("warning", "animals"), ("warning", "animals")]
    assert "M2_S2.ome.zarr never ended in order" in text_of(report, "store")
    shard(tmp_path / "M1_S2.ome.zarr", 1).unlink()
    [error] = check_dataset(path).errors
    assert (error.kind, "Frame 1 in" in error.what, "is missing" in error.what) == ("unreadable", True, True)


# ---- the command ----------------------------------------------------------------------------------------------------


def test_the_command_prints_everything_and_fails_if_there_is_an_error(tmp_path: Path):
    path = small_set(tmp_path)
    good = cli("dataset", "check", path)
    assert good.code == 0, good.err
    for words in ("Classes", "Animals", "Days", "low1 / s1", "Cramér's V 0.00", "can be trained on; 2 warnings"):
        assert words in good.out
    write_image(tmp_path / "low1-0.tif", tissue(110))  # the pixels of high1-0.tif
    bad = cli("dataset", "check", path, "--json")
    assert bad.code == DatasetError.exit_code
    assert bad.json["trainable"] is False
    [error] = [problem for problem in bad.json["problems"] if problem["severity"] == "error"]
    assert (error["kind"], len(error["images"])) == ("duplicate", 2)
    assert "cannot be trained on: 1 error, the first: The same pixels are labelled low and high" in bad.err


def test_an_id_that_looks_like_markup_is_shown_as_it_is(tmp_path: Path):
    path = edit(edit(small_set(tmp_path), ",low1,", ",M[/1],"), "2026-01-02", "[red]x")
    done = cli("dataset", "check", path)
    assert done.code == 0, done.err
    for words in ("M[/1] / s1", "[red]x", "Cramér's V 0.00", "can be trained on; 2 warnings"):
        assert words in done.out


def test_a_manifest_that_cannot_be_read_is_its_own_error(tmp_path: Path):
    with pytest.raises(ManifestError, match="unknown column"):
        check_dataset(write_lines(tmp_path / "m.csv", [], "path,label"))
