"""Check a labelled set before training: count its content, and find everything that would spoil the result.

Nothing stops at the first problem. An *error* is what training refuses, or what makes any validation wrong; a *warning*
is what a person should know before believing a number.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from hcc_scope.datasets.cache import TILE_PX, digest_of
from hcc_scope.datasets.dataset_report import DatasetReport, GroupCount, Problem, Severity, group_counts
from hcc_scope.datasets.depth import TopCounts, depth_problems, file_problems, top_counts
from hcc_scope.datasets.duplicate_images import overlap_problems
from hcc_scope.datasets.images import classified_pixels, is_store, opened_store, read_pixels
from hcc_scope.datasets.labelled_image import CLASSES
from hcc_scope.datasets.landmarks import Landmarks, landmarks_of
from hcc_scope.datasets.manifest import (
    counted,
    holds_tile,
    images_of,
    listed,
    mixtures,
    require_distinct,
    synthetic_sentence,
)
from hcc_scope.datasets.manifest_rows import parse_rows
from hcc_scope.datasets.parallel import n_workers, over
from hcc_scope.datasets.spelling import spelling_problems
from hcc_scope.errors import DatasetError, HccScopeError, ImageError, ManifestError
from hcc_scope.flag_texts import describe_reason_counts, reason_names
from hcc_scope.progress import Progress
from hcc_scope.quality import QualityLimits, assess
from hcc_scope.tiling import TileGrid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from hcc_scope.datasets.labelled_image import LabelledImage
    from hcc_scope.datasets.manifest_rows import Row
    from hcc_scope.progress import OnProgress

__all__ = ["DatasetReport", "GroupCount", "Problem", "check_dataset", "cramers_v"]

STAGE = "check images"
AcquisitionGroup = Literal["day", "site", "batch"]

FEW_IMAGES = 20
"""Per class: with fewer, five folds hold a handful each and every figure is chance."""
UNBALANCED = 3.0
"""Images of one class for each of the other; more is worth a word."""
ASSOCIATED = 0.5
"""Cramér's V of class and day (or site, or batch) from which the day is a rival explanation of the class."""
ACQUISITION: tuple[AcquisitionGroup, ...] = ("day", "site", "batch")
"""What images share besides their animal, and a network can learn in place of the class."""
_CONFOUNDED = 1.0 - 1e-9
_FEWEST_ANIMALS = 2


