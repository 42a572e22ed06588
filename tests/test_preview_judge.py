"""A live picture is judged as a section would judge it; what keeps the model from it stands in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hcc_scope.phantom import Specimen
from hcc_scope.phantom.camera import CameraPhysics
from hcc_scope.quality import QualityLimits
from hcc_scope.runs.preview_judge import PreviewJudge, PreviewMeans
from hcc_scope.runs.scoring_model import load_scoring_model
from hcc_scope.session.frame_analysis import FrameAnalyser
from hcc_scope.shading.correction import Shading
from hcc_scope.shading.reference import Reference
from hcc_scope.tiling import TileGrid
from hcc_scope.types import Frame
from tests.shading_parts import settings

if TYPE_CHECKING:
    from hcc_scope.runs.scoring_model import ScoringModel

SIDE_PX = 512


@pytest.fixture(scope="module")
def frame() -> Frame:
    specimen = Specimen(5, "m1", "s1", "high", day="preview")
    pixels = CameraPhysics().expose(
        specimen.render(0.0, 0.0, 0.0, (SIDE_PX, SIDE_PX), 0.325),
        exposure_ms=8.0,
        em_gain=1.0,
        noise_seed=1,
        day=specimen.day_effect,
    )
    return Frame(0, pixels, 0, datetime.now(UTC), 8.0, "", pixel_size_um=0.325, bit_depth=16, tags={"preview": True})


@pytest.fixture(scope="module")
def model() -> ScoringModel:
    return load_scoring_model("phantom-meng2019", "torchscript", lambda _text: None)


def uneven_light() -> Shading:
    here, flat = settings((SIDE_PX, SIDE_PX)), np.ones((SIDE_PX, SIDE_PX))
    flat[:, : SIDE_PX // 2] = 1.1
    return Shading(
        Reference.of_map("dark", np.zeros_like(flat), here, shots=32),
        Reference.of_map("flat", flat / flat.mean(), here, shots=16),
    )


@pytest.mark.parametrize("corrected", [False, True])
def test_the_same_comes_out_as_in_a_section(frame: Frame, model: ScoringModel, corrected: bool):
    shading = uneven_light() if corrected else None
    judged = PreviewJudge().judge(frame, PreviewMeans(model, shading, may_be_tissue=False))
    card = model.model.card
    grid = TileGrid.for_frame((SIDE_PX, SIDE_PX), card.tile_px)
    expected = FrameAnalyser(
        grid,
        QualityLimits(),
        model.classifier.classify,
        model.classifier.engine,
        card.temperature,
        unlike_beyond=model.unlike_beyond,
        shading=shading,
    ).analyse(frame)
    assert judged.result is not None
    assert (judged.grid, judged.threshold, judged.why_no_result) == (grid, card.decision_threshold, "")
    for name in ("logits", "probabilities", "flags", "distances"):
        np.testing.assert_array_equal(getattr(judged.result, name), getattr(expected, name))
    assert judged.quality.focus.state == judged.quality.light.state == "good"
    assert float(judged.quality.focus.value) == pytest.approx(expected.focus, abs=6e-4)
    assert "limit" in judged.quality.likeness.text
    assert judged.quality.what == "This picture: 1 of 1 tile would be scored."
    assert (judged.trend.state, judged.course) == ("steady", (1.0,))


@pytest.mark.parametrize(
    ("changes", "means", "why"),
    [
        ({}, {"scoring_model": None}, "No model is loaded"),
        ({}, {"may_be_tissue": True}, "The model was trained on a synthetic phantom only"),
        ({"pixel_size_um": 0.65}, {}, "The picture has 0.65 um/px but the model phantom-meng2019 was trained at 0.325"),
        ({"pixel_size_um": None}, {}, "The pixel size is not known, so the model phantom-meng2019 cannot be applied"),
        ({"bit_depth": 12}, {}, "The picture has 12 bits but the model phantom-meng2019 was trained on 16"),
    ],
)
def test_what_keeps_the_model_from_a_picture_is_stated_and_the_rest_is_judged(
    frame: Frame, model: ScoringModel, changes: dict[str, object], means: dict[str, object], why: str
):
    by = replace(PreviewMeans(model, may_be_tissue=False), **means)  # type: ignore[arg-type]
    judged = PreviewJudge().judge(replace(frame, **changes), by)  # type: ignore[arg-type]
    assert judged.result is None
    assert judged.why_no_result.startswith(why)
    assert judged.quality.likeness.text == judged.why_no_result
    assert judged.quality.tissue.state != "unknown"


def test_a_picture_at_full_scale_says_so_and_a_small_one_is_not_judged(frame: Frame, model: ScoringModel):
    judge, by = PreviewJudge(), PreviewMeans(model, may_be_tissue=False)
    white = judge.judge(replace(frame, pixels=np.full((SIDE_PX, SIDE_PX), 65535, np.uint16)), by)
    assert white.quality.saturation.value == "100 %"
    assert white.trend.state == "no_structure"
    small = judge.judge(replace(frame, pixels=frame.pixels[:16, :16]), by)
    assert {one.text for one in small.quality} == {"Cannot be judged: the picture is smaller than 32 px"}
