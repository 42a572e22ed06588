"""Another optical density while training: the transform, and that a run states it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcc_scope.colour import describe_conversion
from hcc_scope.errors import ResumeError
from hcc_scope.report.card_markdown import card_markdown
from hcc_scope.runs.build_model import _describe_optimiser
from hcc_scope.training.config import TrainConfig
from hcc_scope.training.draft_card import draft_card, final_card
from hcc_scope.training.network import make_network
from hcc_scope.training.recipes import od_gained, other_density, settings_for
from tests.labelled_image_parts import texture_set
from tests.training_parts import QUICK, Small, small

if TYPE_CHECKING:
    from pathlib import Path


@given(gain=st.floats(0.3, 3.0), white=st.floats(100.0, 65_535.0))
def test_white_stays_white_black_black_and_the_inverse_gain_undoes_a_gain(gain: float, white: float):
    tile = np.linspace(0.0, 1.0, 101, dtype=np.float32)[None] * np.float32(white)
    changed = od_gained(tile, white, gain)
    assert changed[0, 0] == 0.0
    assert changed[0, -1] == pytest.approx(white, rel=1e-5)
    np.testing.assert_allclose(od_gained(changed, white, 1.0 / gain), tile, rtol=2e-4, atol=1e-3 * white)


def test_a_gain_multiplies_optical_densities():
    white, tile = 40_000.0, np.array([[4_000.0, 20_000.0]], np.float32)
    density = -np.log10(tile / white)
    np.testing.assert_allclose(-np.log10(od_gained(tile, white, 1.5) / white), 1.5 * density, rtol=1e-5)


def test_the_tiles_own_brightest_light_is_its_white():
    tile = np.full((512, 512), 10_000, np.uint16)
    tile[:256] = 40_000
    changed = other_density(tile.astype(np.float32), tile, np.random.default_rng(0))
    assert changed[0, 0] == pytest.approx(40_000, rel=1e-5)
    assert abs(changed[-1, -1] - 10_000) > 100
    assert not other_density(np.zeros((8, 8), np.float32), np.zeros((8, 8), np.uint16), np.random.default_rng(0)).any()


@pytest.fixture(scope="module")
def few() -> Small:
    return small()


def test_a_run_with_it_has_other_weights_and_is_not_continued_without(few: Small, tmp_path: Path):
    config = replace(QUICK, epochs=1)
    without = few.fit(config).network.state_dict()
    with_it = few.fit(replace(config, augment_od=True), folder=tmp_path).network.state_dict()
    assert any(not np.array_equal(without[name], with_it[name]) for name in without)
    with pytest.raises(ResumeError, match="augment_od"):
        few.fit(config, folder=tmp_path, resume=True)


def test_the_card_names_another_density_and_the_conversion_of_colour():
    words = _describe_optimiser(settings_for(TrainConfig(augment_od=True)))
    assert words.endswith("and of another optical density")
    data, _ = texture_set()
    data = replace(data, images=tuple(replace(image, colour="od") for image in data.images), synthetic=None)
    card = final_card(
        draft_card("m", make_network("meng2019"), data, network_name="meng2019"), TrainConfig(), data,
        temperature=1.0, threshold=0.5, calibrated_on="nothing", command="c", loss="l", optimiser=words, epochs=1,
        tiles=8, software={},
    )  # fmt: skip
    assert card.training is not None
    assert card.training.colour == "od"
    assert any(describe_conversion("od") in limit for limit in card.limits)
    assert describe_conversion("od") in card_markdown(card)
