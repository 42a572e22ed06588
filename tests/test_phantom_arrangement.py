"""The arrangement of the phantom's nuclei: the same nuclei, density and pairs; other nests."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from hcc_scope.phantom import EFFECTS, Specimen
from hcc_scope.phantom.arrangement import NESTED, OPEN, SITES_PER_GROUP, SITES_UM, nuclei_of_groups

PX = 0.325
ONLY_ARRANGEMENT = replace(
    EFFECTS, class_separation=0.0, animal_latent_sd=0.0, section_latent_sd=0.0, arrangement_separation=16.0
)
"""Nearly all groups of *low* are open, nearly all of *high* nested; nothing else differs between the classes."""
EDGES_UM = np.array([0.0, 4.0, 6.0, 8.0, 11.0, 13.5, 16.0, 22.0, 30.0])


def moment(numbers: dict[int, float], order: int):
    return sum(n**order * chance for n, chance in numbers.items())


def test_both_arrangements_have_the_same_density_and_pairs_and_another_third_moment():
    for order in (0, 1, 2):
        assert moment(NESTED, order) == pytest.approx(moment(OPEN, order))
    assert moment(NESTED, 3) > 1.1 * moment(OPEN, 3)
    assert max(*NESTED, *OPEN) == SITES_PER_GROUP == len(SITES_UM)


@pytest.fixture(scope="module")
def groups():
    """Nuclei per group, pairs by distance and neighbourhoods of each arrangement, of the same 20,000 group centres."""
    y, x = (axis.ravel() * 23.0 for axis in np.mgrid[:140, :140].astype(np.float64))
    found = {}
    for nested in (True, False):
        px, py = nuclei_of_groups(np.random.default_rng(5), x, y, np.full(x.size, nested))
        tree = cKDTree(np.column_stack([px, py]))
        pairs = np.diff(tree.count_neighbors(tree, EDGES_UM)) / px.size
        near = tree.query_ball_point(tree.data, 9.0, return_length=True) - 1
        found[nested] = px.size / x.size, pairs, near
    return found


def test_the_number_of_pairs_at_any_distance_does_not_depend_on_the_arrangement(groups: dict):
    (n_nested, nested, _), (n_open, spread, _) = groups[True], groups[False]
    assert n_nested == pytest.approx(3.5, abs=0.05)
    assert n_open == pytest.approx(3.5, abs=0.05)
    np.testing.assert_allclose(nested, spread, rtol=0.06, atol=0.01)


def test_three_nuclei_at_a_time_tell_the_arrangements_apart(groups: dict):
    nested, spread = groups[True][2], groups[False][2]
    assert nested.mean() == pytest.approx(spread.mean(), rel=0.04)  # pairs do not
    assert (nested >= 5).mean() > 2.5 * (spread >= 5).mean()
    assert (nested <= 1).mean() > 1.5 * (spread <= 1).mean()


def test_grey_levels_and_pairs_of_pixels_hardly_depend_on_the_arrangement():
    """Equal pairs of nuclei are not quite equal pairs of pixels: light is not the sum of its parts.

    A latent growth that lies 3.0 apart moves the same numbers by .03 to .1, and by 25 to 80 %.
    """
    greys, pairs = [], []
    for name in ("low", "high"):
        specimen = Specimen(11, "A1", "S1", name, sizes=ONLY_ARRANGEMENT, cache_mb=8)  # type: ignore[arg-type]
        places = itertools.product((-1500.0, -500.0, 500.0, 1500.0), (-600.0, 600.0))
        light = np.stack([specimen.render(x, y, 0.0, (768, 768), PX) for x, y in places])
        greys.append(np.quantile(light[:, ::2, ::2], (0.02, 0.1, 0.25, 0.5, 0.75, 0.9)))
        pairs.append([np.mean((light[:, :, lag:] - light[:, :, :-lag]) ** 2) for lag in (1, 4, 16, 64)])
    np.testing.assert_allclose(greys[0], greys[1], rtol=0.0, atol=0.02)
    np.testing.assert_allclose(pairs[0], pairs[1], rtol=0.1)