def check_dataset(path: Path, on_progress: OnProgress | None = None) -> DatasetReport:
    """Read every image of a manifest and report.

    Parameters
    ----------
    path : Path
        The manifest.
    on_progress : callable, optional
        Takes a `Progress` after each image.

    Raises
    ------
    ManifestError
        Only if the manifest as a whole cannot be read: missing, not UTF-8, other columns. All else is in the report.
    """
    problems: list[Problem] = []

    def on_error(error: HccScopeError) -> None:
        kind = "unreadable" if isinstance(error, ImageError) else "manifest"
        problems.append(_problem("error", kind, error))

    found: list[tuple[Row, LabelledImage]] = []
    for row in parse_rows(path, on_error):
        try:
            found += [(row, image) for image in images_of(row, path)]
        except DatasetError as error:
            on_error(error)
    require_distinct(path, found, on_error)
    images = tuple(image for _, image in found)
    if images or not problems:  # of rows that are all wrong it is not true that there are none
        problems += [_problem("error", "mixture", error) for error in mixtures(path, images)]
    synthetic = None
    try:
        synthetic = synthetic_sentence(path, images)
    except ManifestError as error:
        on_error(error)
    looked_at = list(_look_at(images, on_progress))
    problems += [_problem("error", "unreadable", one.error) for one in looked_at if one.error is not None]
    problems += _duplicates(looked_at)
    marked = [(one.image, one.digest, one.landmarks) for one in looked_at if one.landmarks is not None]
    problems += overlap_problems(*zip(*marked, strict=True)) if marked else []
    problems += _sizes(images)
    problems += _stores(images)
    problems += _quality(looked_at)
    problems += spelling_problems(images)
    problems += file_problems(images)
    topped = [(one.image, one.top) for one in looked_at if one.top is not None]
    problems += depth_problems([image for image, _ in topped], [top for _, top in topped]) if topped else []
    problems += _groups(images)
    association = {what: _class_by(images, what) for what in ACQUISITION}
    problems += [problem for what, v in association.items() for problem in _confounding(images, what, v)]
    problems += _animals_of_sites(images)
    usable: dict[str, int] = {
        name: sum(o.usable for o in looked_at if o.image.tumour_class == name) for name in CLASSES
    }
    excluded: Counter[str] = sum((one.excluded for one in looked_at), Counter())
    return DatasetReport(
        manifest=path,
        images=len(images),
        classes=group_counts(images, lambda image: image.tumour_class),
        animals=group_counts(images, lambda image: image.animal_id),
        sections=group_counts(images, lambda image: f"{image.animal_id} / {image.section_id}"),
        days=group_counts(images, lambda image: image.day),
        sites=group_counts([image for image in images if image.site], lambda image: image.site or ""),
        batches=group_counts([image for image in images if image.batch], lambda image: image.batch or ""),
        shapes_yx=_breakdown(f"{image.shape_yx[0]} x {image.shape_yx[1]}" for image in images),
        bit_depths=_breakdown(str(image.bit_depth) for image in images),
        pixel_sizes_um=_breakdown(f"{image.pixel_size_um:g}" for image in images),
        colours=_breakdown(image.colour or "grey" for image in images),
        class_by_day_v=association["day"],
        class_by_site_v=association["site"],
        class_by_batch_v=association["batch"],
        tiles=sum(one.tiles for one in looked_at),
        tiles_usable=usable,
        tiles_excluded=dict(sorted(excluded.items())),
        synthetic=synthetic,
        problems=tuple(sorted(problems, key=lambda problem: problem.severity != "error")),
    )


def _problem(severity: Severity, kind: str, error: HccScopeError) -> Problem:
    return Problem(severity, kind, error.message, error.hint or "Correct the manifest or remove the line.")


def _warning(kind: str, what: str, hint: str, images: Sequence[LabelledImage] = ()) -> Problem:
    return Problem("warning", kind, what, hint, tuple(image.full_name for image in images))


def _breakdown(values: Iterable[str]) -> dict[str, int]:
    return dict(Counter(values).most_common())


def cramers_v(rows: Sequence[str], columns: Sequence[str]) -> float | None:
    """Return Cramér's V of two labellings of the same things: 0 if independent, 1 if one determines the other.

    ``sqrt(chi^2 / (n (k - 1)))`` with k the smaller number of different labels (Cramér, "Mathematical Methods of
    Statistics", 1946, section 21.9). None if either has one label alone.

    Examples
    --------
    >>> cramers_v(["mon", "mon", "tue", "tue"], ["low", "low", "high", "high"])
    1.0
    >>> cramers_v(["mon", "mon", "tue", "tue"], ["low", "high", "low", "high"])
    0.0
    """
    names = sorted(set(rows)), sorted(set(columns))
    k = min(map(len, names))
    if k < 2:
        return None
    table = np.zeros((len(names[0]), len(names[1])))
    np.add.at(table, (np.searchsorted(names[0], rows), np.searchsorted(names[1], columns)), 1)
    n = table.sum()
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True) / n
    chi_squared = float(((table - expected) ** 2 / expected).sum())
    return min(1.0, math.sqrt(chi_squared / (n * (k - 1))))


# ---- pixels ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Looked:
    """What was found in the pixels of one image."""

    image: LabelledImage
    error: ImageError | None
    digest: str = ""
    tiles: int = 0
    usable: int = 0
    excluded: Counter[str] = field(default_factory=Counter)
    landmarks: Landmarks | None = None
    """Of its usable tiles."""
    top: TopCounts | None = None


