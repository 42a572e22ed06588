"""A stored section on the map: its fields are read in a worker and appear one after the other."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from hcc_scope.errors import StoreError
from hcc_scope.islands import boxes_of_fields, lay_out_islands
from hcc_scope.orientation import Orientation
from hcc_scope.position_tags import island_and_place, position_origin
from hcc_scope.retakes import replaced_frame
from ui.control.growing_store import small
from ui.map.map_filler import MAX_PLACELESS

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from hcc_scope.runs.section_analyses import OpenedStore
    from hcc_scope.storage.reader import SectionStore
    from hcc_scope.types import Frame
    from ui.kit.jobs import Jobs
    from ui.map.map_tab import SectionMapTab

__all__ = ["StoredMap", "fields_with_a_place_of_their_own"]

_BATCH_S = 0.2


class StoredMap:
    """Puts the fields of an opened section on the map.

    Parameters
    ----------
    on_map : SectionMapTab
    jobs : Jobs
        Reads and reduces on its worker ``map``.
    """

    def __init__(self, on_map: SectionMapTab, jobs: Jobs) -> None:
        self._map, self._jobs = on_map, jobs
        self._opened: OpenedStore | None = None
        self._stop = threading.Event()

    @property
    def opened(self) -> OpenedStore | None:
        """The section that is on the map; None if none is."""
        return self._opened

    def show(self, opened: OpenedStore) -> None:
        """Show a section; one that is shown already has its marks and results brought up to date."""
        before, self._opened = self._opened, opened
        if before is not None and (before.path, before.store.n_frames) == (opened.path, opened.store.n_frames):
            for seq in self._map.fields.fields:
                self._map.set_excluded(seq, seq in opened.excluded)
            self._show_results(opened)
            self._show_retakes(opened)
            return
        self._stop.set()
        self._stop = threading.Event()
        self._map.clear()
        spec, store = opened.spec, opened.store
        if spec.pixel_size_um <= 0:
            return  # how large a field is on the stage is not known
        orientation = Orientation(spec.camera_axes)
        field_um = orientation.extent_um(spec.frame_shape_yx, spec.pixel_size_um)
        self._map.set_plan(None, store.recorded.provenance.outline_um, field_um, orientation)
        self._map.set_reader(store.read, spec.frame_shape_yx)
        if opened.analyses:
            self._map.set_threshold(opened.analyses[0].threshold)
        self._show_retakes(opened)
        places = [
            (place[0], place[1:])
            for entry in store.journal
            if entry is not None and (place := island_and_place(entry.stage_um, entry.tags)) is not None
        ]
        sources = (
            position_origin(entry.tags, has_position=entry.stage_um is not None).source
            for entry in store.journal
            if entry is not None
        )
        self._map.fields.by_hand = "tracked" in sources
        self._map.fields.layout = lay_out_islands(boxes_of_fields(places, field_um), max(field_um))
        shown = fields_with_a_place_of_their_own(store)
        self._map.set_not_shown(store.n_frames - len(shown))
        put = partial(self._put, opened)
        read = partial(_read, store, shown, self._stop, lambda batch: self._jobs.post(partial(put, batch)))
        self._jobs.submit("map", read)

    def _show_results(self, opened: OpenedStore) -> None:
        """Show what fields that are on the map were classified as since."""
        if not opened.analyses:
            return
        recorded = opened.analyses[0]
        self._map.set_threshold(recorded.threshold)
        for seq, one in self._map.fields.fields.items():
            result = recorded.results.get(seq)
            if result is not None and result is not one.result:
                self._map.set_result(result, recorded.grid, recorded.threshold)

    def _show_retakes(self, opened: OpenedStore) -> None:
        if opened.analyses:
            score = opened.analyses[0].score
            self._map.set_retakes(score.retaken, score.set_aside)

    def leave(self) -> None:
        """Put no more fields on the map: it shows another section."""
        self._stop.set()
        self._opened = None

    def clear(self) -> None:
        """Take the section off the map."""
        if self._opened is not None:
            self.leave()
            self._map.clear()

    def _put(self, opened: OpenedStore, batch: list[tuple[Frame, NDArray[np.uint16]]]) -> None:
        now = self._opened
        if now is None or now.path != opened.path:
            return
        recorded = now.analyses[0] if now.analyses else None
        for frame, thumbnail in batch:
            result = None if recorded is None else recorded.results.get(frame.seq)
            grid = None if recorded is None else recorded.grid
            origin = position_origin(frame.tags, has_position=frame.stage_um is not None)
            self._map.add_field(frame.seq, thumbnail, frame.stage_um, result, grid, origin=origin)
            if frame.seq in now.excluded:
                self._map.set_excluded(frame.seq, True)


def fields_with_a_place_of_their_own(store: SectionStore) -> list[int]:
    """Return the fields that the map shows: the first at each place, and some of those whose place is not known.

    A stage at rest would pile up thousands on one spot. Of a section by hand, every field was captured on its own.
    """
    places: set[tuple[int, int, int]] = set()
    shown: list[int] = []
    n_placeless = 0
    for seq, entry in enumerate(store.journal):
        if entry is None:
            continue
        place = island_and_place(entry.stage_um, entry.tags)
        if place is None:
            n_placeless += 1
            if n_placeless <= MAX_PLACELESS:
                shown.append(seq)
            continue
        rounded = place[0], round(place[1]), round(place[2])
        again = replaced_frame(entry.tags) is not None
        if rounded not in places or again or store.spec.sampling in ("guided", "chosen"):
            shown.append(seq)
        places.add(rounded)
    return shown


def _read(
    store: SectionStore,
    seqs: list[int],
    stop: threading.Event,
    post: Callable[[list[tuple[Frame, NDArray[np.uint16]]]], None],
) -> None:
    """Read fields and reduce them; runs in the worker. A damaged one is left out: Replay reports it."""
    batch: list[tuple[Frame, NDArray[np.uint16]]] = []
    due_s = time.monotonic() + _BATCH_S
    for frame in store.read_ahead(seqs, ahead=2):
        if stop.is_set():
            return
        if not isinstance(frame, StoreError):
            batch.append((frame, small(frame)))
        if batch and time.monotonic() >= due_s:
            post(batch)
            batch, due_s = [], time.monotonic() + _BATCH_S
    if batch:
        post(batch)
