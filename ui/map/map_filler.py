"""Keep the map complete: a field that no poll of the run saw is read from the store.

The window looks at a run 30 times a second, less often on a busy computer, and sees the newest frame each time. How
many fields there are is known from the run itself, so what is missing on the map is known too.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from PySide6.QtCore import QObject, QTimer, Slot

from hcc_scope.errors import StoreError
from hcc_scope.position_tags import island_and_place, position_origin
from hcc_scope.retakes import replaced_frame
from ui.control.growing_store import StoredFields, small

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    import numpy as np
    from numpy.typing import NDArray

    from hcc_scope.types import Frame, FrameResult
    from ui.control.run_control import RunControl
    from ui.control.running import Running
    from ui.kit.jobs import Jobs
    from ui.map.map_tab import SectionMapTab

__all__ = ["MapFiller"]

MAX_PLACELESS = 300
"""Fields on the map of a rig without a stage, where they are only laid out in rows."""
_AT_ONCE = 2000
"""Fields whose places are looked up at a time."""

_RESULT_WAIT_S = 1.0
"""A field appears together with its result, or without one after so long."""
_RESULT_LOOK_MS = 100

_REST_S, _REST_SHARE = 0.5, 10.0
"""At least so long, and so many times as long as it took, between two looks into the store of a run under way."""

Place = tuple[int, int, int] | None
"""Island, and x and y in whole um."""


class _Found(NamedTuple):
    """What a look into the store gave."""

    passed: list[int]
    """Fields at places that are shown already, or that cannot be read."""
    field: tuple[Frame, NDArray[np.uint16]] | None
    """The first field at another place, and how it is drawn."""


class _Waiting(NamedTuple):
    """A field that is not on the map yet, as its result may come in a moment."""

    until_s: float
    frame: Frame
    thumbnail: NDArray[np.uint16]


class MapFiller(QObject):
    """Puts the fields of one section after the other on the map, each once, with its result.

    Parameters
    ----------
    on_map : SectionMapTab
    jobs : Jobs
        Reads and reduces on its worker ``map``.
    run : RunControl
        Knows which fields are excluded.
    """

    def __init__(self, on_map: SectionMapTab, jobs: Jobs, run: RunControl) -> None:
        super().__init__(on_map)
        self._map, self._jobs, self._control = on_map, jobs, run
        self._run: Running | None = None
        self.fields: StoredFields | None = None
        """Reads the section's fields; None before the first section."""
        self._known: set[int] = set()
        self._places: set[Place] = set()
        self._n_placeless = 0
        self._n_stored = self._first_open = 0
        self._passed = 0
        self._over = False
        self._reading = False
        self._asked_s = self._next_s = 0.0
        self._waiting: dict[int, _Waiting] = {}
        self._patience = QTimer(self, interval=_RESULT_LOOK_MS)
        self._patience.timeout.connect(self._show_without_result)

    def begin(self, run: Running) -> None:
        """Take another section; the map is empty."""
        self._run, self.fields = run, StoredFields(run.store_path)
        self._waiting.clear()
        self._known.clear()
        self._places.clear()
        self._n_placeless = self._n_stored = self._first_open = self._passed = 0
        self._over = self._reading = False
        self._next_s = 0.0

    def leave(self) -> None:
        """Put no more fields on the map: it shows another section from now on."""
        self._run = self.fields = None

    def end(self) -> None:
        """Put no more fields on the map, which belongs to the next section; the stored ones can still be read."""
        self._run = None
        self._waiting.clear()
        self._patience.stop()

    def see(self, frame: Frame) -> None:
        """Take a frame that was seen while it is there; the store need not be asked for it."""
        if self._run is None or frame.seq in self._known:
            return
        self._known.add(frame.seq)
        if self._is_new_place(frame):
            self._jobs.submit("map", partial(_with_small, frame), partial(self._put, self.fields))
        else:
            self._pass(1)

    def stored(self, n: int, *, over: bool = False) -> None:
        """Say how many fields are stored by now, and whether there will be no more."""
        self._n_stored, self._over = n, over
        if self._run is None:
            return
        if over:
            self._show_all()
            self._map.keep_below(n)
        if over or time.monotonic() >= self._next_s:
            self._fill()

    def _is_new_place(self, frame: Frame) -> bool:
        """Return whether a field is the first at its place: a stage at rest would pile up thousands on one spot."""
        place = _rounded(island_and_place(frame.stage_um, frame.tags))
        if place is None:
            self._n_placeless += 1
            return self._n_placeless <= MAX_PLACELESS
        if replaced_frame(frame.tags) is not None:
            return True  # it takes the place of the field that was there
        if self._run is not None and self._run.spec.sampling in ("guided", "chosen"):
            return True  # each was captured on its own; one that was undone must not hide the one that took its place
        new = place not in self._places
        self._places.add(place)
        return new

    def _pass(self, n: int) -> None:
        self._passed += n
        self._map.set_not_shown(self._passed)

    def _put(self, fields: StoredFields | None, got: tuple[Frame, NDArray[np.uint16]]) -> None:
        """Put a field on the map once it has its result, unless another section has begun meanwhile."""
        frame, thumbnail = got
        run = self._run
        if run is None or fields is not self.fields or (self._over and frame.seq >= self._n_stored):
            return
        if self._over or frame.seq in run.results:
            self._show(run, frame, thumbnail)
        else:
            self._waiting[frame.seq] = _Waiting(time.monotonic() + _RESULT_WAIT_S, frame, thumbnail)
            self._patience.start()

    def _show(self, run: Running, frame: Frame, thumbnail: NDArray[np.uint16]) -> None:
        self._map.add_field(
            frame.seq,
            thumbnail,
            frame.stage_um,
            run.results.get(frame.seq),
            run.grid,
            origin=position_origin(frame.tags, has_position=frame.stage_um is not None),
            excluded=self._control.is_excluded(frame.seq),
            retake=replaced_frame(frame.tags) is not None,
        )

    def show_result(self, result: FrameResult) -> None:
        """Show a result: on a field that is on the map, or with the field that waited for it."""
        run, waiting = self._run, self._waiting.pop(result.seq, None)
        if run is None:
            return
        if waiting is not None:
            self._show(run, waiting.frame, waiting.thumbnail)
        elif result.seq in self._map.fields.fields:
            self._map.set_result(result, run.grid, run.threshold)

    @Slot()
    def _show_without_result(self) -> None:
        now_s = time.monotonic()
        self._show_those([one for one in self._waiting.values() if one.until_s <= now_s])

    def _show_all(self) -> None:
        self._show_those(list(self._waiting.values()))

    def _show_those(self, those: list[_Waiting]) -> None:
        for one in those:
            del self._waiting[one.frame.seq]
            if self._run is not None:
                self._show(self._run, one.frame, one.thumbnail)
        if not self._waiting:
            self._patience.stop()

    # -- what no look saw --------------------------------------------------------------------------------------------

    @property
    def missing(self) -> list[int]:
        """Stored fields that are neither on the map nor on their way there, by their numbers."""
        while self._first_open in self._known:
            self._first_open += 1
        return [seq for seq in range(self._first_open, self._n_stored) if seq not in self._known]

    def _fill(self) -> None:
        if self._run is None or self.fields is None or self._reading:
            return
        if not self._over and self._run.spec.sampling in ("sequence", "time_series"):
            return  # as fast as the camera, all at one place: the disk is left to the run
        missing = self.missing
        if not missing:
            return
        self._reading = True
        self._asked_s = time.monotonic()
        fields = self.fields
        full = self._n_placeless >= MAX_PLACELESS
        taken = frozenset(self._places | ({None} if full else set()))
        self._jobs.submit(
            "map",
            partial(_look, fields, missing[:_AT_ONCE], taken),
            partial(self._found, fields),
            partial(self._lost, fields),
        )

    def _rest(self) -> None:
        """Leave the disk to the run for a while: reading a long journal anew takes its time."""
        self._reading = False
        now_s = time.monotonic()
        self._next_s = now_s + max(_REST_S, _REST_SHARE * (now_s - self._asked_s))

    def _found(self, fields: StoredFields, found: _Found) -> None:
        if fields is not self.fields:
            return
        self._rest()
        new = [seq for seq in found.passed if seq not in self._known]
        self._known.update(new)
        if new:
            self._pass(len(new))
        if found.field is not None and found.field[0].seq not in self._known:
            self._known.add(found.field[0].seq)
            if self._is_new_place(found.field[0]):
                self._put(fields, found.field)
            else:
                self._pass(1)
        if new or found.field is not None:
            self._fill()

    def _lost(self, fields: StoredFields, _sentence: str) -> None:
        if fields is self.fields:
            self._rest()  # it is tried again when more is stored


def _look(fields: StoredFields, missing: Sequence[int], taken: AbstractSet[Place]) -> _Found:
    """Read the first field that lies where none is shown; in the worker."""
    passed: list[int] = []
    for seq in missing:
        try:
            place = fields.place_um(seq)
            if _rounded(place) in taken and not fields.is_retake(seq):
                passed.append(seq)
                continue
            return _Found(passed, _with_small(fields.read(seq)))
        except StoreError:
            if not fields.has(seq):
                break  # acknowledged, and in the journal a moment later
            passed.append(seq)  # damaged: the replay reports it
    return _Found(passed, None)


def _rounded(place: tuple[int, float, float] | None) -> Place:
    return None if place is None else (place[0], round(place[1]), round(place[2]))


def _with_small(frame: Frame) -> tuple[Frame, NDArray[np.uint16]]:
    return frame, small(frame)
