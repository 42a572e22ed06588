"""Images of other programs become a section: through the same session, into a store, with one score.

An import that was interrupted goes on when it is given the same sources and choices again: its store records them, and
each frame its place among the images.

>>> with open_import(request) as opened:  # doctest: +SKIP
...     run = start_import(opened, scoring_model)
...     report = run.finish()
"""

from __future__ import annotations

import hashlib
import json
import zlib
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING

from hcc_scope.errors import ImageError, StoreError, StoreExistsError
from hcc_scope.formatting import counted
from hcc_scope.imports.camera_axes import common_axes
from hcc_scope.imports.conversion import Conversion
from hcc_scope.imports.fingerprint import fingerprint
from hcc_scope.imports.frame_facts import FrameFacts, frame_facts
from hcc_scope.imports.frame_tags import import_index
from hcc_scope.imports.opening import open_sources
from hcc_scope.imports.selection import Selection, chosen_planes
from hcc_scope.imports.source import ChosenImages, ImportSource
from hcc_scope.imports.source_facts import SourceFacts, source_facts
from hcc_scope.runs.continued_section import continuable_store, continue_section
from hcc_scope.runs.section import SectionRun, start_section
from hcc_scope.storage.import_record import CONVERSION_KEY, PIXEL_SIZE_KEY, SELECTION_KEY, SOURCES_KEY
from hcc_scope.storage.naming import check_id, is_taken, store_path, taken_error
from hcc_scope.types import RunSpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from hcc_scope.report.summary import SectionReport
    from hcc_scope.runs.scoring_model import ScoringModel
    from hcc_scope.storage.reader import SectionStore
    from hcc_scope.types import TagValue
    from hcc_scope.workers import StopToken

__all__ = [
    "ImportRequest",
    "ImportRun",
    "OpenImport",
    "describe_sources",
    "facts_of_choice",
    "open_import",
    "start_import",
    "stored_import",
]

_RESUMED_AT = "import_resumed_at"
"""Key of a part's provenance: the place among the images at which it begins."""
_OTHER = "Give the sources and choices of the first part again, or another section id."
_TRIED = 3
"""Images whose pixels are looked at before anything is made, until one can be read."""

_FULL_BITS, _FEW_BITS = 16, 12
"""Of a count as it is stored, and of many cameras."""


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """One import, as a person asked for it."""

    sources: tuple[Path, ...]
    animal_id: str
    section_id: str
    out_dir: Path
    selection: Selection = field(default_factory=Selection)
    conversion: Conversion = field(default_factory=Conversion)
    pixel_size_um: float | None = None
    """None: as the images state it."""

    @property
    def store(self) -> Path:
        """The store of the section."""
        return store_path(self.out_dir, self.animal_id, self.section_id)


class OpenImport:
    """The sources of an import, open and checked; a context manager.

    Parameters
    ----------
    request : ImportRequest
    chosen : sequence of ChosenImages
        Open.
    facts : FrameFacts
        What all chosen images have in common.
    """

    def __init__(self, request: ImportRequest, chosen: Sequence[ChosenImages], facts: FrameFacts) -> None:
        self.request = request
        self.chosen = tuple(chosen)
        self.facts = facts
        stated = [[one.facts.camera_axes[index] for index in one.indices] for one in chosen]
        self.camera_axes, disagreement = common_axes(stated)
        """How the camera lay over the stage."""
        self.remark = "; ".join(filter(None, (facts.remark, disagreement))) or None
        """What deviates from what the images state, as half a sentence."""

    def __enter__(self) -> OpenImport:
        """Return it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the sources."""
        self.close()

    def close(self) -> None:
        """Close the sources. Idempotent."""
        for one in self.chosen:
            one.images.close()

    @property
    def n_images(self) -> int:
        """How many images were chosen."""
        return sum(len(one.indices) for one in self.chosen)

    @property
    def planes_in_order(self) -> Iterator[tuple[ChosenImages, int]]:
        """Each chosen image, as its source and its place there."""
        for one in self.chosen:
            for index in one.indices:
                yield one, index

    def describe(self) -> str:
        """Return what is imported, as a sentence."""
        height, width = self.facts.shape_yx
        formats = dict.fromkeys(one.images.format for one in self.chosen)
        return (
            f"{counted(self.n_images, 'image')} of {width} x {height} px and {self.facts.bit_depth} bits, "
            f"{self.facts.pixel_size_um:g} um a pixel, from {counted(len(self.chosen), 'source')} "
            f"({', '.join(formats)})."
        )

    def provenance(self) -> dict[str, TagValue]:
        """Return what the store records of the import."""
        sources = [
            {
                "path": str(one.images.path.absolute()),
                "format": one.images.format,
                "fingerprint": fingerprint(one.facts),
                "images": len(one.indices),
                "chosen": hashlib.sha256(json.dumps(one.indices).encode("ascii")).hexdigest(),
            }
            for one in self.chosen
        ]
        return {
            SOURCES_KEY: json.dumps(sources),
            SELECTION_KEY: json.dumps(asdict(self.request.selection)),
            CONVERSION_KEY: json.dumps(asdict(self.request.conversion)),
            PIXEL_SIZE_KEY: "given" if self.request.pixel_size_um is not None else "stated",
        }


