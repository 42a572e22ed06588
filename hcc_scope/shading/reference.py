"""What a reference is: a map over the camera's image, with the settings that it holds for.

A map is kept as uint16 in steps of ``1 / scale``, so that it has the same bits wherever it is read: a quarter of a
count for a dark field, 1/16384 for a flat field of mean 1.
"""

from __future__ import annotations

import hashlib
import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import pydantic

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "DARK_SCALE",
    "FLAT_SCALE",
    "Manifest",
    "Reference",
    "ReferenceKind",
    "Settings",
    "describe_settings",
    "map_sha256",
    "quantised",
]

ReferenceKind = Literal["dark", "flat"]
DARK_SCALE = 4
FLAT_SCALE = 1 << 14
MAX_SIDE_PX = 1 << 16
_Text = Annotated[str, pydantic.Field(max_length=300)]
_Sha256 = Annotated[str, pydantic.Field(pattern="^[0-9a-f]{64}$")]


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Settings(_Strict):
    """The state of a rig that a reference was taken in, or that a section is about to be acquired in."""

    rig: _Text
    """Name of the rig file, or of the .cfg."""
    cfg_sha256: _Sha256 | None = None
    """Of the Micro-Manager configuration; None where it is not known."""
    camera: _Text = ""
    objective: _Text | None = None
    """Label; None where the rig does not report one."""
    binning: _Text = ""
    roi: tuple[int, int, int, int]
    """x, y, width, height in px of this binning."""
    bit_depth: int = pydantic.Field(ge=1, le=16)
    exposure_ms: float = pydantic.Field(ge=0)
    em_gain: float | None = None
    """None where there is none, or it is switched off."""
    readout: _Text | None = None

    @property
    def shape_yx(self) -> tuple[int, int]:
        """Height and width of the image in px."""
        return self.roi[3], self.roi[2]


class Manifest(_Strict):
    """What is known about a reference beside its map."""

    version: Literal[1] = 1
    kind: ReferenceKind
    settings: Settings
    t_utc: pydantic.AwareDatetime
    """When the last shot was taken."""
    shots: int = pydantic.Field(ge=0)
    scale: int = pydantic.Field(ge=1, le=1 << 15)
    """Steps of the map per count (dark), or per 1 (flat)."""
    pixels_sha256: _Sha256
    """Of the map (`map_sha256`)."""
    estimated: bool = False
    """Whether it was estimated from fields of tissue, and not measured."""
    dark_sha256: _Sha256 | None = None
    """Of the dark field that was subtracted from the shots of a flat field."""

    @pydantic.field_validator("settings")
    @classmethod
    def _has_an_image(cls, value: Settings) -> Settings:
        if not (0 < value.roi[2] <= MAX_SIDE_PX and 0 < value.roi[3] <= MAX_SIDE_PX):
            raise ValueError(f"a region of {value.roi[2]} x {value.roi[3]} px is none")
        return value

    @property
    def name(self) -> str:
        """What files and lists call it: ``dark-0a1b2c3d4e5f``, of map and settings.

        Two maps may be equal: those of assumed dark fields of 0 counts are.
        """
        both = f"{self.pixels_sha256} {self.settings.model_dump_json()}"
        return f"{self.kind}-{hashlib.sha256(both.encode()).hexdigest()[:12]}"


class Reference:
    """A dark or flat field.

    Parameters
    ----------
    manifest : Manifest
    pixels : (y, x) uint16
        The map in steps of ``1 / manifest.scale``; made read-only.

    Raises
    ------
    ValueError
        If the map is not the one that the manifest states.
    """

    def __init__(self, manifest: Manifest, pixels: NDArray[np.uint16]) -> None:
        if pixels.dtype != np.uint16 or pixels.shape != manifest.settings.shape_yx:
            raise ValueError(f"the map is {pixels.dtype} {pixels.shape}, not uint16 {manifest.settings.shape_yx}")
        if map_sha256(pixels) != manifest.pixels_sha256:
            raise ValueError("the map does not have the sha256 that its manifest states")
        if manifest.kind == "flat" and int(pixels.min()) == 0:
            raise ValueError("the flat field has a pixel without light")
        self.manifest = manifest
        self.pixels = pixels
        pixels.flags.writeable = False

    @classmethod
    def of_map(
        cls,
        kind: ReferenceKind,
        values: NDArray[np.float64],
        settings: Settings,
        *,
        shots: int,
        estimated: bool = False,
        dark_sha256: str | None = None,
        t_utc: datetime | None = None,
    ) -> Reference:
        """Return the reference with a map of counts (dark), or of relative light (flat)."""
        scale = DARK_SCALE if kind == "dark" else FLAT_SCALE
        pixels = quantised(values, scale)
        manifest = Manifest(
            kind=kind,
            settings=settings,
            t_utc=datetime.now(UTC) if t_utc is None else t_utc,
            shots=shots,
            scale=scale,
            pixels_sha256=map_sha256(pixels),
            estimated=estimated,
            dark_sha256=dark_sha256,
        )
        return cls(manifest, pixels)

    @property
    def values(self) -> NDArray[np.float64]:
        """The map (y, x): counts of a dark field, relative light of a flat field."""
        return self.pixels / float(self.manifest.scale)


def quantised(values: NDArray[np.float64], scale: int) -> NDArray[np.uint16]:
    """Return a map in steps of ``1 / scale``, rounded to the nearest and kept within uint16."""
    return np.clip(np.rint(values * scale), 0, 65535).astype(np.uint16)


def map_sha256(pixels: NDArray[np.uint16]) -> str:
    """Return the sha256 of a map: of its counts row by row, little-endian."""
    return hashlib.sha256(np.ascontiguousarray(pixels, dtype="<u2").data).hexdigest()


def describe_settings(settings: Settings) -> str:
    """Return the settings in one line.

    Examples
    --------
    >>> describe_settings(Settings(rig="a", roi=(0, 0, 512, 512), bit_depth=16, exposure_ms=10, objective="10X"))
    '10X, 512 x 512 px, 16 bit, 10 ms'
    """
    x, y, width, height = settings.roi
    parts = [
        settings.objective or "",
        f"{width} x {height} px" + (f" at {x}, {y}" if (x, y) != (0, 0) else ""),
        f"binning {settings.binning}" if settings.binning not in ("", "1", "1x1") else "",
        f"{settings.bit_depth} bit",
        f"{settings.exposure_ms:g} ms",
        "" if settings.em_gain is None or math.isclose(settings.em_gain, 0) else f"EM gain {settings.em_gain:g}",
        settings.readout or "",
    ]
    return ", ".join(part for part in parts if part)
