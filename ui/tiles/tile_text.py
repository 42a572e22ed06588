"""The texts about tiles, scores and analyses, the same in both tabs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.flag_texts import describe_flags, missed_step
from hcc_scope.formatting import capital, format_score, format_threshold, significant

if TYPE_CHECKING:
    from hcc_scope.tiling import TileGrid
    from ui.tiles.tile_table import Tile

__all__ = ["class_side", "format_place", "format_probability", "tile_tooltip"]


def class_side(probability: float, threshold: float) -> str:
    """Return on which side of the threshold a tile's probability is; a tile decides nothing by itself."""
    return "high" if probability >= threshold else "low"


def format_probability(tile: Tile) -> str:
    """Return a tile's probability, or why there is none."""
    if tile.failed:
        return "failed"
    if tile.flags:
        return describe_flags(tile.flags)
    return "not classified" if tile.probability is None else f"{tile.probability:.3f}"


def format_place(tile: Tile, grid: TileGrid | None) -> str:
    """Return where a tile is, counted from 1 as people do; the field keeps its own number."""
    if grid is None or tile.index >= grid.n:
        return f"field {tile.seq}, tile {tile.index + 1}"
    row, column = grid.rows_cols[tile.index].tolist()
    return f"field {tile.seq}, row {row + 1}, col {column + 1}"


def tile_tooltip(
    tile: Tile, grid: TileGrid | None, threshold: float, *, excluded: bool, retake_of: int | None = None
) -> str:
    """Return all that is known about a tile, in a few lines."""
    lines = [capital(format_place(tile, grid))]
    if tile.failed:
        lines.append("The field could not be analysed")
    elif tile.flags:
        lines.append(f"Not {missed_step(tile.flags)}: {describe_flags(tile.flags)}")
    elif tile.probability is not None:
        side = "at or above" if tile.probability >= threshold else "below"
        lines.append(
            f"Probability of high: {format_score(tile.probability, threshold, 4)} "
            f"({side} the threshold {format_threshold(threshold, tile.probability, decimals=4)})"
        )
    if tile.distance is not None:
        lines.append(f"Distance from the model's training tiles: {significant(tile.distance)}")
    if retake_of is not None:
        lines.append(f"Taken again, in the place of field {retake_of}")
    if excluded:
        lines.append("The operator excluded this field from the score")
    lines.append("Enter or double-click opens it")
    return "\n".join(lines)
