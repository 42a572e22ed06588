"""The kinds of exports: one table, from which command line and window offer them.

A kind is one file or folder for each section. A new one is a function in a module of this package and a row of `KINDS`;
the command has its options then, and so has the window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcc_scope.errors import UsageError
from hcc_scope.formatting import listed
from hcc_scope.storage.naming import check_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from hcc_scope.exports.mosaic import Form
    from hcc_scope.exports.outcome import ExportOutcome
    from hcc_scope.exports.qupath import PlacedOn
    from hcc_scope.progress import OnProgress
    from hcc_scope.storage.reader import SectionStore

    Export = Callable[[SectionStore, Path, Mapping[str, str], OnProgress], ExportOutcome]
    """Takes a store, the file or folder to make, the value of each option of the kind, and what takes its progress."""

__all__ = ["KINDS", "PREDICTIONS_OPTION", "ExportKind", "ExportOption", "all_options", "kinds_named", "options_of"]


@dataclass(frozen=True, slots=True)
class ExportOption:
    """A choice that a person has."""

    name: str
    """On the command line, without its dashes."""
    title: str
    """In the window."""
    choices: tuple[str, ...]
    """Its values; the first one is used where none is chosen."""
    words: str
    """What it is about, in sentences."""
    is_name: bool = False
    """Whether it takes any name, as ids are; `choices` has the empty one alone, which is the default."""


@dataclass(frozen=True, slots=True)
class ExportKind:
    """One kind of export."""

    name: str
    """What ``--as`` takes."""
    ending: str
    """Behind the section's name."""
    title: str
    """In the window."""
    words: str
    """What it is and who reads it, in a sentence."""
    run: Export
    options: tuple[ExportOption, ...] = ()


def _fields(store: SectionStore, target: Path, options: Mapping[str, str], on_progress: OnProgress) -> ExportOutcome:
    from hcc_scope.exports.fields import export_fields

    return export_fields(store, target, shared=options["files"] == "shared", on_progress=on_progress)


def _frames(store: SectionStore, target: Path, options: Mapping[str, str], on_progress: OnProgress) -> ExportOutcome:
    from hcc_scope.exports.frames import export_frames

    del options
    return export_frames(store, target, on_progress=on_progress)


def _qupath(store: SectionStore, target: Path, options: Mapping[str, str], on_progress: OnProgress) -> ExportOutcome:
    from hcc_scope.exports.qupath import export_qupath

    placed_on: PlacedOn = "frames" if options["placed-on"] == "frames" else "mosaic"
    return export_qupath(
        store, target, placed_on=placed_on, predictions=options["predictions"], on_progress=on_progress
    )


def _table(store: SectionStore, target: Path, options: Mapping[str, str], on_progress: OnProgress) -> ExportOutcome:
    from hcc_scope.exports.table import export_parquet

    return export_parquet(store, target, predictions=options["predictions"], on_progress=on_progress)


def _csv(store: SectionStore, target: Path, options: Mapping[str, str], on_progress: OnProgress) -> ExportOutcome:
    from hcc_scope.exports.table import export_csv

    return export_csv(store, target, predictions=options["predictions"], on_progress=on_progress)


def _wsinfer(store: SectionStore, target: Path, options: Mapping[str, str], on_progress: OnProgress) -> ExportOutcome:
    from hcc_scope.exports.table import export_wsinfer

    return export_wsinfer(store, target, predictions=options["predictions"], on_progress=on_progress)


def _provenance(
    store: SectionStore, target: Path, options: Mapping[str, str], on_progress: OnProgress
) -> ExportOutcome:
    from hcc_scope.exports.provenance import export_provenance

    del options
    return export_provenance(store, target, on_progress=on_progress)


def _mosaic(store: SectionStore, target: Path, options: Mapping[str, str], on_progress: OnProgress) -> ExportOutcome:
    from hcc_scope.exports.mosaic import export_mosaic

    form: Form = "ome-zarr" if target.suffix == ".zarr" else "ome-tiff"
    return export_mosaic(
        store,
        target,
        form=form,
        feather=options["overlap"] == "feather",
        raw=options["pixels"] == "raw",
        compressed=options.get("compression") == "deflate",
        on_progress=on_progress,
    )


def _heatmap(store: SectionStore, target: Path, options: Mapping[str, str], on_progress: OnProgress) -> ExportOutcome:
    from hcc_scope.exports.mosaic import export_heatmap

    form: Form = "ome-zarr" if target.suffix == ".zarr" else "ome-tiff"
    return export_heatmap(store, target, form=form, predictions=options["predictions"], on_progress=on_progress)


_OF_MOSAICS = (
    ExportOption(
        "overlap",
        "Where fields overlap",
        ("last", "feather"),
        "Last: the latest field lies on top, and every pixel is that of one frame. Feather: fields are blended towards "
        "their edges, which hides seams and changes counts.",
    ),
    ExportOption(
        "pixels",
        "Dark and flat field",
        ("corrected", "raw"),
        "Corrected: by the dark and flat fields of the run, if it had any. Raw: as the camera counted.",
    ),
)

PREDICTIONS_OPTION = ExportOption(
    "predictions",
    "Predictions",
    ("",),
    "Name of predictions that were kept when the section was classified again. Default: those of its run.",
    is_name=True,
)
"""Whose results are exported; the name is a part of the export's."""

