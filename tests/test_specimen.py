"""Which model may score which section: of a phantom only, of tissue; and which model a store may name."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hcc_scope.errors import ModelError, ModelMismatchError
from hcc_scope.inference.card import read_card
from hcc_scope.inference.catalogue import find_model, known_model
from hcc_scope.inference.user_cache import CACHE_DIR_VARIABLE, known_folder
from hcc_scope.research_use import (
    PHANTOM_SENTENCE,
    PHANTOM_TRAINING,
    RESEARCH_USE_ONLY,
    phantom_alarm,
    research_use,
)
from hcc_scope.runs.replay import recorded_model, start_replay
from hcc_scope.runs.replay_check import check_replay
from hcc_scope.runs.scoring_model import ScoringModel, load_scoring_model
from hcc_scope.runs.section import start_section
from hcc_scope.runs.specimen import needs_override, specimen_kind
from hcc_scope.scoring import log_odds
from hcc_scope.storage.predictions import read_log, read_predictions, read_predictions_table
from hcc_scope.storage.reader import open_store
from hcc_scope.types import RunSpec
from tests.commands import cli
from tests.model_parts import Plain, archive, make_model, random_tiles
from tests.ood_parts import measuring_model
from tests.report_parts import page_text
from tests.test_ood_runs import Tissue


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return measuring_model(tmp_path_factory.mktemp("models") / "own", threshold=3.1)


@pytest.fixture(scope="module")
def scoring_model(folder: Path) -> ScoringModel:
    return load_scoring_model(folder, "torchscript", lambda _: None)


@pytest.fixture(scope="module")
def tissue(scoring_model: ScoringModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of what may be tissue, scored on request."""
    allowed = replace(scoring_model, allow_phantom_model=True)
    run = start_section(Tissue(allowed, specimen=None), allowed, tmp_path_factory.mktemp("runs"))
    assert run.finish().outcome.state == "completed"
    return run.store_path


