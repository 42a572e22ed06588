"""The tiles of a section with their results, as the exports of tiles need them: which count, and why others do not."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.errors import StoreError
from hcc_scope.exports.geometry import lay_out_section
from hcc_scope.field_scores import usable_tiles
from hcc_scope.flag_texts import describe_flags
from hcc_scope.orientation import Orientation
from hcc_scope.position_tags import island_and_place
from hcc_scope.progress import ignore_progress
from hcc_scope.report.analysis_model import analysis_model
from hcc_scope.scoring import is_analysed
from hcc_scope.storage.frames_out import frames_out
from hcc_scope.storage.place_files import exists, names_in
from hcc_scope.storage.prediction_log import PREDICTIONS
from hcc_scope.storage.present_score import score_of_entries
from hcc_scope.storage.recorded_run import ASSUMED_THRESHOLD
from hcc_scope.storage.result_columns import read_result_columns
from hcc_scope.tiling import TileGrid

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from hcc_scope.exports.geometry import SectionGeometry
    from hcc_scope.progress import OnProgress
    from hcc_scope.report.analysis_model import AnalysisModel
    from hcc_scope.storage.place import StorePlace
    from hcc_scope.storage.reader import SectionStore
    from hcc_scope.storage.result_columns import ResultColumns
    from hcc_scope.types import SectionScore

__all__ = ["SectionTiles", "kept_predictions", "read_section_tiles"]

_CLASSIFY = "Classify it again under a name (hcc-scope replay --save), and choose that by --predictions."


@dataclass(frozen=True, slots=True)
class SectionTiles:
    """The results of one analysis of a section, with the score that they have by the present notes."""

    store: SectionStore
    columns: ResultColumns
    grid: TileGrid
    predictions: str
    """Name under which they are kept; empty for those of the run."""
    model: AnalysisModel
    """Whose results they are."""
    out: Mapping[int, str]
    """`seq` of the frames that are out of the score, and why (`hcc_scope.storage.frames_out`)."""
    score: SectionScore

    @property
    def n_tiles(self) -> int:
        """How many tiles have a row in the predictions' table: those of all frames that were cut."""
        return int(np.count_nonzero(self.columns.cut)) * self.grid.n

    def layout(self) -> SectionGeometry:
        """Return where fields lie in the section's mosaic, which is one, whatever analysis is exported."""
        return lay_out_section(self.store, None if self.predictions else self.columns.entries)

    def included(self) -> NDArray[np.bool_]:
        """Return which tiles (n, t) enter the score."""
        c = self.columns
        counts = [
            outcome == "classified" and seq not in self.out
            for seq, outcome in zip(c.seqs.tolist(), c.outcomes, strict=True)
        ]
        included: NDArray[np.bool_] = usable_tiles(c.flags, c.probabilities) & np.array(counts, bool)[:, None]
        return included

    def reason_of_frame(self, row: int) -> str:
        """Return why a frame enters no score whatever its tiles show, as half a sentence; empty if it may enter."""
        seq = int(self.columns.seqs[row])
        if seq in self.out:
            return self.out[seq]
        if self.columns.outcomes[row] != "failed":
            return ""
        error = self.columns.errors.get(seq)
        return f"the analysis failed: {error}" if error else "the analysis failed"

    def reasons_of_tiles(self, row: int, included: NDArray[np.bool_]) -> list[str]:
        """Return why each of a frame's tiles does not enter the score, as half a sentence; empty for one that does."""
        whole = self.reason_of_frame(row)
        return [
            "" if enters else whole or describe_flags(flags) or "it has no probability"
            for enters, flags in zip(included.tolist(), self.columns.flags[row].tolist(), strict=True)
        ]

    def centres_um(self, seqs: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return where the tiles of some frames lie on the stage.

        Returns
        -------
        (n, t, 2) ndarray
            x, y of the tiles' centres in um; NaN where the position is not known.
        (n,) ndarray
            Island of each frame; -1 where the position is not known.
        """
        usual_um = self.columns.header["pixel_size_um"]
        orientation = Orientation(self.store.spec.camera_axes)
        known = {usual_um: self.grid.centres_um(orientation, usual_um)}
        places_um = np.full((len(seqs), self.grid.n, 2), np.nan)
        islands = np.full(len(seqs), -1, np.int64)
        for i, seq in enumerate(seqs.tolist()):
            entry = self.store.journal[seq]
            place = None if entry is None else island_and_place(entry.stage_um, entry.tags)
            if entry is None or place is None:
                continue
            size_um = usual_um if entry.pixel_size_um is None else entry.pixel_size_um
            if size_um not in known:
                known[size_um] = self.grid.centres_um(orientation, size_um)
            islands[i] = place[0]
            places_um[i] = known[size_um] + place[1:]
        return places_um, islands

    def fields_without_score(self) -> Iterator[tuple[int, str]]:
        """Yield the frame of each field that has no score, and why, as half a sentence.

        A frame that another one of its field replaces is not among them: its field may have a score.
        """
        seqs = {int(seq): row for row, seq in enumerate(self.columns.seqs)}
        included: list[bool] = np.any(self.included(), axis=1).tolist()
        for seq in sorted(set(range(self.store.n_frames)) - set(self.score.set_aside)):
            row = seqs.get(seq)
            if row is None:
                yield seq, self.out.get(seq, "it was not analysed")
            elif not included[row]:
                flags = int(np.bitwise_or.reduce(self.columns.flags[row], initial=0))
                yield seq, self.reason_of_frame(row) or describe_flags(flags) or "no tile has a probability"


def read_section_tiles(
    store: SectionStore, on_progress: OnProgress = ignore_progress, predictions: str = ""
) -> SectionTiles:
    """Read the results that a section's run recorded, or those that were kept later.

    Parameters
    ----------
    store : SectionStore
    on_progress : callable
    predictions : str
        Name under which later results are kept (``predictions-NAME``); those of the run by default.

    Raises
    ------
    StoreError
        If the store has no such predictions, or these, its notes or its drawn sample cannot be read.
    """
    file = f"{PREDICTIONS}-{predictions}" if predictions else PREDICTIONS
    if not exists(store.place / f"{file}.jsonl"):
        raise _no_predictions(store.place, predictions)
    columns = read_result_columns(store.place, store.n_frames, file, on_progress=on_progress)
    header = columns.header
    grid = TileGrid.for_frame(tuple(header["frame_shape_yx"]), header["tile_px"])
    guided = store.spec.sampling == "guided"
    out = frames_out(store.place, store.journal, partial(is_analysed, columns.entries), guided=guided)
    model = analysis_model(store, header)
    threshold = model.card.decision_threshold
    score = score_of_entries(
        store,
        columns.entries,
        threshold=ASSUMED_THRESHOLD if threshold is None else threshold,
        threshold_interval=model.card.threshold_interval,
    )
    return SectionTiles(store, columns, grid, predictions, model, out, score)


def kept_predictions(store: StorePlace) -> list[str]:
    """Return the names under which later results are kept in a store, in order."""
    start, ending = f"{PREDICTIONS}-", ".jsonl"
    return [name[len(start) : -len(ending)] for name in names_in(store, start, ending)]


def _no_predictions(store: StorePlace, predictions: str) -> StoreError:
    names = kept_predictions(store)
    hint = f"Kept in it are: {', '.join(names)}. Choose one by --predictions." if names else _CLASSIFY
    what = f"predictions named {predictions!r}" if predictions else "predictions of its run"
    return StoreError(f"{store} holds no {what}", hint=hint)