def _look_at(images: Sequence[LabelledImage], on_progress: OnProgress | None) -> Iterator[_Looked]:
    grids = {image.shape_yx: TileGrid.for_frame(image.shape_yx, TILE_PX) for image in images if holds_tile(image)}
    limits = QualityLimits()

    def look(image: LabelledImage) -> _Looked:
        try:
            pixels = read_pixels(image)
            seen = classified_pixels(image, pixels)
        except ImageError as error:
            return _Looked(image, error)
        grid = grids.get(image.shape_yx)
        if grid is None:
            return _Looked(image, None, digest_of(pixels), top=top_counts(pixels))
        flags = assess(seen, grid, limits, image.bit_depth, raw=pixels).flags
        excluded = Counter(reason for flag in flags.tolist() for reason in reason_names(flag))
        usable = np.flatnonzero(flags == 0)
        landmarks = landmarks_of(pixels, grid, usable)
        return _Looked(image, None, digest_of(pixels), grid.n, len(usable), excluded, landmarks, top_counts(pixels))

    with closing(over(images, look, n_workers())) as looks:
        for done, looked in enumerate(looks, start=1):
            if on_progress is not None:
                on_progress(Progress(STAGE, done, len(images), looked.image.name))
            yield looked


def _duplicates(looked_at: Sequence[_Looked]) -> list[Problem]:
    copies: dict[str, list[_Looked]] = {}
    for one in looked_at:
        if one.error is None:
            copies.setdefault(one.digest, []).append(one)
    problems = []
    for looks in copies.values():
        if len(looks) < 2:
            continue
        images = [one.image for one in looks]
        names = listed([f"{image.name} ({image.tumour_class}, {image.animal_id})" for image in images])
        concerned = tuple(image.full_name for image in images)
        severity: Severity = "error"
        if len({image.tumour_class for image in images}) > 1:
            what = f"The same pixels are labelled low and high: {names}"
        elif len({image.animal_id for image in images}) > 1:
            what = f"The same pixels are listed for different animals: {names}"
        else:
            what, severity = f"The same pixels are listed more than once: {names}", "warning"
        if not any(one.usable for one in looks):
            severity = "warning"
            hint = "No tile of them passes quality, so nothing is trained on them; still, find out whose they are."
        elif severity == "error":
            hint = "Find out whose they are: a copy on both sides of a split makes any validation wrong."
        else:
            hint = "Keep one: copies weigh double, and on both sides of a split over images they are known beforehand."
        problems.append(Problem(severity, "duplicate", what, hint, concerned))
    return problems


def _quality(looked_at: Sequence[_Looked]) -> list[Problem]:
    problems = []
    read = [one for one in looked_at if one.tiles]
    for name in CLASSES:
        of_class = [one for one in read if one.image.tumour_class == name]
        if of_class and not any(one.usable for one in of_class):
            reasons = sum((one.excluded for one in of_class), Counter[str]())
            problems.append(
                Problem(
                    "error",
                    "quality",
                    f"No tile of class {name} passes quality ({', '.join(describe_reason_counts(reasons))})",
                    "Look at these images: are they in focus, exposed, and on tissue? Is the bit depth right?",
                )
            )
    empty = [one.image for one in read if not one.usable]
    if empty:
        problems.append(
            _warning(
                "quality",
                f"No tile passes quality in {counted(len(empty), 'image')}: {listed([image.name for image in empty])}",
                "They are left out of training and validation.",
                empty,
            )
        )
    return problems


# ---- how images are spread ------------------------------------------------------------------------------------------


def _sizes(images: Sequence[LabelledImage]) -> list[Problem]:
    shapes = Counter(image.shape_yx for image in images)
    if len(shapes) < 2:
        return []
    usual = shapes.most_common(1)[0][0]
    odd = [image for image in images if image.shape_yx != usual]
    names = listed([f"{image.name} ({image.shape_yx[0]} x {image.shape_yx[1]})" for image in odd])
    are = "is" if len(odd) == 1 else "are"
    return [
        _warning(
            "size",
            f"{counted(len(odd), 'image')} {are} not of the usual {usual[0]} x {usual[1]} px: {names}",
            "Are they crops, or from another camera? Images count the same however many tiles they have.",
            odd,
        )
    ]


