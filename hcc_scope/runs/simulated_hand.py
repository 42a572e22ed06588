"""A section on the demo rig whose stage a simulated hand moves, and how well what the program made of it is true.

The program sees the pictures alone. What was captured and where it lies is then compared with what the hand did.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hcc_scope.microscope.simulated_operator import HandScene, SimulatedOperator
from hcc_scope.phantom.hand_play import GuidedHand, PlayedScript
from hcc_scope.phantom.hand_scripts import Events, edge_places, free_fields
from hcc_scope.phantom.hand_truth import Located, neighbour_errors_um, precision_recall
from hcc_scope.position_tags import island_and_place, position_origin

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hcc_scope.microscope.micromanager import MicroManager
    from hcc_scope.phantom import Specimen
    from hcc_scope.phantom.hand_play import PlayedHand
    from hcc_scope.phantom.hand_truth import CaptureScore
    from hcc_scope.phantom.live_picture import Optics
    from hcc_scope.storage.journal import JournalEntry
    from hcc_scope.storage.reader import SectionStore

__all__ = ["SIMULATED_FPS", "HandTruth", "SimulatedHand", "compare_with_hand", "simulated_hand"]

SIMULATED_FPS = 10.0
"""Live frames per second on the hand's own clock."""


@dataclass(frozen=True, slots=True)
class SimulatedHand:
    """A hand, and what the demo camera sees of the specimen that it moves."""

    operator: SimulatedOperator
    scene: HandScene


def simulated_hand(
    microscope: MicroManager,
    specimen: Specimen,
    seed: int,
    *,
    n_fields: int,
    guided: bool,
    optics: Optics | None = None,
    earlier: SectionStore | None = None,
) -> SimulatedHand:
    """Return a hand that plays one section.

    Parameters
    ----------
    microscope : MicroManager
        Open, with the DemoCamera.
    specimen : Specimen
    seed : int
        Of everything that the hand does.
    n_fields : int
        At how many fields it rests, if it chooses them itself.
    guided : bool
        Whether it drives round the section and then follows the arrow; without, it goes where it likes, and also to
        places where nothing must be captured.
    optics : Optics, optional
        What is wrong with the light's way.
    earlier : SectionStore, optional
        The guided section that goes on: a hand that is lost goes back to its fields.

    Raises
    ------
    RigError
        If the camera, the stage or the focus drive is not the demo's.
    """
    facts = microscope.facts()
    width_um, height_um = (side * facts.pixel_size_um for side in reversed(facts.shape_yx))
    field_um = (width_um, height_um)
    hand: PlayedHand
    if guided:
        known_um = [] if earlier is None else _fields_of(earlier, specimen)
        hand = GuidedHand(specimen, seed, fps=SIMULATED_FPS, field_um=field_um, known_um=known_um)
    else:
        some = n_fields // 6
        events = Events(fields=n_fields, blurred=some, glass=some, seen=some, short=some)
        hand = PlayedScript(free_fields(specimen, seed, fps=SIMULATED_FPS, events=events, field_um=field_um))
    operator = SimulatedOperator(microscope, hand)
    return SimulatedHand(operator, HandScene(specimen, operator, optics))


def _fields_of(store: SectionStore, specimen: Specimen) -> list[tuple[float, float]]:
    """Return where the fields of the first island lie on the specimen: it began where a guided hand begins."""
    x0_um, y0_um = edge_places(specimen)[0]
    entries = (entry for entry in store.journal if entry is not None)
    places = (island_and_place(entry.stage_um, entry.tags) for entry in entries)
    return [(x0_um + place[1], y0_um + place[2]) for place in places if place is not None and place[0] == 0]


@dataclass(frozen=True, slots=True)
class HandTruth:
    """How well the captures and the positions of a section fit what the hand did."""

    captures: CaptureScore
    errors_um: tuple[float, ...]
    """Of each captured field's position, relative to its nearest captured neighbour."""

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        median_um, p95_um, largest_um = self._error_quantiles_um()
        return {
            "captured": self.captures.n_captured,
            "expected": self.captures.n_expected,
            "precision": self.captures.precision,
            "recall": self.captures.recall,
            "wrong": list(self.captures.wrong),
            "missed": list(self.captures.missed),
            "positions": len(self.errors_um),
            "position_error_um": {"median": median_um, "p95": p95_um, "largest": largest_um},
        }

    def sentences(self) -> list[str]:
        """Return it in words."""
        captures = self.captures
        lines = [
            f"{captures.n_right} of {captures.n_captured} captures are fields at which the hand rested in focus"
            f" (precision {captures.precision:.3f}); there were {captures.n_expected} (recall {captures.recall:.3f})"
        ]
        lines += [f"wrongly captured, at {one}" for one in captures.wrong]
        lines += [f"missed, from {one}" for one in captures.missed]
        median_um, p95_um, largest_um = self._error_quantiles_um()
        if median_um is not None:
            lines.append(
                f"Positions relative to the nearest captured neighbour: median error {median_um:.2f} um,"
                f" 95 % within {p95_um:.2f} um, largest {largest_um:.2f} um"
            )
        return lines

    def _error_quantiles_um(self) -> tuple[float | None, float | None, float | None]:
        if not self.errors_um:
            return None, None, None
        median, p95, largest = np.quantile(self.errors_um, (0.5, 0.95, 1.0)).tolist()
        return median, p95, largest


def compare_with_hand(operator: SimulatedOperator, entries: Iterable[JournalEntry | None]) -> HandTruth:
    """Compare a section with what the hand did.

    Parameters
    ----------
    operator : SimulatedOperator
        Who played it.
    entries : iterable of JournalEntry or None
        The journal of the section's store.
    """
    truth = {capture.seq: capture.pose for capture in operator.captures}
    located = []
    for entry in entries:
        if entry is None or entry.stage_um is None or entry.seq not in truth:
            continue
        origin = position_origin(entry.tags, has_position=True)
        pose = truth[entry.seq]
        located.append(Located(origin.island, entry.stage_um[0], entry.stage_um[1], pose.x_um, pose.y_um))
    captures = precision_recall([capture.pose for capture in operator.captures], operator.hand.stops)
    return HandTruth(captures, tuple(neighbour_errors_um(located)))
