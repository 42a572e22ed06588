"""Divide images into folds: the paper's way, by animal, and for the two controls.

Both protocols have the same number of folds, so that both train on the same share of the images (`protocol_splits`).

Which animals are dealt together
--------------------------------
Animals of both classes that were imaged on one day are dealt together, as a unit. Otherwise a network learns the day
from the *low* animal of it that it is trained on, calls the *high* animal of the same day *low*, and the AUC by animal
of a network that knows nothing falls below 0.5. Where the units do not make enough folds with both classes (all
animals were imaged on the same days, say), animals are dealt by their number of images alone. One dealing is then one
of many: `dealings` returns others, over which figures can be averaged.

Why the grouped folds are built here and not by scikit-learn
------------------------------------------------------------
``StratifiedGroupKFold`` can return an empty fold, or one with a single class, although enough groups are there
(scikit-learn#34828). Every fold needs one animal that carries both classes, or one animal of each; so with `a` animals
of the rarer class at most `a` folds exist, and `animal_splits` makes exactly that many (or as many as are asked for).
The same count shows when no grouped protocol can run: a class with one animal is missing from the training part of
the fold that tests it, also if one animal at a time is left out.

Leave-one-animal-out (`leave_one_out=True`) is therefore never needed to make grouped folds *possible*. With as many
folds as animals of the rarer class it trains on more animals of the commoner class, and on no more of the rarer one, at
the price that a fold tests one class: it has no own AUC, and a pooled AUC compares scores of different networks.
It is there for reviewers who ask for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.datasets.duplicate_images import overlaps_across
from hcc_scope.datasets.labelled_image import CLASSES
from hcc_scope.errors import DatasetError, LeakError
from hcc_scope.evaluation.results import Split

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from hcc_scope.datasets.labelled_image import LabelledImage
    from hcc_scope.datasets.landmarks import Overlap
    from hcc_scope.datasets.tiles import TileTable
    from hcc_scope.evaluation.results import ProtocolName, Unit

__all__ = [
    "MIN_DRAWS",
    "Days",
    "Dealing",
    "animal_splits",
    "check_grouped",
    "copies_across",
    "day_splits",
    "dealing_of",
    "dealings",
    "fold_count",
    "paper_splits",
    "permuted_splits",
    "protocol_splits",
    "refuse_leaks",
    "require_animals",
]

MIN_DRAWS = 6
"""Permutations of the animals' classes, at least: with fewer, not even an AUC of 1 in every one of them would differ
from 0.5 by an interval that supposes nothing (0.025 ** (1 / 5) < 0.5 < 0.025 ** (1 / 6))."""

_STREAMS: dict[ProtocolName, int] = {"paper": 1, "by_animal": 2, "permuted": 3, "day": 4}
"""Of random numbers: what is dealt depends on the seed and on nothing that is trained."""
_STREAM_OF_DEALINGS = 6


def _rng(protocol: ProtocolName, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, _STREAMS[protocol]])


def _usable(tiles: TileTable) -> NDArray[np.int64]:
    """Return the images with at least one usable tile; the others can neither be trained on nor tested."""
    return np.unique(tiles.image_index)


def _class_labels(tiles: TileTable) -> NDArray[np.int64]:
    return np.array([image.label for image in tiles.images], dtype=np.int64)


def _round_robin(strata: Sequence[NDArray[np.int64]], folds: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Return each fold's test part: each stratum is shuffled and divided in turn, from where the last one ended."""
    shuffled = np.concatenate([rng.permutation(stratum) for stratum in strata])
    return [np.sort(shuffled[fold::folds]) for fold in range(folds)]


def _splits(
    protocol: ProtocolName, usable: NDArray[np.int64], parts: Sequence[NDArray[np.int64]], labels: NDArray[np.int64]
) -> tuple[Split, ...]:
    return tuple(
        Split(protocol, fold, train=np.setdiff1d(usable, part), test=part, labels=labels)
        for fold, part in enumerate(parts)
    )


def _check_folds(folds: int) -> None:
    if folds < 2:
        raise DatasetError(f"{folds} fold is no cross-validation", hint="Ask for at least 2.")