def _stores(images: Sequence[LabelledImage]) -> list[Problem]:
    problems = []
    for path in sorted({image.path for image in images if is_store(image.path)}):
        store = opened_store(path)
        unreadable = sum(entry is None for entry in store.journal)
        if unreadable:
            have = "has" if unreadable == 1 else "have"
            what = f"{counted(unreadable, 'frame')} of {path} {have} no readable journal line"
            problems.append(_warning("store", what, "They are left out."))
        if not store.complete:
            what = f"The run that made {path} never ended in order"
            problems.append(_warning("store", what, "Its journalled frames are used; run hcc-scope recover on it."))
    return problems


def _groups(images: Sequence[LabelledImage]) -> list[Problem]:
    problems = []
    n: dict[str, int] = {name: sum(image.tumour_class == name for image in images) for name in CLASSES}
    if min(n.values()) == 0:
        return []  # reported already: one class, or no image
    animals = {name: {image.animal_id for image in images if image.tumour_class == name} for name in CLASSES}
    for name in CLASSES:
        if len(animals[name]) < _FEWEST_ANIMALS:
            problems.append(
                _warning(
                    "animals",
                    f"All images of class {name} are from one animal ({next(iter(animals[name]))}): the protocol by "
                    "animal cannot run, for holding that animal out leaves none of its class to train on",
                    "Add animals; without them the class cannot be distinguished from the animal.",
                )
            )
        if n[name] < FEW_IMAGES:
            are = "is" if n[name] == 1 else "are"
            problems.append(
                _warning(
                    "few", f"There {are} only {counted(n[name], 'image')} of class {name}", "Expect wide intervals."
                )
            )
    more, fewer = sorted(CLASSES, key=lambda name: -n[name])
    if n[more] > UNBALANCED * n[fewer]:
        problems.append(
            _warning(
                "unbalanced",
                f"There are {n[more]} images of class {more} and {n[fewer]} of class {fewer}",
                "Judge by sensitivity and specificity; accuracy favours the larger class.",
            )
        )
    return problems


def _class_by(images: Sequence[LabelledImage], what: AcquisitionGroup) -> float | None:
    """Return Cramér's V of class and day, site or batch over the images that state it."""
    stated = [image for image in images if getattr(image, what)]
    return cramers_v([str(getattr(image, what)) for image in stated], [image.tumour_class for image in stated])


def _confounding(images: Sequence[LabelledImage], what: AcquisitionGroup, v: float | None) -> list[Problem]:
    if v is None or v < ASSOCIATED:
        return []
    of_group: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for image in images:
        if (name := getattr(image, what)) is not None:
            of_group[name][image.tumour_class] += 1
    table = listed([f"{name}: {n['low']} low, {n['high']} high" for name, n in sorted(of_group.items())])
    groups = {"day": "days", "site": "sites", "batch": "batches"}[what]
    best = {"day": "Image both classes on each day", "site": "Take both classes from each site"}
    predicted = "acquisition day" if what == "day" else what
    hint = (
        f"{best.get(what, 'Prepare both classes in each batch')}; here, compare with the control that predicts the "
        f"{predicted}, and mention it with every result."
    )
    if v >= _CONFOUNDED:
        sentence = f"Every {what} has images of one class alone ({table}): what differs between {groups} passes for "
        return [_warning(what, f"{sentence}the class", hint)]
    return [_warning(what, f"Class and {what} go together (Cramér's V {v:.2f}; {table})", hint)]


def _animals_of_sites(images: Sequence[LabelledImage]) -> list[Problem]:
    sites: defaultdict[str, set[str]] = defaultdict(set)
    for image in images:
        if image.site:
            sites[image.animal_id].add(image.site)
    several = [f"{animal} ({' and '.join(sorted(of))})" for animal, of in sorted(sites.items()) if len(of) > 1]
    if not several:
        return []
    return [
        _warning(
            "site",
            f"Images of one animal are from several sites: {listed(several)}",
            "If these are different animals, give them different ids; if not, no site can be left out as a whole.",
        )
    ]
