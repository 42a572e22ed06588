"""Judge a live picture as a field of a section would be judged: the same tiles, limits, correction and model.

Nothing of it is stored or scored. What keeps the model from a picture (none is loaded, another pixel size, another bit
depth ...) stands in words in the place of its answer.
"""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.errors import HccScopeError
from hcc_scope.field_quality import FieldQuality, judge_tiles
from hcc_scope.focus.trend import FocusTrend, TileSharpness
from hcc_scope.formatting import capital, counted
from hcc_scope.position_tags import island_and_place
from hcc_scope.quality import QualityLimits, assess
from hcc_scope.research_use import PHANTOM_SENTENCE
from hcc_scope.runs.model_shading import check_wish, wanted_shading
from hcc_scope.session.frame_analysis import FrameAnalyser
from hcc_scope.shading.correction import analysed_pixels
from hcc_scope.tiling import TileGrid
from hcc_scope.types import QualityFlag

if TYPE_CHECKING:
    from hcc_scope.focus.trend import TrendView
    from hcc_scope.quality import TileQuality
    from hcc_scope.runs.scoring_model import ScoringModel
    from hcc_scope.shading.correction import Shading
    from hcc_scope.types import Frame, FrameResult

__all__ = ["PreviewJudge", "PreviewJudgement", "PreviewMeans"]

_TILE_PX = 512
"""Side of a tile where no model states one."""
_LEAST_PX = 32
"""Below this a tile has no measure."""
_SAME_PLACE_UM = 2.0
"""A stage that rests reads back the same place within this."""
_COURSE = 90
"""Looks at one subject that the course of its focus shows."""


@dataclass(frozen=True, slots=True)
class PreviewMeans:
    """By what a picture is judged."""

    scoring_model: ScoringModel | None = None
    """What would classify a section now."""
    shading: Shading | None = None
    """The references that would correct it."""
    may_be_tissue: bool = True
    """Whether the camera may see tissue: not where it shows a phantom or a pattern."""
    no_model: str = "No model is loaded"
    """Why `scoring_model` is None, for people."""


@dataclass(frozen=True, slots=True)
class PreviewJudgement:
    """What is known of one live picture."""

    frame: Frame
    quality: FieldQuality
    trend: TrendView | None
    """How its focus is, relative to the best that was seen here; None if the picture is too small for a measure."""
    course: tuple[float, ...]
    """Sharpness relative to that best, 0 to 1, of the looks at this subject so far; the newest last."""
    result: FrameResult | None
    """What the model finds; None if it is not asked."""
    grid: TileGrid | None
    """Where the tiles of the result lie."""
    threshold: float
    """The model's decision threshold; NaN without a model."""
    why_no_result: str
    """Why the model is not asked, for people; empty if it is."""
    took_s: float
    """What the judgement took."""


class PreviewJudge:
    """Judges one picture after the other. For one thread; `restart` from any."""

    def __init__(self) -> None:
        self._trend = FocusTrend()
        self._course: deque[float] = deque(maxlen=_COURSE)
        self._subject: tuple[object, ...] = ()
        self._place: tuple[int, float, float] | None = None
        self._n_restarts = self._n_done = 0

    def restart(self) -> None:
        """Forget the best focus that was seen: another field is under the lens."""
        self._n_restarts += 1

    def judge(self, frame: Frame, means: PreviewMeans) -> PreviewJudgement:
        """Return what is known of a picture.

        Parameters
        ----------
        frame : Frame
            Not stored, and not part of a section.
        means : PreviewMeans

        Raises
        ------
        ModelError
            If the model fails.
        """
        began = time.monotonic()
        self._follow_subject(frame)
        why = _why_not(frame, means)
        if min(frame.pixels.shape) < _LEAST_PX:
            unknown = FieldQuality.unknown(text=f"Cannot be judged: the picture is smaller than {_LEAST_PX} px")
            return PreviewJudgement(frame, unknown, None, (), None, None, math.nan, why, time.monotonic() - began)
        shading = _fitting(frame, means)
        quality, result, grid = (
            _assessed(frame, shading) if why or means.scoring_model is None else _analysed(frame, means, shading)
        )
        card = None if result is None or means.scoring_model is None else means.scoring_model.model.card
        judged = judge_tiles(
            quality.flags if result is None else result.flags,
            quality,
            None if result is None else result.distances,
            unlike_beyond=None if means.scoring_model is None else means.scoring_model.unlike_limit(score_unlike=False),
            why_no_likeness=why,
            what=_what(quality, result),
        )
        trend = self._trend.add(_sharpness(quality))
        if trend.state != "no_structure":
            self._course.append(trend.fraction)
        return PreviewJudgement(
            frame=frame,
            quality=judged,
            trend=trend,
            course=tuple(self._course),
            result=result,
            grid=None if result is None else grid,
            threshold=math.nan if card is None else card.decision_threshold,
            why_no_result=why,
            took_s=time.monotonic() - began,
        )

    def _follow_subject(self, frame: Frame) -> None:
        """Begin anew where the sharpness of two pictures cannot be compared: another place or another setting."""
        subject = (
            self._n_restarts,
            frame.pixels.shape,
            frame.pixel_size_um,
            frame.exposure_ms,
            frame.em_gain,
            frame.objective,
            self._place_of(frame),
        )
        if subject != self._subject:
            self._subject = subject
            self._trend.reset()
            self._course.clear()

    def _place_of(self, frame: Frame) -> tuple[int, float, float] | None:
        """Return the island and where the frame lies in it; the same place as before for as long as the stage rests."""
        place = island_and_place(frame.stage_um, frame.tags)
        before = self._place
        if place is None or before is None or place[0] != before[0] or math.dist(before, place) > _SAME_PLACE_UM:
            self._place = place
        return self._place


