"""Make the parts of the overview from a store, so that the picture shows what is on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.errors import StoreDamagedError
from hcc_scope.orientation import Orientation
from hcc_scope.position_tags import position_origin
from hcc_scope.report.overview import FieldPicture, SectionPicture
from hcc_scope.score_course import course_rows, scores_in_order
from hcc_scope.scoring import field_entry, frame_score, prepare, rescored
from hcc_scope.storage.drawn_sample import frames_of_sample, stored_sample
from hcc_scope.storage.notes import excluded_fields, read_notes
from hcc_scope.storage.predictions import read_predictions
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.scorer import store_scorer
from hcc_scope.thumbnails import middle, thumbnail
from hcc_scope.tiling import TileGrid

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from hcc_scope.scoring import SectionScorer
    from hcc_scope.types import Frame, FrameResult

__all__ = ["course", "field_picture", "section_picture"]

MAX_FIELDS = 400
"""More are too small to see on one page; every n-th is drawn then."""


def course(
    results: Iterable[FrameResult], scorer: SectionScorer, excluded: Collection[int] = ()
) -> NDArray[np.float64]:
    """Return the course of the score: (n, 4) classified frames, score, lower and upper end of the interval.

    The fields of `excluded` are left out, and a field that was taken again is at the place of its first frame. `scorer`
    is left as it is.
    """
    found = {result.seq: field_entry(result) for result in results}
    scorer = scorer.fresh()
    fields = prepare(scorer, ((seq, found.get(seq)) for seq in range(max(found, default=-1) + 1)), excluded)
    return course_rows(scores_in_order(scorer, fields))


def field_picture(
    frame: Frame,
    result: FrameResult | None,
    grid: TileGrid,
    pixel_size_um: float,
    *,
    orientation: Orientation | None = None,
    taken_out: bool = False,
    nth: int | None = None,
) -> FieldPicture:
    """Return one field as it lies on the specimen; without a result all its tiles count as excluded."""
    orientation = Orientation() if orientation is None else orientation
    tiles = np.full(grid.shape_rc, np.nan, dtype=np.float32)
    score = None
    if result is not None:
        included = (result.flags == 0) & np.isfinite(result.probabilities)
        rows, columns = grid.rows_cols[included].T
        tiles[rows, columns] = result.probabilities[included]
        score = frame_score(result)
    height, width = (frame.pixels.shape[i] for i in ((1, 0) if orientation.swaps_axes else (0, 1)))
    centre = None if frame.stage_um is None else frame.stage_um[:2]
    return FieldPicture(
        centre_um=centre,
        size_um=(width * pixel_size_um, height * pixel_size_um),
        image=orientation.upright(thumbnail(frame.pixels)),
        detail=orientation.upright(middle(frame.pixels)),
        probabilities=orientation.upright(tiles),
        score=score,
        taken_out=taken_out,
        origin=position_origin(frame.tags, has_position=centre is not None),
        nth=nth,
    )


def section_picture(
    store_path: Path,
    *,
    threshold: float,
    outline_um: Sequence[tuple[float, float]] | NDArray[np.float64] | None = None,
    results: Mapping[int, FrameResult] | None = None,
) -> SectionPicture:
    """Read a store and return what is drawn of it; a damaged frame is left out.

    Parameters
    ----------
    store_path : Path
        A section's store with predictions.
    threshold : float
        The model's decision threshold.
    outline_um : (n, 2), optional
        The section's outline in stage um, if it is known; that of a drawn sample is in the store.
    results : mapping, optional
        By `seq`; those that the run recorded, if not given.
    """
    store = open_store(store_path)
    results = read_predictions(store_path) if results is None else results
    excluded = excluded_fields(read_notes(store_path))
    spec = store.spec
    own = store.recorded.threshold_interval if threshold == store.recorded.decision_threshold else None
    scorer = store_scorer(store, threshold, threshold_interval=own)
    grid = TileGrid.for_frame(spec.frame_shape_yx, spec.tile_px)
    score = rescored(results, scorer, store.n_frames, [seq for seq in excluded if seq < store.n_frames])
    drawn = [seq for seq in range(store.n_frames) if seq not in score.set_aside]
    if spec.sampling == "guided":  # other frames enter no score: all their tiles are excluded
        of_sample = frames_of_sample(store.path, store.journal)
        results = {seq: result for seq, result in results.items() if seq in of_sample}
    counted = (seq for seq in drawn if seq in results and seq not in excluded)
    scored = (seq for seq in counted if frame_score(results[seq]) is not None)
    numbers = {seq: n for n, seq in enumerate(scored, start=1)}
    step = max(1, -(-len(drawn) // MAX_FIELDS))
    fields, unreadable = [], []
    for frame in store.read_ahead(drawn[::step], ahead=2):
        if isinstance(frame, StoreDamagedError):
            unreadable.append(frame.message)
            continue
        fields.append(
            field_picture(
                frame,
                results.get(frame.seq),
                grid,
                spec.pixel_size_um,
                orientation=Orientation(spec.camera_axes),
                taken_out=frame.seq in excluded,
                nth=numbers.get(frame.seq),
            )
        )
    sample = stored_sample(store.path, store.journal)
    if sample is not None:
        outline_um = sample.outline_um
    return SectionPicture(
        title=f"animal {spec.animal_id}, section {spec.section_id}",
        orientation=Orientation(spec.camera_axes),
        fields=fields,
        course=course(results.values(), scorer, excluded),
        threshold=threshold,
        interval_valid=score.interval_valid,
        outline_um=None if outline_um is None else np.asarray(outline_um, dtype=np.float64),
        threshold_interval=own,
        sample=sample,
        step=step,
        unreadable=tuple(unreadable),
    )