@dataclass(frozen=True, slots=True)
class ImportRun(SectionRun):
    """An import that has been started."""

    opened: OpenImport = field(kw_only=True)

    def finish(self) -> SectionReport:
        """Wait for the import to end, close its sources, and return how it ended."""
        try:
            return super(ImportRun, self).finish()
        finally:
            self.opened.close()


def open_import(request: ImportRequest) -> OpenImport:
    """Open the sources of an import, choose its images, and check that they can be the frames of one section.

    Raises
    ------
    IdError
        If an id cannot be part of a file name.
    ImageError
        If a source cannot be read, or its images have not one size and depth.
    UsageError
        If a choice or a fact is missing; the message names the option.
    """
    check_id(request.animal_id, "animal id")
    check_id(request.section_id, "section id")
    with ExitStack() as unused:
        chosen = []
        sources = open_sources(request.sources)
        for one in sources:
            unused.callback(one.images.close)
        for images, files in sources:
            facts = source_facts(images, files)
            chosen.append(ChosenImages(images, facts, chosen_planes(facts, request.selection)))
        planes = [plane for one in chosen for plane in one.chosen]
        opened = OpenImport(request, chosen, frame_facts(planes, request.conversion, request.pixel_size_um))
        opened.remark = "; ".join(filter(None, (opened.remark, _look_at_pixels(opened)))) or None
        unused.pop_all()
    return opened


def describe_sources(paths: Sequence[Path]) -> tuple[SourceFacts, ...]:
    """Return what files and folders of images hold, for a person to choose from.

    Raises
    ------
    ImageError
        If one cannot be read.
    """
    with ExitStack() as open_now:
        sources = open_sources(paths)
        for one in sources:
            open_now.callback(one.images.close)
        return tuple(source_facts(*one) for one in sources)


def facts_of_choice(sources: Sequence[SourceFacts], request: ImportRequest) -> tuple[int, FrameFacts]:
    """Return how many images a request chooses of its sources, and what they have in common; no file is read.

    Raises
    ------
    HccScopeError
        As `open_import`, for what the headers show.
    """
    planes = [source.planes[index] for source in sources for index in chosen_planes(source, request.selection)]
    return len(planes), frame_facts(planes, request.conversion, request.pixel_size_um)


def _look_at_pixels(opened: OpenImport) -> str | None:
    """Refuse a conversion that the first pixels contradict, before a store is made.

    Returns
    -------
    str or None
        That they leave the upper bits empty, as half a sentence: a camera of 12 bits often writes numbers of 16.
    """
    for tried, (one, index) in enumerate(opened.planes_in_order):
        if tried == _TRIED:
            break
        plane = one.facts.planes[index]
        try:
            counts = opened.request.conversion.counts(plane, one.images.read(index))
        except ImageError:
            continue  # damaged; the run reports it
        largest, given = int(counts.max(initial=0)), opened.request.conversion.bit_depth
        if given is None and plane.dtype == "uint16" and plane.bit_depth == _FULL_BITS and largest < 1 << _FEW_BITS:
            return (
                f"no count of {plane.where} is above {largest}, of {_FULL_BITS} bits: if the camera has fewer, give "
                "them with --bit-depth"
            )
        break
    return None


def stored_import(request: ImportRequest) -> SectionStore | None:
    """Return the store of an import that was begun before; None if there is nothing of its name.

    Raises
    ------
    StoreExistsError
        If something else has its name.
    StoreError
        If it is damaged, or another process writes to it.
    """
    path = request.store
    if not is_taken(path):
        return None
    try:
        store = continuable_store(path)
    except StoreError as error:
        if (path / "zarr.json").exists() or (path / "hcc_scope.json").exists():
            raise
        raise taken_error(path) from error
    if store.spec.sampling != "imported":
        raise taken_error(path)
    return store