def _why_not(frame: Frame, means: PreviewMeans) -> str:
    """Return what keeps the model from a picture, for people; the same checks as before a section."""
    scoring_model = means.scoring_model
    if scoring_model is None:
        return means.no_model
    card = scoring_model.model.card
    if not frame.pixel_size_um:
        return f"The pixel size is not known, so the model {card.name} cannot be applied"
    if card.trained_on_phantom_only and means.may_be_tissue and not scoring_model.allow_phantom_model:
        return PHANTOM_SENTENCE.rstrip(".")
    try:
        card.check_image(frame.pixel_size_um, frame.bit_depth, card.tile_px, what="the picture has")
        TileGrid.for_frame(_shape(frame), card.tile_px)
        check_wish(card, _fitting(frame, means))
    except HccScopeError as error:
        return capital(error.message)
    return ""


def _fitting(frame: Frame, means: PreviewMeans) -> Shading | None:
    """Return the correction that a section with frames like this one would get."""
    shading = means.shading
    if shading is None or (shading.shape_yx, shading.bit_depth) != (_shape(frame), frame.bit_depth):
        return None
    return shading if means.scoring_model is None else wanted_shading(means.scoring_model.model.card, shading)


def _shape(frame: Frame) -> tuple[int, int]:
    return frame.pixels.shape[0], frame.pixels.shape[1]


def _assessed(frame: Frame, shading: Shading | None) -> tuple[TileQuality, None, TileGrid]:
    grid = TileGrid.for_frame(_shape(frame), min(_TILE_PX, *frame.pixels.shape))
    pixels = analysed_pixels(frame.pixels, shading)
    raw = None if shading is None else frame.pixels
    return assess(pixels, grid, QualityLimits(), frame.bit_depth, raw=raw), None, grid


def _analysed(frame: Frame, means: PreviewMeans, shading: Shading | None) -> tuple[TileQuality, FrameResult, TileGrid]:
    scoring_model = means.scoring_model
    assert scoring_model is not None
    card = scoring_model.model.card
    grid = TileGrid.for_frame(_shape(frame), card.tile_px)
    analyser = FrameAnalyser(
        grid=grid,
        limits=QualityLimits(),
        classify=scoring_model.classifier.classify,
        engine=scoring_model.classifier.engine,
        temperature=card.temperature,
        unlike_beyond=scoring_model.unlike_beyond,
        shading=shading,
    )
    result, quality = analyser.analyse_with_quality(frame)
    return quality, replace(result, latency_ms={}), grid


def _sharpness(quality: TileQuality) -> TileSharpness:
    blind = np.uint8(QualityFlag.SATURATED.value)
    return TileSharpness(
        tile_focus=quality.focus,
        tile_has_tissue=(quality.flags & np.uint8(QualityFlag.NO_TISSUE.value)) == 0,
        tile_saturated=(quality.flags & blind) != 0,
    )


def _what(quality: TileQuality, result: FrameResult | None) -> str:
    n = len(quality.flags)
    if result is None:
        usable = int(np.count_nonzero(quality.flags == 0))
        return f"This picture: {usable} of {counted(n, 'tile')} usable."
    scored = int(np.count_nonzero(np.isfinite(result.probabilities) & (result.flags == 0)))
    return f"This picture: {scored} of {counted(n, 'tile')} would be scored."
