"""What every stored evaluation has in common: its rows of images, its versions, and how reading one fails."""

from __future__ import annotations

import platform
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from hcc_scope.errors import TrainingError
from hcc_scope.evaluation.filenames import EVALUATION_FILE
from hcc_scope.training.records import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from hcc_scope.datasets.labelled_image import LabelledImage, LabelledSet
    from hcc_scope.datasets.tiles import TileTable

__all__ = ["data_facts", "image_rows", "reading_evaluation", "versions_used"]


def data_facts(data: LabelledSet, tiles: TileTable, n_animals: tuple[int, int, int]) -> dict[str, Any]:
    """Return what was evaluated, as JSON values.

    Parameters
    ----------
    data, tiles : LabelledSet, TileTable
    n_animals : (int, int, int)
        That carry low, high, both.
    """
    low, high, both = n_animals
    return {
        "manifest": str(data.manifest),
        "fingerprint": data.fingerprint,
        "synthetic": data.synthetic,
        "pixel_size_um": data.pixel_size_um,
        "bit_depth": data.bit_depth,
        "colour": data.colour,
        "animals": {"low": low, "high": high, "both": both},
        "images": len(data.images),
        "tiles": len(tiles),
        "tiles_excluded": dict(tiles.excluded),
    }


def image_rows(images: Sequence[LabelledImage]) -> list[dict[str, Any]]:
    """Return each image as JSON values, in order; an evaluation adds its scores."""
    return [
        {
            "path": str(image.path),
            "index": image.index,
            "class": image.tumour_class,
            "animal": image.animal_id,
            "section": image.section_id,
            "day": image.day,
            "site": image.site,
            "batch": image.batch,
        }
        for image in images
    ]


def versions_used() -> dict[str, str]:
    """Return the versions that figures may depend on."""
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in ("hcc-scope", "torch", "numpy", "scipy")},
    }


@contextmanager
def reading_evaluation(folder: Path) -> Iterator[Path]:
    """Give the ``evaluation.json`` of a folder, and turn what reading it raises into a sentence.

    Raises
    ------
    TrainingError
        If there is no finished evaluation, or one that cannot be read.
    """
    path = folder / EVALUATION_FILE
    try:
        yield path
    except (FileNotFoundError, NotADirectoryError):
        raise TrainingError(
            f"{folder} holds no finished evaluation", hint="Run hcc-scope evaluate, or finish it with --resume."
        ) from None
    except (OSError, ValueError) as error:
        raise TrainingError(
            f"the evaluation {path} cannot be read: {one_line(error)}", hint="Run hcc-scope evaluate again."
        ) from error
