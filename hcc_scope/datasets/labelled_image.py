"""A labelled image, and a set of them: the content of a manifest, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from hcc_scope.colour import describe_conversion
from hcc_scope.formatting import capital

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.colour import ColourConversion

__all__ = ["CLASSES", "LabelledImage", "LabelledSet", "TumourClass"]

TumourClass = Literal["low", "high"]
CLASSES: tuple[Literal["low"], Literal["high"]] = ("low", "high")
"""In the order of the logits' columns."""


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """One image of one field, with everything that a split or a control needs to know of it."""

    path: Path
    """Of the file or store, absolute."""
    index: int
    """Page of a file, or `seq` of a store's frame."""
    tumour_class: TumourClass
    animal_id: str
    section_id: str
    """Within its animal: two animals may both have an ``s1``."""
    day: str
    """Of acquisition, as the manifest writes it."""
    pixel_size_um: float
    shape_yx: tuple[int, int]
    bit_depth: int
    """The camera's: from the manifest, else from the file, else that of the numbers as they are stored."""
    file_bits: int | None = None
    """The camera's bit depth, if the file states it."""
    file_pixel_size_yx_um: tuple[float, float] | None = None
    """If the file states it in a unit of length."""
    site: str | None = None
    """Laboratory or microscope; None: the manifest does not state it, for any image."""
    batch: str | None = None
    """Of staining or preparation; None likewise."""
    colour: ColourConversion | None = None
    """How the colour image in the file becomes these counts (`hcc_scope.colour`); None: it is grey."""

    @property
    def label(self) -> int:
        """Column of the image's class in the logits."""
        return CLASSES.index(self.tumour_class)

    @property
    def section(self) -> tuple[str, str]:
        """Animal and section: what names a section in the whole set."""
        return self.animal_id, self.section_id

    @property
    def name(self) -> str:
        """What a message calls it."""
        return f"{self.path.name}[{self.index}]" if self.index else self.path.name

    @property
    def full_name(self) -> str:
        """The same with its folder."""
        return f"{self.path}[{self.index}]" if self.index else str(self.path)


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """Images that can be trained on together: one pixel size (within tolerance), one bit depth, none too small."""

    manifest: Path
    images: tuple[LabelledImage, ...]
    """In the order of the manifest."""
    pixel_size_um: float
    """Median over the images."""
    bit_depth: int
    fingerprint: str
    """sha256 over the content of the manifest and the size and modification time of every file: the same set or not."""
    synthetic: str | None = None
    """If the images are no tissue: what they are, in a sentence for the model's card; None for real ones."""

    @property
    def colour(self) -> ColourConversion | None:
        """How the images became grey; one way for all of a set. None: they are."""
        return self.images[0].colour if self.images else None

    @property
    def conversion(self) -> str | None:
        """The same as a sentence for reports; None: the images are grey."""
        return None if self.colour is None else f"{capital(describe_conversion(self.colour))}."

    @property
    def full_scale(self) -> int:
        """The largest count."""
        return int(2**self.bit_depth - 1)