def paper_splits(tiles: TileTable, folds: int = 5, seed: int = 0, *, unit: Unit = "image") -> tuple[Split, ...]:
    """Deal the images at random into folds with equal shares of both classes, whatever animal they are of.

    Meng et al. 2019. Images of one animal, and of one section, are on both sides: that is what is wrong with it.

    Parameters
    ----------
    tiles : TileTable
    folds : int
    seed : int
    unit : 'image' or 'tile'
        What is dealt. The paper leaves open which; where it is tiles, tiles of one *image* are on both sides.

    Raises
    ------
    DatasetError
        If a class has fewer images, or tiles, than there are folds.
    """
    _check_folds(folds)
    labels, rng = _class_labels(tiles), _rng("paper", seed)
    dealt = _usable(tiles) if unit == "image" else np.arange(len(tiles))
    of_dealt = labels[dealt] if unit == "image" else tiles.labels
    strata = [dealt[of_dealt == label] for label in range(len(CLASSES))]
    what = "image{} with usable tiles" if unit == "image" else "usable tile{}"
    for name, stratum in zip(CLASSES, strata, strict=True):
        if len(stratum) < folds:
            raise DatasetError(
                f"class '{name}' has {len(stratum)} {what.format('s' * (len(stratum) != 1))}, too "
                f"few for {folds} folds",
                hint="Add images, or ask for fewer folds.",
            )
    parts = _round_robin(strata, folds, rng)
    if unit == "image":
        return _splits("paper", dealt, parts, labels)
    rest = [np.setdiff1d(dealt, part) for part in parts]
    return tuple(
        Split(
            "paper",
            fold,
            train=np.unique(tiles.image_index[trained]),
            test=np.unique(tiles.image_index[part]),
            labels=labels,
            train_tiles=trained,
            test_tiles=part,
        )
        for fold, (trained, part) in enumerate(zip(rest, parts, strict=True))
    )


def fold_count(tiles: TileTable, folds: int = 5, *, leave_one_out: bool = False) -> int:
    """Return how many folds each of the two protocols has.

    Parameters
    ----------
    tiles : TileTable
    folds : int
        At most; there are never more than animals of the rarer class.
    leave_one_out : bool
        One fold per animal instead.

    Raises
    ------
    DatasetError
        If a class has fewer than two animals.
    """
    _check_folds(folds)
    animals = _animals(tiles.images, _usable(tiles).tolist())
    fewest = _check_animals(animals)
    return len(animals) if leave_one_out else min(folds, fewest)


def protocol_splits(
    tiles: TileTable, folds: int = 5, seed: int = 0, *, leave_one_out: bool = False, unit: Unit = "image"
) -> tuple[tuple[Split, ...], tuple[Split, ...]]:
    """Return the folds of the paper's protocol and those by animal: as many of both, so that both train on as much.

    Parameters
    ----------
    tiles : TileTable
    folds : int
        At most, see `fold_count`.
    seed : int
    leave_one_out : bool
        By animal, one fold per animal; by the paper's protocol as many, if each class has as many images.
    unit : 'image' or 'tile'
        What the paper's protocol deals.

    Raises
    ------
    DatasetError
        If one of the two cannot be dealt.
    LeakError
        If the same image would be on both sides by animal.
    """
    k = fold_count(tiles, folds, leave_one_out=leave_one_out)
    dealt = tiles.labels if unit == "tile" else _class_labels(tiles)[_usable(tiles)]
    most = int(np.bincount(dealt, minlength=len(CLASSES)).min())
    paper = paper_splits(tiles, min(k, most) if leave_one_out else k, seed, unit=unit)
    return paper, animal_splits(tiles, folds, seed, leave_one_out=leave_one_out)


@dataclass(frozen=True, slots=True)
class _Animal:
    """What the dealing needs of an animal."""

    name: str
    images: NDArray[np.int64]
    n_of: tuple[int, int]
    """Images of each class."""

    @property
    def kind(self) -> int | None:
        """Its class, or None if it carries both."""
        return None if min(self.n_of) else int(self.n_of[0] == 0)


def _animals(images: Sequence[LabelledImage], usable: Iterable[int]) -> list[_Animal]:
    by_name: dict[str, list[int]] = {}
    for index in usable:
        by_name.setdefault(images[index].animal_id, []).append(index)
    found = []
    for name, members in sorted(by_name.items()):
        n_high = sum(images[index].label for index in members)
        found.append(_Animal(name, np.array(members, dtype=np.int64), (len(members) - n_high, n_high)))
    return found