@pytest.mark.parametrize(
    ("provenance", "kind"),
    [
        ({"specimen": "synthetic phantom, not tissue", "camera_library": "DemoCamera"}, "phantom"),
        ({"specimen": "phantom"}, "phantom"),
        ({"camera_library": "DemoCamera"}, "simulated"),
        ({"camera_library": "Andor"}, "unknown"),
        ({"specimen": "a phantom of the opera"}, "unknown"),
        ({"specimen": "human liver", "camera_library": "PVCAM"}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_only_a_store_marked_as_a_phantom_is_one(provenance: dict[str, str], kind: str):
    spec = RunSpec((1024, 1024), 16, 0.325, "m", "s", provenance=provenance)
    assert specimen_kind(spec) == kind
    card = read_card(find_model("phantom-meng2019"))
    assert needs_override(card, spec) == (kind == "unknown")
    assert card.training is not None
    of_tissue = card.model_copy(update={"training": card.training.model_copy(update={"synthetic": False})})
    assert not needs_override(of_tissue, spec)
    assert not needs_override(card.model_copy(update={"training": None}), spec)


def test_a_model_of_a_phantom_does_not_score_what_may_be_tissue(scoring_model: ScoringModel, tmp_path: Path):
    with pytest.raises(ModelMismatchError, match=r"synthetic phantom only.*--allow-phantom-model"):
        start_section(Tissue(scoring_model, specimen=None), scoring_model, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_neither_does_its_replay_unless_it_is_allowed(tissue: Path, scoring_model: ScoringModel):
    assert open_store(tissue).spec.provenance["allow_phantom_model"] is True
    with pytest.raises(ModelMismatchError, match="not known to be a phantom"):
        start_replay(tissue, scoring_model)
    run = start_replay(tissue, replace(scoring_model, allow_phantom_model=True))
    assert run.finish().outcome.state == "completed"


def test_the_command_line_refuses_and_allows_it_and_names_what_the_model_knows(tissue: Path, tmp_path: Path):
    refused = cli("replay", tissue)
    assert refused.code == ModelMismatchError.exit_code
    assert "--allow-phantom-model" in refused.err
    done = cli("replay", tissue, "--allow-phantom-model", "--out", tmp_path)
    assert done.code == 0, done.err
    assert "The model was trained on a synthetic phantom, not on tissue." in " ".join(
        done.err.split() + done.out.split()
    )


def test_the_report_states_in_red_that_such_a_score_means_nothing(tissue: Path):
    page = page_text(tissue)
    assert f'<p class="alarm">{PHANTOM_SENTENCE}</p>' in page
    assert page.count(research_use(PHANTOM_TRAINING)) == 2


@pytest.mark.parametrize(
    ("trained_on", "provenance", "alarm"),
    [
        (PHANTOM_TRAINING, {}, PHANTOM_SENTENCE),
        (PHANTOM_TRAINING, {"specimen": "phantom"}, ""),
        (PHANTOM_TRAINING, {"specimen": ["phantom"], "camera_library": {"a": 1}}, PHANTOM_SENTENCE),
        ("20 tiles of 2 animals", {}, ""),
        (None, {}, ""),
        (3, {}, ""),
    ],
)
def test_the_alarm_of_a_store_reads_any_value(trained_on: object, provenance: dict[str, object], alarm: str):
    assert phantom_alarm(trained_on, provenance) == alarm
    assert research_use(trained_on).startswith(RESEARCH_USE_ONLY)
    assert research_use("") == research_use(3) == RESEARCH_USE_ONLY


def test_the_line_names_the_training_data():
    assert research_use(None) == RESEARCH_USE_ONLY
    assert read_card(find_model("phantom-meng2019")).trained_on == "a synthetic phantom, not on tissue"
    assert research_use("20 tiles of 2 animals").endswith("The model was trained on 20 tiles of 2 animals.")


# --- the model that a store names -------------------------------------------------------------------------------------


def test_a_model_is_known_that_was_loaded_by_its_path(tissue: Path, folder: Path, scoring_model: ScoringModel):
    assert known_folder(scoring_model.model.card.sha256) == folder
    assert recorded_model(open_store(tissue)) == folder


def test_a_folder_that_a_store_names_is_not_looked_at(
    tissue: Path, folder: Path, scoring_model: ScoringModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(CACHE_DIR_VARIABLE, str(tmp_path))  # of somebody who has never loaded this model
    store = open_store(tissue)
    assert store.spec.provenance["model_folder"] == str(folder)
    with pytest.raises(ModelError, match=r"is not known here.*--model"):
        recorded_model(store)
    named = replace(store.spec, provenance={**store.spec.provenance, "model": str(folder)})
    monkeypatch.setattr(store, "spec", named)
    with pytest.raises(ModelError, match="is not known here"):
        recorded_model(store)


def test_a_remembered_folder_with_another_model_is_not_taken(
    folder: Path, scoring_model: ScoringModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    sha256 = scoring_model.model.card.sha256
    monkeypatch.setenv(CACHE_DIR_VARIABLE, str(tmp_path))
    shipped = find_model("phantom-meng2019")
    (tmp_path / "models.json").write_text(f'{{"{sha256}": "{shipped}", "0": 3}}')
    assert known_model(sha256) is None
    assert known_model("0") is None
    assert known_model(read_card(shipped).sha256) == shipped


# --- tiles of another size --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small_tiles(tmp_path_factory: pytest.TempPathFactory) -> ScoringModel:
    """A model of tiles of 256 px, whose logits are the mean and the largest count."""
    torch.manual_seed(2)
    module, tiles = Plain().eval(), random_tiles(2, 256)
    with torch.inference_mode():
        rows = [module(torch.from_numpy(tile[None, None].astype(np.float32))) for tile in tiles]
    folder = make_model(
        tmp_path_factory.mktemp("models") / "small", archive(module), torch.cat(rows).numpy(), tiles,
        tile_px=256, engine_tolerance=0.5,
    )  # fmt: skip
    return load_scoring_model(folder, "torchscript", lambda _: None)


def test_a_model_of_smaller_tiles_replays_frames_that_were_cut_into_larger_ones(
    tissue: Path, small_tiles: ScoringModel, tmp_path: Path
):
    store = Path(shutil.copytree(tissue, tmp_path / tissue.name))
    run = start_replay(store, small_tiles, save="small")
    report = run.finish()
    assert report.outcome.state == "completed"
    assert (run.grid.tile_px, run.grid.n) == (256, 16)
    frame = run.store.read(0)
    tiles = [frame.pixels[y : y + 256, x : x + 256] for y, x in run.grid.origins_yx]
    for result in read_predictions(store, "predictions-small").values():
        assert result.logits.shape == (16,)
    expected = log_odds(small_tiles.classifier.classify(tiles).logits)
    kept = run.results[0].flags == 0
    np.testing.assert_array_equal(run.results[0].logits[kept], expected[kept])
    assert read_log(store / "predictions-small.jsonl").header["tile_px"] == 256
    table = read_predictions_table(store, "predictions-small").to_pydict()
    assert len(table["seq"]) == 4 * 16
    comparison = check_replay(run.store, report, run.results, small_tiles)
    assert "tiles of 512 px" in str(comparison.problem)
    assert (comparison.equal, comparison.frames) == (False, 0)


def test_an_engine_that_does_not_exist_is_refused_before_the_model_is_loaded(monkeypatch: pytest.MonkeyPatch):
    def load(_name: object) -> None:
        raise AssertionError("the model is loaded for an engine that does not exist")

    monkeypatch.setattr("hcc_scope.inference.load_model", load)
    with pytest.raises(ModelError, match="there is no engine 'abacus'"):
        load_scoring_model("phantom-meng2019", "abacus", print)
