"""What the menu of fields is about, and which of its entries can act now: rules without widgets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FIELD_ENTRIES", "FieldEntry", "FieldFacts", "FieldSpot", "entry_texts", "why_not"]

FieldEntry = Literal[
    "show_field",
    "show_tile",
    "show_on_map",
    "exclude_field",
    "include_field",
    "retake_field",
    "note_field",
    "go_to_field",
    "copy_position",
]
"""The entries of the menu, in their order; the names of their actions."""
FIELD_ENTRIES: tuple[FieldEntry, ...] = get_args(FieldEntry)

_NO_FIELD = "no field is chosen: click one on the map, or choose a tile"
_NO_PLACE = "its position is not known"


@dataclass(frozen=True, slots=True)
class FieldSpot:
    """What was clicked, or chosen by keys."""

    seq: int | None = None
    """The field; None for a place without one."""
    tile: int | None = None
    """In `hcc_scope.tiling.TileGrid` order; None for the field as a whole."""
    place_um: tuple[float, float] | None = None
    """Stage x, y: of the tile's centre, else of the field's, else of what was clicked."""
    tracked: bool = False
    """Whether the place was measured from the pictures, and is none of a stage."""
    in_replay: bool = False
    """Whether it belongs to the section that Replay shows, not to that of the run."""

    @property
    def what(self) -> str:
        """What a position would be copied of."""
        if self.seq is None:
            return "this place"
        return f"field {self.seq}" if self.tile is None else f"tile {self.tile + 1} of field {self.seq}"


@dataclass(frozen=True, slots=True)
class FieldFacts:
    """What decides which entries can act on a `FieldSpot`: reasons as text, each empty if there is none."""

    no_section: str = ""
    """Why fields cannot be marked: there is no section, or it is being prepared."""
    on_screen: bool = False
    """Whether the field is shown large already."""
    no_tile: str = ""
    """Why the tile cannot be opened."""
    not_on_map: str = ""
    excluded: bool = False
    not_included: str = ""
    """Why an excluded field cannot come back."""
    no_retake: str = ""
    no_move: str = ""


def why_not(spot: FieldSpot, facts: FieldFacts) -> Mapping[FieldEntry, str]:
    """Return for each entry of the menu why it cannot act now; empty if it can."""
    field = _NO_FIELD if spot.seq is None else facts.no_section
    place = _NO_PLACE if spot.place_um is None else ""
    if spot.seq is None and spot.place_um is None:
        place = _NO_FIELD
    tracked = "its position is measured from the pictures, and no stage can go there" if spot.tracked else ""
    return {
        "show_field": field or ("it is on the screen" if facts.on_screen else ""),
        "show_tile": field or ("no tile is under the cursor" if spot.tile is None else facts.no_tile),
        "show_on_map": field or facts.not_on_map,
        "exclude_field": field or ("it is excluded already" if facts.excluded else ""),
        "include_field": field or (facts.not_included if facts.excluded else "it is not excluded"),
        "retake_field": field or facts.no_retake,
        "note_field": field,
        "go_to_field": place or tracked or facts.no_move,
        "copy_position": place,
    }


def entry_texts(spot: FieldSpot) -> Mapping[FieldEntry, str]:
    """Return the entries of the menu as they read for a spot."""
    field = "field" if spot.seq is None else f"field {spot.seq}"
    return {
        "show_field": f"Show {field}",
        "show_tile": "Show tile" if spot.tile is None else f"Show {spot.what}",
        "show_on_map": f"Show {field} on the map",
        "exclude_field": f"Exclude {field} for a reason …",
        "include_field": f"Include {field} again",
        "retake_field": f"Take {field} again",
        "note_field": f"Note on {field} …",
        "go_to_field": "Move the stage there",
        "copy_position": "Copy position" if spot.place_um is None else f"Copy position of {spot.what}",
    }
