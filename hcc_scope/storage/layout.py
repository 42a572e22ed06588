"""Where the frames of a store lie: one file each while it is acquired, many in a file once it is packed.

A packed store (`hcc_scope.storage.packing`) has its frames in a folder of their own, with smaller pictures of each
beside them. Which of the two folders holds is one fact of the attribute ``hcc_scope``, so the change from one to the
other is the replacement of one file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hcc_scope.storage import values

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

__all__ = [
    "ARRAY_PATH",
    "CHUNK_PX",
    "FRAMES_FOLDER",
    "LIVE",
    "MAX_LEVELS",
    "MAX_SHARD_FRAMES",
    "PACKED",
    "PACKED_FOLDER",
    "SCHEMA_VERSION_PACKED",
    "Layout",
    "start_version",
]

CHUNK_PX = 512
"""Side of an inner chunk: the models' tile, so that one tile is one read."""
FRAMES_FOLDER = "frames"
PACKED_FOLDER = "frames_packed"
ARRAY_PATH = f"{FRAMES_FOLDER}/0"
"""The array of a store that is acquired: a file for each frame."""
PACKED = "packed"
"""Key of the attribute ``hcc_scope`` of a packed store."""
SCHEMA_VERSION_PACKED = 7
"""Of a packed store: a program that does not know where its frames are would report every one as missing."""

MAX_SHARD_FRAMES = 4096
MAX_LEVELS = 8
"""A side of 65,536 px is 512 px after seven halvings."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How frames are laid into arrays and files."""

    folder: str = FRAMES_FOLDER
    """Group below the store; its arrays are ``0``, the frames, and ``1``, ``2`` ..., halved each time."""
    shard_frames: int = 1
    """Frames in one file."""
    n_levels: int = 1
    """Arrays: 1 without smaller pictures."""

    @classmethod
    def packed(cls, shard_frames: int, n_levels: int) -> Self:
        """Return the layout of a packed store."""
        return cls(PACKED_FOLDER, shard_frames, n_levels)

    @classmethod
    def parse(cls, attributes: Mapping[str, Any]) -> Self:
        """Return the layout that the attribute ``hcc_scope`` of a store states.

        Raises
        ------
        ValueError
            If it cannot be one; the message names the key.
        """
        if PACKED not in attributes:
            return cls()
        found = values.object_of(attributes[PACKED], PACKED)
        shard_frames, n_levels, before = (
            values.integer(values.member(found, key, f"{PACKED}."), f"{PACKED}.{key}", 1, most)
            for key, most in (
                ("frames_per_file", MAX_SHARD_FRAMES),
                ("levels", MAX_LEVELS),
                ("schema_version", SCHEMA_VERSION_PACKED - 1),
            )
        )
        values.time_of(values.member(found, "packed_utc", f"{PACKED}."), f"{PACKED}.packed_utc")
        if attributes.get("schema_version") != SCHEMA_VERSION_PACKED or before == 1:
            raise ValueError(f"{PACKED} stands in a store of another version")
        return cls.packed(shard_frames, n_levels)

    @property
    def is_packed(self) -> bool:
        """Whether it is that of a packed store."""
        return self.folder == PACKED_FOLDER

    def array_path(self, level: int = 0) -> str:
        """Return where an array lies below the store."""
        return f"{self.folder}/{level}"

    def shard_path(self, seq: int, level: int = 0) -> str:
        """Return the file that holds a frame, below the store."""
        return f"{self.array_path(level)}/c/{seq // self.shard_frames}/0/0"

    @staticmethod
    def shape_yx(frame_shape_yx: tuple[int, int], level: int) -> tuple[int, int]:
        """Return the shape of a frame's picture in an array; rows and columns that fill no pixel are left out."""
        height, width = frame_shape_yx
        return height >> level, width >> level

    @staticmethod
    def useful_levels(frame_shape_yx: tuple[int, int]) -> int:
        """Return how many arrays lead from a frame down to a picture of one chunk."""
        n = 1
        while max(frame_shape_yx) >> (n - 1) > CHUNK_PX and min(frame_shape_yx) >> n >= 1:
            n += 1
        return n


LIVE = Layout()
"""Of a store that is acquired, and of one that is not packed."""


def start_version(attributes: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON value
    """Return the version of a store at its start, as its copy ``hcc_scope.json`` states it."""
    packed = attributes.get(PACKED)
    return attributes.get("schema_version") if not isinstance(packed, dict) else packed.get("schema_version")