def _check_animals(animals: Sequence[_Animal]) -> int:
    """Return how many animals the rarer class has.

    Raises
    ------
    DatasetError
        If it is fewer than two: nothing by animal can run then.
    """
    counts = [sum(animal.n_of[label] > 0 for animal in animals) for label in range(len(CLASSES))]
    for name, count in zip(CLASSES, counts, strict=True):
        if count == 0:
            raise DatasetError(f"there is no usable image of class '{name}': one class alone cannot be classified")
        if count == 1:
            raise DatasetError(
                f"class '{name}' has one animal, so the protocol by animal cannot run: when that animal is tested, no "
                f"'{name}' is left to train on, and without it class and animal cannot be distinguished",
                hint="Add images of at least one more animal of that class.",
            )
    return min(counts)


def require_animals(images: Sequence[LabelledImage]) -> None:
    """Refuse images by which nothing could be validated by animal, before any of them is read.

    Raises
    ------
    DatasetError
        If a class has fewer than two animals.
    """
    _check_animals(_animals(images, range(len(images))))


@dataclass(frozen=True, slots=True)
class Dealing:
    """How animals are dealt into folds."""

    folds: int
    together: bool
    """Whether animals of both classes that share a day are dealt together."""
    words: str
    """How and why, in a sentence."""


def _units(animals: Sequence[_Animal], images: Sequence[LabelledImage]) -> list[_Animal]:
    """Return the animals joined over days on which both classes were imaged, each group as if it were one animal."""
    on_day: dict[str, tuple[set[int], set[int]]] = {}
    for number, animal in enumerate(animals):
        for index in animal.images.tolist():
            members, classes = on_day.setdefault(images[index].day, (set(), set()))
            members.add(number)
            classes.add(images[index].label)
    group = list(range(len(animals)))
    for members, classes in on_day.values():
        if len(classes) == len(CLASSES):
            joined = {group[number] for number in members}
            group = [min(joined) if of in joined else of for of in group]
    found = []
    for of in sorted(set(group)):
        those = [animal for animal, mine in zip(animals, group, strict=True) if mine == of]
        n_of = (sum(animal.n_of[0] for animal in those), sum(animal.n_of[1] for animal in those))
        name = those[0].name if len(those) == 1 else f"{those[0].name} and {len(those) - 1} more"
        found.append(_Animal(name, np.sort(np.concatenate([animal.images for animal in those])), n_of))
    return found


def _dealt_units(tiles: TileTable, folds: int) -> tuple[list[_Animal], Dealing]:
    """Return what is dealt whole (animals, or animals joined over days), and how."""
    k = fold_count(tiles, folds)
    animals = _animals(tiles.images, _usable(tiles).tolist())
    units = _units(animals, tiles.images)
    if len(units) == len(animals):
        return animals, Dealing(
            k,
            together=False,
            words="Animals are dealt by their number of images: no two animals of different classes share a day.",
        )
    mixed = sum(unit.kind is None for unit in units)
    possible = mixed + min(sum(unit.kind == label for unit in units) for label in range(len(CLASSES)))
    if possible < k:
        return animals, Dealing(
            k,
            together=False,
            words=(
                f"Animals are dealt by their number of images, and animals of one day may be on both sides: dealt "
                f"together, animals of both classes that share a day make {possible} "
                f"fold{'s' * (possible != 1)} with both classes, and not {k}."
            ),
        )
    words = (
        f"Animals of both classes that were imaged on one day are dealt together: {len(animals)} animals in "
        f"{len(units)} units."
    )
    return units, Dealing(k, together=True, words=words)


def dealing_of(tiles: TileTable, folds: int = 5) -> Dealing:
    """Return how `animal_splits` deals these animals.

    Raises
    ------
    DatasetError
        If a class has fewer than two animals.
    """
    return _dealt_units(tiles, folds)[1]


def _paired(units: Sequence[_Animal], k: int, rng: np.random.Generator, *, by_size: bool) -> list[list[_Animal]]:
    """Deal animals, or units of them, into `k` folds that each hold both classes, about as many images in each.

    Needs `k` units with both classes or pairs of one of each. First every fold gets what it needs (a unit with both
    classes, or one of each), then the rest go, largest first, where their class has the fewest images.

    Parameters
    ----------
    units : sequence of _Animal
    k : int
    rng : Generator
        Decides between units of one size.
    by_size : bool
        Whether the largest are dealt first; else what a fold needs is drawn at random.
    """
    ordered = [units[i] for i in rng.permutation(len(units))]
    if by_size:
        ordered.sort(key=lambda unit: -len(unit.images))
    both = [unit for unit in ordered if unit.kind is None]
    low, high = ([unit for unit in ordered if unit.kind == label] for label in (0, 1))
    folds: list[list[_Animal]] = [[unit] for unit in both[:k]]
    rest = both[k:]
    n_pairs = k - len(folds)
    # the largest of one class with the smallest of the other, among the largest that are needed
    folds += [[one, other] for one, other in zip(low[:n_pairs], reversed(high[:n_pairs]), strict=True)]
    rest += low[n_pairs:] + high[n_pairs:]
    for unit in sorted(rest, key=lambda unit: -len(unit.images)):
        classes = [label for label in (0, 1) if unit.n_of[label]]
        folds[min(range(k), key=lambda f: sum(a.n_of[c] for a in folds[f] for c in classes))].append(unit)
    return folds


