"""Leave one site out: train on all other laboratories or microscopes, test on the one that is left.

It asks what a new site would ask. A site can be left out only if both classes remain to train on, and if none of its
animals was also imaged elsewhere; its own test part may have one class, and then has no AUC of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.datasets.labelled_image import CLASSES
from hcc_scope.datasets.manifest import listed
from hcc_scope.errors import DatasetError
from hcc_scope.evaluation.results import Split
from hcc_scope.evaluation.splits import check_grouped, refuse_leaks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hcc_scope.datasets.labelled_image import LabelledImage
    from hcc_scope.datasets.tiles import TileTable

__all__ = ["require_sites", "site_splits"]

_FEWEST_SITES = 2


def require_sites(images: Sequence[LabelledImage]) -> tuple[str, ...]:
    """Return the sites that can be left out, sorted; images are not read.

    Raises
    ------
    DatasetError
        If there are fewer than two, or an animal is of several sites.
    """
    classes: dict[str, set[str]] = {}
    sites_of: dict[str, set[str]] = {}
    for image in images:
        if image.site is not None:
            classes.setdefault(image.site, set()).add(image.tumour_class)
            sites_of.setdefault(image.animal_id, set()).add(image.site)
    if len(classes) < _FEWEST_SITES:
        what = "states no site" if not classes else f"states one site alone, {next(iter(classes))}"
        raise DatasetError(
            f"no site can be left out: the manifest {what}",
            hint="Fill in its column 'site', or leave out --leave-one-site-out.",
        )
    if several := sorted(animal for animal, sites in sites_of.items() if len(sites) > 1):
        raise DatasetError(
            f"no site can be left out as a whole: images of one animal are from several sites ({listed(several)})",
            hint="Give different animals different ids, or leave out --leave-one-site-out.",
        )
    found = tuple(
        sorted(
            site
            for site in classes
            if len(set().union(*(there for other, there in classes.items() if other != site))) == len(CLASSES)
        )
    )
    if len(found) < _FEWEST_SITES:
        rest = sorted(set(classes) - set(found))
        raise DatasetError(
            f"sites cannot be left out one by one: without {' or '.join(rest)} one class alone is left to train on",
            hint="Add images of both classes from each site, or leave out --leave-one-site-out.",
        )
    return found


def site_splits(tiles: TileTable) -> tuple[Split, ...]:
    """Return one fold for each site that can be left out, in the order of their names.

    Raises
    ------
    DatasetError
        If there are fewer than two, or an animal is of several sites.
    LeakError
        If the same image is on both sides.
    """
    usable = np.unique(tiles.image_index)
    labels = np.array([image.label for image in tiles.images], dtype=np.int64)
    sites = np.array([image.site for image in tiles.images])
    splits = tuple(
        Split("by_site", fold, train=usable[sites[usable] != site], test=usable[sites[usable] == site], labels=labels)
        for fold, site in enumerate(require_sites([tiles.images[i] for i in usable.tolist()]))
    )
    for split in splits:
        check_grouped(split, tiles.images, both_classes=False)
    refuse_leaks(splits, tiles)
    return splits
