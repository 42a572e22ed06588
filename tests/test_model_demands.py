"""What a card demands of frames: the same answers ahead of a run as at its start."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from hcc_scope.errors import FrameSizeError, ModelMismatchError
from hcc_scope.inference import engine_rates as rates_module
from hcc_scope.inference import load_model
from hcc_scope.inference.base import REFERENCE
from hcc_scope.inference.card import read_card
from hcc_scope.inference.catalogue import find_model
from hcc_scope.inference.engine_rates import COLUMNS, engine_rates
from hcc_scope.research_use import PHANTOM_SPECIMEN
from hcc_scope.runs.model_demands import ModelFit, check_demands, demands_of
from hcc_scope.types import RunSpec
from tests.model_parts import Inside, Plain, archive, make_model, random_tiles

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.inference.card import ModelCard

PHANTOM = {"specimen": PHANTOM_SPECIMEN}
FITTING = RunSpec((1024, 2048), 16, 0.325, "", "", provenance=PHANTOM)


@pytest.fixture(scope="module")
def card() -> ModelCard:
    return read_card(find_model("phantom-meng2019"))


def test_frames_that_fit_are_accepted_and_listed_with_what_they_have(card: ModelCard):
    found = demands_of(card, FITTING, None, allow_phantom_model=False, references="none")
    assert {one.what: (one.demanded, one.found) for one in found} == {
        "frame": ("512 x 512 px at least", "2048 x 1024 px"),
        "pixel size": ("0.325 um, within 5%", "0.325 um"),
        "bit depth": ("16", "16"),
        "tiles": ("512 px", "512 px"),
        "specimen": ("a phantom, no tissue", "a synthetic phantom"),
        "shading": ("as they are, or corrected by dark and flat fields", "none"),
    }
    assert check_demands(card, FITTING, None, allow_phantom_model=False).shape_rc == (2, 4)
    fit = ModelFit(card.name, found)
    assert fit.fits
    assert fit.sentence == "The model phantom-meng2019 fits this rig as it is set."


@pytest.mark.parametrize(
    ("what", "change", "error", "words"),
    [
        ("frame", {"frame_shape_yx": (511, 2048)}, FrameSizeError, "The frame is 511 x 2048 px"),
        ("pixel size", {"pixel_size_um": 0.65}, ModelMismatchError, "The frames have 0.65 um/px but the model"),
        ("pixel size", {"pixel_size_um": 0.0}, ModelMismatchError, "The pixel size is unknown, so the model"),
        ("bit depth", {"bit_depth": 12}, ModelMismatchError, "The frames have 12 bits but the model"),
        ("tiles", {"tile_px": 256}, ModelMismatchError, "The tiles have 256 px but the model"),
        ("specimen", {"provenance": {}}, ModelMismatchError, "and this specimen is not known to be a phantom"),
    ],
)
def test_what_does_not_fit_is_refused_ahead_in_the_words_of_the_run(
    card: ModelCard, what: str, change: dict[str, Any], error: type[Exception], words: str
):
    spec = replace(FITTING, **change)
    found = demands_of(card, spec, None, allow_phantom_model=False)
    assert [one.what for one in found if one.refusal is not None] == [what]
    with pytest.raises(error) as raised:
        check_demands(card, spec, None, allow_phantom_model=False)
    fit = ModelFit(card.name, found)
    assert not fit.fits
    assert str(fit.refusal) == str(raised.value)
    assert words in fit.sentence


def test_a_phantoms_model_and_a_card_that_wants_a_correction(card: ModelCard):
    tissue = replace(FITTING, provenance={})
    (specimen,) = [one for one in demands_of(card, tissue, None) if one.what == "specimen"]
    assert specimen.found == "may be tissue, which --allow-phantom-model allows"
    assert specimen.refusal is None
    wants = card.model_copy(update={"shading": "required", "training": None})
    fit = ModelFit(wants.name, demands_of(wants, tissue, None))
    assert "requires frames corrected by dark and flat fields" in fit.sentence
    assert "specimen" not in [one.what for one in fit.demands]


def test_every_engine_is_timed_and_compared_with_the_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rates_module, "BUDGET_S", 0.0)  # one round
    torch.manual_seed(3)
    module, tiles = Inside(Plain(), 2.0**-13), random_tiles(2)
    with torch.inference_mode():
        logits = module(torch.from_numpy(tiles.astype(np.float32))[:, None])[0].numpy()
    found = engine_rates(load_model(make_model(tmp_path / "small", archive(module), logits, tiles)))
    reference = next(one for one in found.rates if one.name == REFERENCE)
    assert reference.difference == 0.0
    assert all(0 <= one.difference <= found.tolerance and one.tiles_per_s > 0 for one in found.rates)
    assert [one.tiles_per_s for one in found.rates] == sorted((one.tiles_per_s for one in found.rates), reverse=True)
    assert all(len(row) == len(COLUMNS) for row in found.rows())