def animal_splits(tiles: TileTable, folds: int = 5, seed: int = 0, *, leave_one_out: bool = False) -> tuple[Split, ...]:
    """Deal whole animals into folds, each with both classes on both sides.

    Animals of both classes that share a day are dealt together where that makes enough folds (`dealing_of`).

    Parameters
    ----------
    tiles : TileTable
    folds : int
        At most; there are never more than animals of the rarer class.
    seed : int
        Decides between animals with as many images.
    leave_one_out : bool
        One fold per animal instead; a fold's test part then has one class (unless its animal carries both).

    Raises
    ------
    DatasetError
        If a class has fewer than two animals.
    LeakError
        If the same image is on both sides.
    """
    return _animal_splits(tiles, folds, seed, leave_one_out=leave_one_out)


def _animal_splits(
    tiles: TileTable, folds: int, seed: int, *, leave_one_out: bool = False, by_size: bool = True
) -> tuple[Split, ...]:
    units, dealing = _dealt_units(tiles, folds)
    if leave_one_out:
        divided = [[animal] for animal in _animals(tiles.images, _usable(tiles).tolist())]
    else:
        divided = _paired(units, dealing.folds, _rng("by_animal", seed), by_size=by_size)
    parts = [np.sort(np.concatenate([animal.images for animal in fold])) for fold in divided]
    splits = _splits("by_animal", _usable(tiles), parts, _class_labels(tiles))
    for split in splits:
        check_grouped(split, tiles.images, both_classes=not leave_one_out)
    refuse_leaks(splits, tiles)
    return splits


def dealings(
    tiles: TileTable, n: int, folds: int = 5, seed: int = 0, *, unit: Unit = "image"
) -> Iterator[tuple[tuple[Split, ...], tuple[Split, ...]]]:
    """Return `n` ways of dealing the same images by both protocols; the first is the one of `protocol_splits`.

    The others draw at random which animals (or units of animals that share a day) share a fold; folds of animals with
    unequal numbers of images are less equal there.

    Parameters
    ----------
    tiles : TileTable
    n : int
    folds : int
    seed : int
        Of the first; those of the others follow from it.
    unit : 'image' or 'tile'
        What the paper's protocol deals.

    Yields
    ------
    paper, by_animal : tuple of Split

    Raises
    ------
    DatasetError, LeakError
        As `protocol_splits`.
    """
    if n > 0:
        yield protocol_splits(tiles, folds, seed, unit=unit)
    k = fold_count(tiles, folds)
    seeds = np.random.default_rng([seed, _STREAM_OF_DEALINGS]).integers(2**31, size=max(n - 1, 0))
    for other in seeds.tolist():
        yield paper_splits(tiles, k, other, unit=unit), _animal_splits(tiles, folds, other, by_size=False)


def permuted_splits(tiles: TileTable, folds: int = 5, seed: int = 0, draws: int | None = None) -> tuple[Split, ...]:
    """Deal animals as `animal_splits` does, and give them each other's classes.

    Classes are permuted among the animals *of each fold*, and every split draws anew. So every part keeps both classes
    in the shares they have; and a network's training set reveals nothing about its test animals' labels, nor do
    two splits share a draw. The expected AUC of a split is 0.5, exactly where a fold has as many animals of each class
    or all animals have as many images, however few they are. One permutation over all animals would not do: a
    test animal's class is then rarer in the training part, which makes a useless classifier look worse than chance
    (the negative bias of cross-validation), and with three animals per class a tenth of the permutations change
    nothing.

    An animal that carries both classes has them swapped, or not.

    Parameters
    ----------
    tiles : TileTable
    folds : int
    seed : int
    draws : int, optional
        Splits; None: one per fold and at least `MIN_DRAWS`, going round the folds.
    """
    base = animal_splits(tiles, folds, seed)
    animals = {animal.name: animal for animal in _animals(tiles.images, _usable(tiles).tolist())}
    rng = _rng("permuted", seed)
    truth = _class_labels(tiles)
    members = [[animals[name] for name in sorted({tiles.images[i].animal_id for i in split.test})] for split in base]
    splits = []
    for draw in range(max(len(base), MIN_DRAWS) if draws is None else draws):
        labels = truth.copy()
        for fold in members:
            single = [animal for animal in fold if animal.kind is not None]
            for animal, other in zip(single, rng.permutation(len(single)), strict=True):
                labels[animal.images] = single[other].kind
            for animal in fold:
                if animal.kind is None and rng.random() < 0.5:
                    labels[animal.images] = 1 - truth[animal.images]
        split = base[draw % len(base)]
        splits.append(Split("permuted", draw, train=split.train, test=split.test, labels=labels))
    for split in splits:
        check_grouped(split, tiles.images, both_classes=True)
    return tuple(splits)


