"""Phantom cohorts: laid out as asked for, the same every time, complete or absent."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict, namedtuple
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from commands import COMMAND, cli
from storage_cases import fingerprint

from hcc_scope.cli.phantom import run_cohort
from hcc_scope.datasets import cohort, cohort_plan
from hcc_scope.datasets.cohort import write_cohort
from hcc_scope.datasets.cohort_plan import CohortSpec, day_exposure_ms, plan_cohort, truth
from hcc_scope.datasets.images import read_pixels
from hcc_scope.datasets.manifest import read_manifest
from hcc_scope.errors import DiskFullError, StoreError, StoreExistsError, StoreUnwritableError, UsageError
from hcc_scope.phantom import DayEffect
from hcc_scope.phantom.effects import EFFECTS
from hcc_scope.plans import geometry
from hcc_scope.progress import Progress, ignore_progress
from hcc_scope.storage.naming import check_id

if TYPE_CHECKING:
    from pathlib import Path

TINY = CohortSpec(animals_per_class=1, images_per_class=3, sections=1, image_px=512, seed=4)


# ---- the plan -------------------------------------------------------------------------------------------------------


def _draws_nothing(step: Progress) -> None:
    pytest.fail(f"an image was drawn: {step}")


def test_images_are_spread_evenly_and_do_not_overlap():
    spec = CohortSpec(animals_per_class=3, images_per_class=11, sections=2, image_px=1024)
    planned = plan_cohort(spec)
    for name in ("low", "high"):
        of_class = [one for one in planned if one.tumour_class == name]
        assert [len(one.fields) for one in of_class] == [2, 2, 2, 2, 2, 1]
        assert [(one.animal, one.section) for one in of_class] == [
            (f"{name}-{i}", f"s{j}") for i in (1, 2, 3) for j in (1, 2)
        ]
    side_um = 1024 * 0.325
    for one in planned:
        x, y = ([getattr(field, axis) for field in one.fields] for axis in ("x_um", "y_um"))
        for i in range(len(x)):
            for j in range(i):
                assert abs(x[i] - x[j]) >= side_um or abs(y[i] - y[j]) >= side_um


def test_the_papers_number_of_images_per_animal_fits():
    assert CohortSpec(3, 960).sections_per_animal == 10
    spec = CohortSpec(animals_per_class=1, images_per_class=320)
    planned = plan_cohort(spec)
    assert Counter(one.tumour_class for one in planned) == {"low": 10, "high": 10}
    assert {len(one.fields) for one in planned} == {32}


def test_too_many_images_for_a_section_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(geometry, "_MAX_MISSES", 200)  # enough to see that it is full
    with pytest.raises(
        UsageError, match=r"160 images of 2048 px do not fit into section s1 .* --sections|sections \d+"
    ):
        plan_cohort(CohortSpec(3, 960, sections=2))


DAYS = {  # classes, sections and animals per day
    "balanced": (2, 2, 2, 6),
    "per-section": (1, 1, 1, 12),
    "per-animal": (1, 2, 1, 6),
    "per-class": (1, 6, 3, 2),
}


@pytest.mark.parametrize("days", DAYS)
def test_a_day_stands_for_what_was_asked(days: str):
    planned = plan_cohort(CohortSpec(3, 6, sections=2, image_px=512, days=days))
    of_day = defaultdict(list)
    for one in planned:
        of_day[one.day].append(one)
    found = {
        (len({one.tumour_class for one in day}), len(day), len({one.animal for one in day})) for day in of_day.values()
    }
    assert (*found.pop(), len(of_day)) == DAYS[days]
    assert not found


def test_no_demo_can_show_a_specimen_of_a_cohort():
    specimen = plan_cohort(TINY)[0].specimen(TINY)
    for name in (specimen.animal, specimen.day):
        with pytest.raises(Exception, match="contains /"):
            check_id(str(name), "id")


def test_factors_scale_the_effects_they_name():
    spec = CohortSpec(day_effect=3, animal_effect=0, section_effect=2, class_separation=0)
    sizes = spec.effect_sizes
    assert sizes.class_separation == 0
    assert sizes.arrangement_separation == 0  # there is no class to find
    assert replace(spec, arrangement=1.5).effect_sizes.arrangement_separation == 1.5
    assert (sizes.animal_arrangement_sd, sizes.section_arrangement_sd) == (0, 2 * EFFECTS.section_arrangement_sd)
    assert sizes.day_illumination_sd == 3 * EFFECTS.day_illumination_sd
    assert sizes.vignetting_mean == EFFECTS.vignetting_mean
    assert (sizes.animal_latent_sd, sizes.animal_stain_sd) == (0, 0)
    assert sizes.section_thickness_sd == 2 * EFFECTS.section_thickness_sd
    assert CohortSpec().effect_sizes == EFFECTS


def test_without_groups_the_classes_differ_in_growth_alone():
    spec = replace(TINY, groups=False)
    known = truth(spec, plan_cohort(spec))
    assert {row["arrangement_mean"] for row in known["sections"]} == {None}
    assert "and none in arrangement, without groups of nuclei" in known["synthetic"]
    with pytest.raises(UsageError, match="without groups"):
        replace(spec, arrangement=2.0)


def test_the_operator_keeps_bare_glass_within_the_cameras_range():
    assert day_exposure_ms(DayEffect()) == 10.0
    assert day_exposure_ms(DayEffect(illumination=1.2)) == 10.0
    assert day_exposure_ms(DayEffect(illumination=4.0)) == pytest.approx(10 * 0.75 / 0.6 / 4)
    assert day_exposure_ms(DayEffect(illumination=0.1)) == pytest.approx(10 * 0.30 / 0.6 / 0.1)


def test_the_truth_has_every_draw():
    spec = replace(TINY, day_effect=2.0)
    known = truth(spec, plan_cohort(spec))
    drawn = [one.specimen(spec).section_effect for one in plan_cohort(spec)]
    for name in ("latent_mean", "arrangement_mean", "stain", "thickness"):
        assert [row[name] for row in known["sections"]] == [getattr(one, name) for one in drawn]
    assert known["spec"]["arrangement"] == known["effect_sizes"]["arrangement_separation"] == 3.6
    assert "1.3 in phenotype and 3.6 in arrangement" in known["synthetic"]
    assert known["spec"]["day_effect"] == 2.0
    assert set(known["days"]) == {row["day"] for row in known["sections"]}
    assert {"illumination", "gain", "thickness", "vignetting", "exposure_ms"} <= set(known["days"]["2026-01-05"])
    assert "Synthetic" in known["synthetic"]
    json.dumps(known, allow_nan=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images_per_class": 2}, "2 images cannot be spread over 4 animals"),
        ({"arrangement": 21.0}, "arrangement must be within 0 to 20, not 21"),
        ({"arrangement": float("nan")}, "arrangement must be within 0 to 20, not nan"),
        ({"images_per_class": 1, "animals_per_class": 2}, "1 image cannot be spread over 2 animals"),
        ({"day_effect": -1.0}, "day_effect must be within 0 to 50, not -1"),
        ({"day_effect": 1e9}, r"day_effect must be within 0 to 50, not 1e\+09"),
        ({"animal_effect": 51.0}, "animal_effect must be within 0 to 50"),
        ({"section_effect": float("inf")}, "section_effect must be within 0 to 50, not inf"),
        ({"class_separation": float("nan")}, "class_separation must be within 0 to 20, not nan"),
        ({"exposure_sd": 100.0}, "exposure_sd must be within 0 to 3"),
        ({"defocus_um": 1000.0}, "defocus_um must be within 0 to 30"),
        ({"days": "sometimes"}, "days must be one of balanced, per-section"),
        ({"sections": 0}, "sections must be 1 or more"),
        ({"image_px": 511}, "image_px must be 512 or more"),
        ({"pixel_size_um": 0.0}, "pixel_size_um must be positive"),
    ],
)
def test_nonsense_is_refused(changes: dict, message: str):
    with pytest.raises(UsageError, match=message):
        CohortSpec(**changes)


@pytest.mark.filterwarnings("error")
def test_the_largest_effects_together_can_be_drawn():
    largest = {
        "day_effect": 50.0,
        "animal_effect": 50.0,
        "section_effect": 50.0,
        "class_separation": 20.0,
        "arrangement": 20.0,
    }
    for seed in range(2):
        spec = CohortSpec(1, 1, sections=1, image_px=512, seed=seed, **largest, exposure_sd=3.0, defocus_um=30.0)
        planned = plan_cohort(spec)
        json.dumps(truth(spec, planned), allow_nan=False)
    assert [len(list(cohort._images(spec, one))) for one in planned] == [1, 1]


def test_what_does_not_fit_is_counted_in_good_english(monkeypatch: pytest.MonkeyPatch):
    spec = CohortSpec(1, 2, sections=1)
    assert "2 images of 2048 x 2048 px per class from 1 animal each, 1 section per animal, seed 1" in spec.sentence
    monkeypatch.setattr(cohort_plan, "scattered_fields", lambda *_: [])
    with pytest.raises(
        UsageError, match=r"^no image of 2048 px fits into section s1 of low-1\. Take smaller images\.$"
    ):
        plan_cohort(spec)
    monkeypatch.setattr(cohort_plan, "scattered_fields", lambda *_: [(0.0, 0.0)])
    with pytest.raises(UsageError, match=r"2 images .* without overlap; 1 does. Take more sections \(--sections 2\)"):
        plan_cohort(spec)


# ---- the files ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    steps: list[Progress] = []
    manifest = write_cohort(TINY, tmp_path_factory.mktemp("cohort") / "c", steps.append, jobs=1)
    assert [step.done for step in steps] == [1, 2, 3, 4, 5, 6]
    return manifest


def test_a_cohort_is_a_labelled_set_marked_as_no_tissue(written: Path):
    data = read_manifest(written)
    assert [image.tumour_class for image in data.images] == ["low"] * 3 + ["high"] * 3
    assert {image.day for image in data.images} == {"2026-01-05"}
    assert data.synthetic is not None
    assert data.synthetic.startswith("Synthetic phantom sections, not tissue: 3 images of 512 x 512 px")
    assert (data.bit_depth, data.pixel_size_um) == (16, 0.325)
    levels = [read_pixels(image).mean() / 65_535 for image in data.images]
    assert 0.2 < min(levels) <= max(levels) < 0.7
    with tifffile.TiffFile(data.images[0].path) as file:
        page = file.pages[0]
        assert page.resolution == pytest.approx((1e4 / 0.325, 1e4 / 0.325), rel=1e-6)
        assert page.resolutionunit.name == "CENTIMETER"
        assert "synthetic phantom" in page.description


def test_two_processes_and_stores_give_the_same_pixels(written: Path, tmp_path: Path):
    steps: list[Progress] = []
    manifest = write_cohort(replace(TINY, stores=True), tmp_path / "c", steps.append, jobs=2)
    assert steps[-1].done == steps[-1].total == 6
    assert len(manifest.read_text().splitlines()) == 3
    stored, filed = read_manifest(manifest), read_manifest(written)
    assert [(i.animal_id, i.section_id, i.day) for i in stored.images] == [
        (i.animal_id, i.section_id, i.day) for i in filed.images
    ]
    for one, other in zip(stored.images, filed.images, strict=True):
        np.testing.assert_array_equal(read_pixels(one), read_pixels(other))


def test_any_name_that_a_folder_can_have_does(tmp_path: Path):
    spec = replace(TINY, images_per_class=1, stores=True)
    (tmp_path / "a").mkdir()
    manifest = write_cohort(spec, tmp_path / "a" / ".." / ("\u00fc " + "n" * 240), ignore_progress, jobs=1)
    assert manifest == tmp_path / ("\u00fc " + "n" * 240) / "manifest.csv"
    assert len(read_manifest(manifest).images) == 2
    with pytest.raises(StoreError, match="File name too long"):
        write_cohort(spec, tmp_path / ("n" * 300), _draws_nothing, jobs=1)


def test_nothing_is_overwritten(written: Path):
    before = fingerprint(written.parent)
    with pytest.raises(StoreExistsError, match="nothing is overwritten"):
        write_cohort(TINY, written.parent, ignore_progress)
    assert fingerprint(written.parent) == before


def test_a_cohort_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    usage = namedtuple("usage", "total used free")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: usage(2**24, 0, 2**24))
        with pytest.raises(DiskFullError, match=r"0.02 GB are needed for 6 images of 512 px"):
            write_cohort(TINY, tmp_path / "c", ignore_progress, jobs=1)

    def full(step: Progress) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(DiskFullError, match="The cohort cannot be written to"):
        write_cohort(TINY, tmp_path / "c", full, jobs=1)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreUnwritableError):
        write_cohort(TINY, tmp_path / "file" / "c", ignore_progress, jobs=1)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def broken(*_: object) -> None:
    os._exit(3)


def test_a_process_that_dies_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cohort, "_begin", broken)
    with pytest.raises(Exception, match="ended without a word"):
        write_cohort(TINY, tmp_path / "c", ignore_progress, jobs=2)
    assert list(tmp_path.iterdir()) == []


# ---- the command ----------------------------------------------------------------------------------------------------


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    spec = replace(TINY, images_per_class=1)
    run_cohort(spec, tmp_path / "c", jobs=1, json_mode=True)
    result = json.loads(capsys.readouterr().out)
    assert result["images_per_class"] == {"low": 1, "high": 1}
    assert result["manifest"] == str(tmp_path / "c" / "manifest.csv")
    for days, warned in (("balanced", True), ("per-animal", False)):
        strong = replace(spec, days=days, day_effect=4.0)
        run_cohort(strong, tmp_path / days, jobs=1, json_mode=False)
        assert ("reveal nothing of the class" in capsys.readouterr().out) is warned
    wrong = cli("phantom", "cohort", "--out", tmp_path / "d", "--days", "never")
    assert (wrong.code, wrong.out) == (2, "")
    assert "days must be one of" in wrong.err


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal to a group of processes")
def test_ctrl_c_leaves_nothing(tmp_path: Path):
    arguments = ["phantom", "cohort", "--out", str(tmp_path / "c"), "--image-px", "1024", "--jobs", "2"]
    process = subprocess.Popen([*COMMAND, *arguments], stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".c.*/images")):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the children too
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert "Error: interrupted: nothing was written" in errors
    assert list(tmp_path.iterdir()) == []