def start_import(opened: OpenImport, scoring_model: ScoringModel, stop: StopToken | None = None) -> ImportRun:
    """Begin to import, or go on with an import that was interrupted, in its own store.

    Parameters
    ----------
    opened : OpenImport
        Closed by `ImportRun.finish`.
    scoring_model : ScoringModel
        What classifies.
    stop : StopToken, optional
        Ends or pauses the run.

    Raises
    ------
    HccScopeError
        If the import cannot start: there is no store then, or that of the first part is as it was. What goes wrong
        later is in the outcome.
    """
    request = opened.request
    provenance = opened.provenance()
    stored = stored_import(request)
    first_index = first_seq = 0
    if stored is not None:
        first_index, first_seq = _next_image(stored, opened, provenance), stored.n_frames
    card = scoring_model.model.card
    spec = RunSpec(
        frame_shape_yx=opened.facts.shape_yx,
        bit_depth=opened.facts.bit_depth,
        pixel_size_um=opened.facts.pixel_size_um,
        animal_id=request.animal_id,
        section_id=request.section_id,
        tile_px=card.tile_px,
        camera_axes=opened.camera_axes,
        sampling="imported",
        expected_frames=opened.n_images - first_index,
        model_sha256=card.sha256,
        software={name: version(name) for name in ("tifffile", "imagecodecs")},
        provenance={**scoring_model.facts, **provenance},
    )
    source = ImportSource(
        opened.chosen,
        spec,
        request.conversion,
        first_seq=first_seq,
        first_index=first_index,
        remark=opened.remark,
    )
    if stored is None:
        run = start_section(source, scoring_model, request.out_dir, stop)
    else:
        run = continue_section(
            source,
            scoring_model,
            stored.path,
            stop,
            facts={_RESUMED_AT: first_index},
            lost=first_index - first_seq,
        )
    return ImportRun(
        run.session,
        run.store_path,
        run.spec,
        run.grid,
        run.results,
        run.scored_beyond,
        first_frames=run.first_frames,
        opened=opened,
    )


def _next_image(store: SectionStore, opened: OpenImport, provenance: dict[str, TagValue]) -> int:
    """Return the place of the first image that is not stored yet.

    Raises
    ------
    StoreError
        If the store was made of other sources, or in another way, or nothing is left.
    """
    _refuse_another_import(store, opened, provenance)
    last = store.journal[-1] if store.n_frames else None
    found = None if last is None else import_index(last.tags)
    if store.n_frames and found is None:
        raise StoreError(
            f"{store.path} cannot go on: its last frame does not state which image it was", hint="Import a new section."
        )
    following = 0 if found is None else found + 1
    outcome = store.recorded.outcome
    if outcome is not None and outcome.state == "completed":  # else the last images may not be classified yet
        raise StoreExistsError(
            f"every image of these sources that can be read is in {store.path} already",
            hint="Choose another section id to import them again.",
        )
    _compare_pixels(store, opened)
    return following


def _refuse_another_import(store: SectionStore, opened: OpenImport, provenance: dict[str, TagValue]) -> None:
    recorded = store.spec.provenance
    then, now = _of_sources(recorded, "fingerprint"), _of_sources(provenance, "fingerprint")
    if then is None or then != now:
        raise StoreError(f"{store.path} was imported from other sources, or they have changed since", hint=_OTHER)
    if _of_sources(recorded, "chosen") != _of_sources(provenance, "chosen"):
        raise StoreError(
            f"{store.path} was imported with other images of these sources: {recorded.get(SELECTION_KEY)}", hint=_OTHER
        )
    if recorded.get(CONVERSION_KEY) != provenance[CONVERSION_KEY]:
        raise StoreError(
            f"{store.path} was imported with {_conversion_words(recorded.get(CONVERSION_KEY))}, and now it is "
            f"{_conversion_words(provenance[CONVERSION_KEY])}",
            hint=f"Frames of one section are converted in one way. If those were wrong, delete {store.path}, or give "
            "another section id.",
        )
    if store.spec.pixel_size_um != opened.facts.pixel_size_um:
        raise StoreError(
            f"{store.path} was imported with a pixel size of {store.spec.pixel_size_um:g} um, and now it is "
            f"{opened.facts.pixel_size_um:g} um",
            hint=_OTHER,
        )


def _conversion_words(recorded: TagValue) -> str:
    """Return a conversion as the options that state it."""
    try:
        return Conversion(**json.loads(str(recorded))).describe()
    except (TypeError, ValueError, RecursionError):
        return "a conversion that cannot be read"


def _of_sources(provenance: Mapping[str, TagValue], key: str) -> list[object] | None:
    """Return one fact of each source, as a store records it; None if it does not."""
    try:
        return [one[key] for one in json.loads(str(provenance[SOURCES_KEY]))]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None


def _compare_pixels(store: SectionStore, opened: OpenImport) -> None:
    """Refuse sources whose pixels are not those that are stored: the first frame, one in the middle and the last."""
    order = list(opened.planes_in_order)
    for seq in sorted({0, store.n_frames // 2, store.n_frames - 1}) if store.n_frames else ():
        entry = store.journal[seq]
        index = None if entry is None else import_index(entry.tags)
        if entry is None or index is None or index >= len(order):
            continue  # a damaged line: refused when the store is reopened
        one, at = order[index]
        plane = one.facts.planes[at]
        counts = opened.request.conversion.counts(plane, one.images.read(at))
        if zlib.crc32(counts.astype("<u2", copy=False).tobytes()) != entry.crc32:
            raise StoreError(f"frame {seq} of {store.path} is not what {plane.where} holds now", hint=_OTHER)