@dataclass(frozen=True, slots=True)
class Days:
    """Folds in which the network is trained to predict the day of acquisition, or why there are none."""

    names: tuple[str, ...]
    """The days, in the order of the labels."""
    splits: tuple[Split, ...]
    why_not: str | None = None


def day_splits(tiles: TileTable, folds: int = 5, seed: int = 0) -> Days:
    """Deal the images at random into folds with equal shares of every day; the day is the label.

    There are as many folds as the day with the fewest images has, or as are asked for if that is less.
    """
    _check_folds(folds)
    usable = _usable(tiles)
    names = tuple(sorted({tiles.images[i].day for i in usable}))
    if len(names) < 2:
        return Days(names, (), "all images were acquired on one day")
    labels = np.array([names.index(i.day) if i.day in names else -1 for i in tiles.images], dtype=np.int64)
    strata = [usable[labels[usable] == day] for day in range(len(names))]
    fewest = min(range(len(names)), key=lambda day: len(strata[day]))
    k = min(folds, len(strata[fewest]))
    if k < 2:
        return Days(names, (), f"day {names[fewest]} has one image with usable tiles, and two folds need two")
    return Days(names, _splits("day", usable, _round_robin(strata, k, _rng("day", seed)), labels))


def check_grouped(split: Split, images: Sequence[LabelledImage], *, both_classes: bool) -> None:
    """Assert what the words "by animal" promise of a split.

    Parameters
    ----------
    split : Split
    images : sequence of LabelledImage
    both_classes : bool
        Whether the test part must hold both classes; the training part always must.

    Raises
    ------
    LeakError
        If an animal is on both sides.
    DatasetError
        If a part lacks a class.
    """
    shared = {images[i].animal_id for i in split.train} & {images[i].animal_id for i in split.test}
    if shared:
        raise LeakError(f"fold {split.fold + 1} of '{split.protocol}' trains on animal '{min(shared)}' and tests it")
    for name, part, needed in (("training", split.train, True), ("test", split.test, both_classes)):
        if needed and len(np.unique(split.labels[part])) < len(CLASSES):
            raise DatasetError(f"the {name} part of fold {split.fold + 1} of '{split.protocol}' lacks a class")


def copies_across(split: Split, digests: Sequence[str], overlaps: Sequence[Overlap] = ()) -> list[tuple[int, int]]:
    """Return the pairs of images (one trained on, one tested) that hold the same pixels or share some.

    Of a split that deals tiles: pairs of two images. That tiles of one image are on both sides is its nature.
    """
    shared = overlaps_across(split.train, split.test, overlaps)
    if not digests:
        return shared
    trained: dict[str, int] = {}
    for index in split.train.tolist():
        trained.setdefault(digests[index], index)
    copies = [(one, i) for i in split.test.tolist() if (one := trained.get(digests[i], i)) != i]
    return list(dict.fromkeys([*copies, *shared]))


def refuse_leaks(splits: Sequence[Split], tiles: TileTable) -> None:
    """Refuse folds that test an image they were trained on under another name.

    Raises
    ------
    LeakError
        Names both files.
    """
    for split in splits:
        for trained, tested in copies_across(split, tiles.digests, tiles.overlaps):
            one, other = tiles.images[trained], tiles.images[tested]
            raise LeakError(
                f"{one.path}[{one.index}] (animal {one.animal_id}) and {other.path}[{other.index}] (animal "
                f"{other.animal_id}) hold the same pixels, so folds by animal would test what they were trained on",
                hint="Remove one of them from the manifest, or correct its animal_id.",
            )