KINDS: tuple[ExportKind, ...] = (
    ExportKind(
        "fields",
        "-fields.zarr",
        "Fields as OME-Zarr",
        "One OME-Zarr image for each field, at its place on the stage, for Fiji, Python and other readers of OME-Zarr",
        _fields,
        (
            ExportOption(
                "files",
                "Files of the fields",
                ("shared", "copied"),
                "Shared: the fields are the files of the section under a second name, and take no room. Copied: other "
                "programs may write into them. Where there can be no second name, as on another disk, they are copied.",
            ),
            ExportOption(
                "ngff",
                "Version of OME-Zarr",
                ("0.5",),
                "Version of OME-Zarr. 0.6, with the fields in one scene, is not final yet.",
            ),
        ),
    ),
    ExportKind(
        "frames",
        "-frames.ome.tif",
        "Frames as an OME-TIFF stack",
        "Every frame as the camera took it, with position, time and exposure, for Fiji, QuPath and hcc-scope import",
        _frames,
    ),
    ExportKind(
        "mosaic",
        "-mosaic.ome.tif",
        "Mosaic as OME-TIFF",
        "All fields as one picture with smaller levels, for QuPath, Fiji and other viewers of slides",
        _mosaic,
        (
            *_OF_MOSAICS,
            ExportOption(
                "compression",
                "Compression",
                ("none", "deflate"),
                "None: is written and read fastest. Deflate: loses nothing, and makes the file smaller, by a tenth to "
                "a half, and by more where fields lie scattered.",
            ),
        ),
    ),
    ExportKind(
        "mosaic-zarr",
        "-mosaic.zarr",
        "Mosaic as OME-Zarr",
        "All fields as one picture with smaller levels, for napari, Fiji and Python",
        _mosaic,
        _OF_MOSAICS,
    ),
    ExportKind(
        "heatmap",
        "-heatmap.ome.tif",
        "Heatmap as OME-TIFF",
        "The probabilities of the tiles as a picture of the same size as the mosaic, for QuPath, Fiji and others",
        _heatmap,
        (PREDICTIONS_OPTION,),
    ),
    ExportKind(
        "heatmap-zarr",
        "-heatmap.zarr",
        "Heatmap as OME-Zarr",
        "The probabilities of the tiles as a picture of the same size as the mosaic, for napari, Fiji and Python",
        _heatmap,
        (PREDICTIONS_OPTION,),
    ),
    ExportKind(
        "qupath",
        "-tiles.geojson.gz",
        "Tiles for QuPath",
        "Every tile as a detection with its probability and class, and fields without a score, for QuPath",
        _qupath,
        (
            ExportOption(
                "placed-on",
                "Placed on",
                ("mosaic", "frames"),
                "The image on which QuPath shows the tiles: the mosaic, or the stack of frames.",
            ),
            PREDICTIONS_OPTION,
        ),
    ),
    ExportKind(
        "table",
        "-tiles.parquet",
        "Tiles as a table (Parquet)",
        "A row for each tile with all that is known of it, for Python and R",
        _table,
        (PREDICTIONS_OPTION,),
    ),
    ExportKind(
        "csv",
        "-tiles.csv",
        "Tiles as a table (CSV)",
        "The same table as text, for spreadsheets; no cell is a formula",
        _csv,
        (PREDICTIONS_OPTION,),
    ),
    ExportKind(
        "wsinfer",
        "-wsinfer.csv",
        "Tiles as WSInfer writes them",
        "Tiles that enter the score, in pixels of the mosaic, for programs that read the results of WSInfer",
        _wsinfer,
        (PREDICTIONS_OPTION,),
    ),
    ExportKind(
        "provenance",
        "-ro-crate",
        "How the section came about (RO-Crate)",
        "A folder with ids, versions, hashes of every file, and the model's card, for archives and repositories",
        _provenance,
    ),
)
"""In the order in which they are offered."""


def kinds_named(names: Sequence[str]) -> list[ExportKind]:
    """Return the kinds of some names, each once, in the order in which they are named.

    Raises
    ------
    UsageError
        If there is no such kind, or none is named.
    """
    by_name = {kind.name: kind for kind in KINDS}
    hint = f"There are: {', '.join(by_name)}."
    for name in names:
        if name not in by_name:
            raise UsageError(f"--as cannot be '{name}'", hint=hint)
    if not names:
        raise UsageError("--as is missing: it names what is written", hint=hint)
    return [by_name[name] for name in dict.fromkeys(names)]


def all_options() -> list[ExportOption]:
    """Return every option of any kind, each once."""
    return list({option.name: option for kind in KINDS for option in kind.options}.values())


def options_of(kinds: Sequence[ExportKind], given: Mapping[str, str]) -> dict[str, str]:
    """Return the value of each option of some kinds.

    Parameters
    ----------
    kinds : sequence of ExportKind
    given : mapping
        What a person has chosen, by the option's name.

    Raises
    ------
    UsageError, IdError
        If an option is none of these kinds', or cannot have this value.
    """
    known = {option.name: option for kind in kinds for option in kind.options}
    for name, value in given.items():
        if name not in known:
            takes = listed([f"--as {kind.name}" for kind in KINDS if name in {one.name for one in kind.options}])
            raise UsageError(f"--{name} has no effect on what --as names", hint=f"It belongs to {takes}.")
        option = known[name]
        if option.is_name:
            if value:
                check_id(value, f"name after --{name}")
        elif value not in option.choices:
            raise UsageError(
                f"--{name} cannot be '{value}'", hint=f"There are: {', '.join(option.choices)}. {option.words}"
            )
    return {name: given.get(name, option.choices[0]) for name, option in known.items()}
