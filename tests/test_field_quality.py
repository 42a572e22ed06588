"""The judgements on a field, and when it cannot be used as a whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hcc_scope.field_quality import FieldQuality, field_fault, judge_result, judge_tiles
from hcc_scope.quality import TileQuality
from hcc_scope.session.frame_analysis import failed_result

NO_TISSUE, BLURRED, SATURATED, DARK, UNLIKE = 1, 2, 4, 8, 16


def measured(flags: list[int], *, saturated: float = 0.0004) -> TileQuality:
    n = len(flags)
    return TileQuality(
        tissue_fraction=np.full(n, 0.93, np.float32),
        focus=np.full(n, 0.05, np.float32),
        saturated_fraction=np.full(n, saturated, np.float32),
        mean_level=np.full(n, 0.34, np.float32),
        noise_variance=np.full(n, 100.0, np.float32),
        flags=np.array(flags, np.uint8),
    )


def of(quality: FieldQuality) -> dict[str, tuple[str, str, str]]:
    return {one.aspect: (one.state, one.value, one.text) for one in quality}


@pytest.mark.parametrize(
    ("flags", "aspect", "judged"),
    [
        ([0] * 16, "focus", ("good", "0.050", "Sharp wherever there is tissue")),
        ([BLURRED] * 2 + [0] * 14, "focus", ("warning", "0.050", "Out of focus in 2 of 16 tiles with tissue")),
        ([BLURRED] * 16, "focus", ("bad", "0.050", "Out of focus in all 16 tiles with tissue")),
        ([NO_TISSUE] * 16, "focus", ("unknown", "", "Cannot be judged: no tissue here")),
        ([NO_TISSUE] * 16, "tissue", ("bad", "93 %", "None: glass, or far out of focus")),
        ([NO_TISSUE] * 4 + [0] * 12, "tissue", ("warning", "93 %", "In 12 of 16 tiles, 93 % of the area")),
        ([0] * 16, "tissue", ("good", "93 %", "In all 16 tiles, 93 % of the area")),
        ([SATURATED] * 9 + [0] * 7, "saturation",
            ("bad", "under 0.1 %", "Too bright in 9 of 16 tiles, under 0.1 % of pixels at full scale")),
        ([0] * 16, "saturation", ("good", "under 0.1 %", "Within limits, under 0.1 % of pixels at full scale")),
        ([DARK] * 3 + [0] * 13, "light", ("warning", "34 %", "Too dark in 3 of 16 tiles, mean 34 % of full scale")),
        ([0] * 16, "light", ("good", "34 %", "Enough, mean 34 % of full scale")),
    ],
)  # fmt: skip
def test_judgement(flags: list[int], aspect: str, judged: tuple[str, str, str]):
    quality = measured(flags)
    assert of(judge_tiles(quality.flags, quality))[aspect] == judged


def test_judgements_without_measured_values():
    assert {aspect: text for aspect, (_, _, text) in of(judge_tiles(np.array([0, 4, 8, 0], np.uint8))).items()} == {
        "focus": "Sharp wherever there is tissue",
        "tissue": "In all 4 tiles",
        "saturation": "Too bright in 1 of 4 tiles",
        "light": "Too dark in 1 of 4 tiles",
        "likeness": "Not measured by this model",
    }


def test_a_picture_at_full_scale_says_100_per_cent_and_is_not_called_glass():
    quality = measured([NO_TISSUE | SATURATED] * 4, saturated=1.0)
    judged = of(judge_tiles(quality.flags, quality))
    assert judged["saturation"] == ("bad", "100 %", "Too bright in all 4 tiles, 100 % of pixels at full scale")
    assert judged["focus"] == judged["tissue"] == ("unknown", "", "Cannot be judged: the picture is saturated")


def test_a_field_that_failed_is_not_called_sharp():
    judged = judge_result(failed_result(7, 4, "x", "the model ran out of memory"))
    assert judged.what == "Field 7: could not be classified. The model ran out of memory."
    assert {one.state for one in judged} == {"unknown"}


@pytest.mark.parametrize(
    ("flags", "measures", "state", "text"),
    [
        ([0] * 16, True, "good", "No tile flagged as unlike training; median distance 1, limit 3"),
        ([UNLIKE] * 2 + [0] * 10 + [NO_TISSUE] * 4, True, "warning",
            "Unlike training: 2 of 12 tiles; median distance 1, limit 3"),
        ([UNLIKE] * 16, True, "bad", "Unlike training: all 16 tiles; median distance 1, limit 3"),
        ([0] * 16, False, "unknown", "Not measured by this model"),
        ([NO_TISSUE] * 16, False, "unknown", "Cannot be judged: no tile was classified"),
    ],
)  # fmt: skip
def test_likeness_comes_from_the_model_alone(flags: list[int], measures: bool, state: str, text: str):
    distances = np.ones(16, np.float32) if measures else None
    found = judge_tiles(np.array(flags, np.uint8), None, distances, unlike_beyond=3.0).likeness
    assert (found.state, found.text) == (state, text)


def test_without_a_model_the_reason_stands_in_the_place_of_likeness():
    found = judge_tiles(np.zeros(4, np.uint8), why_no_likeness="No model is loaded").likeness
    assert (found.state, found.text) == ("unknown", "No model is loaded")


@pytest.mark.parametrize(
    ("flags", "fault"),
    [
        ([0] * 4, None),
        ([NO_TISSUE] * 3 + [0], None),  # the section's edge
        ([NO_TISSUE] * 4, "empty"),
        ([NO_TISSUE] * 3 + [BLURRED], "blurred"),
        ([BLURRED] + [0] * 3, None),
        ([SATURATED | NO_TISSUE] * 4, "saturated"),
        ([DARK | NO_TISSUE] * 4, "dark"),
        ([UNLIKE] * 4, None),
    ],
)
def test_fault_of_a_field(flags: list[int], fault: str | None):
    assert field_fault(np.array(flags, np.uint8)) == fault


def test_judgements_can_be_compared():
    one = judge_tiles(np.zeros(4, np.uint8))
    assert one == judge_tiles(np.zeros(4, np.uint8)) != replace(one, what="Field 1")
