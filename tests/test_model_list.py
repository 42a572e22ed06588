"""Which models are listed and found: shipped ones, a user's own, and added folders, whatever is wrong with them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from hcc_scope.errors import HccScopeError, ModelError
from hcc_scope.inference.card import read_card
from hcc_scope.inference.catalogue import (
    MODELS_DIR_VARIABLE,
    CardCache,
    ModelEntry,
    find_model,
    known_model,
    list_models,
    shipped_names,
)
from hcc_scope.runs.model_folders import folder_to_add, model_folder
from hcc_scope.training.config import CONFIG_FILE, MODEL_FOLDER
from tests.commands import cli
from tests.model_parts import make_model, random_tiles

SHIPPED = "phantom-meng2019"


def model_in(folder: Path, data: bytes = b"an artefact") -> Path:
    """Write a model's folder, whose artefact a list never reads."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    return make_model(folder, data, np.zeros((1, 2), np.float32), random_tiles(1))


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the user's models folder, which is not there yet."""
    folder = tmp_path / "mine"
    monkeypatch.setenv(MODELS_DIR_VARIABLE, str(folder))
    return folder


def by_name(entries: list[ModelEntry]) -> dict[str, ModelEntry]:
    return {one.name: one for one in entries}


def test_models_of_the_users_folder_are_listed_and_found_by_name(mine: Path):
    assert [one.name for one in list_models()] == [SHIPPED] == shipped_names()
    model_in(mine / "liver-2")
    model_in(mine / SHIPPED)
    (mine / "notes").mkdir()
    shipped, *own = list_models()
    assert (shipped.reference, shipped.origin) == (SHIPPED, "shipped")
    assert [(one.name, one.origin, one.reference) for one in own] == [
        (name, "user", str(mine / name)) for name in ("liver-2", SHIPPED)
    ]
    assert find_model("liver-2") == mine / "liver-2"
    assert find_model(SHIPPED) == shipped.folder  # the shipped one has the name
    card = own[0].card
    assert card is not None
    assert known_model(card.sha256) in (mine / "liver-2", mine / SHIPPED)
    with pytest.raises(ModelError, match=r"Available: phantom-meng2019, liver-2; or give"):
        find_model("liver-3")
    assert f"liver-2 ({mine / 'liver-2'})" in cli("models", "list").out


def test_no_folder_takes_the_name_of_a_shipped_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    model_in(tmp_path / SHIPPED)
    monkeypatch.setenv(MODELS_DIR_VARIABLE, "mine")
    model_in(tmp_path / "mine" / "liver-2")
    shipped, own = list_models()
    for find in (find_model, model_folder):
        assert find(SHIPPED) == shipped.folder
        assert find(f"./{SHIPPED}") == find(Path(SHIPPED)) == Path(SHIPPED)
    assert own.reference == str(tmp_path / "mine" / "liver-2")  # found from every working folder


def test_a_folder_that_is_broken_or_gone_is_an_entry_with_a_sentence(mine: Path, tmp_path: Path):
    model_in(mine / "altered-card").joinpath("card.yaml").write_text("name: [", encoding="utf-8")
    (model_in(mine / "no-card") / "card.yaml").unlink()
    model_in(mine / "card-is-folder").joinpath("card.yaml").unlink()
    (mine / "card-is-folder" / "card.yaml").mkdir()
    if hasattr(os, "mkfifo"):  # reading a pipe would never end
        model_in(mine / "card-is-pipe").joinpath("card.yaml").unlink()
        os.mkfifo(mine / "card-is-pipe" / "card.yaml")
    empty, gone, file = tmp_path / "empty", tmp_path / "gone", tmp_path / "file"
    empty.mkdir()
    file.touch()
    entries = by_name(list_models([empty, gone, file]))
    broken = {name: one for name, one in entries.items() if name != SHIPPED}
    assert all(one.card is None and one.problem and str(tmp_path) in one.problem for one in broken.values())
    assert len(broken) == 6 + hasattr(os, "mkfifo")
    assert entries["gone"].problem == f"the folder {gone} is not there any more"
    assert entries["empty"].problem == f"the folder {empty} holds no model: there is no card.yaml in it"
    assert entries["no-card"].problem == f"the model folder {mine / 'no-card'} has no card.yaml"
    assert (entries["gone"].origin, entries["gone"].added_as) == ("added", gone)


def test_a_folder_is_listed_once_and_a_folder_of_models_with_all_of_them(mine: Path, tmp_path: Path):
    own, several = model_in(mine / "own"), tmp_path / "several"
    first, second = model_in(several / "a"), model_in(several / "b")
    entries = list_models([own, several / ".." / "several" / "b", several, first])
    assert [(one.name, one.origin) for one in entries[1:]] == [("own", "user"), ("b", "added"), ("a", "added")]
    assert entries[-1].added_as == several
    assert entries[2].folder.samefile(second)


def test_a_card_is_read_again_only_if_its_file_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder, cards = model_in(tmp_path / "own"), CardCache()
    first = cards(folder)
    assert first == read_card(folder)
    assert cards(folder) is first
    text = (folder / "card.yaml").read_text(encoding="utf-8")
    (folder / "card.yaml").write_text(text.replace("for a test", "for another test"), encoding="utf-8")
    assert cards(folder).description == "for another test"
    (folder / "card.yaml").unlink()
    with pytest.raises(HccScopeError, match="has no card"):
        cards(folder)


def test_what_is_added_is_a_model_a_training_run_or_a_folder_of_models(tmp_path: Path):
    run = tmp_path / "run"
    model = model_in(run / MODEL_FOLDER)
    (run / CONFIG_FILE).touch()
    several = model_in(tmp_path / "several" / "a").parent
    assert folder_to_add(model) == folder_to_add(run) == model_folder(run) == model
    assert folder_to_add(several) == several
    card = read_card(model).model_copy(update={"name": "liver\n2\x1b[31m"})
    assert ModelEntry("model", model, card, None, "added", model).title == "liver 2\\x1b[31m"
    unfinished = tmp_path / "unfinished"
    (unfinished / "checkpoints").mkdir(parents=True)
    (unfinished / CONFIG_FILE).touch()
    for folder, words in (
        (unfinished, "the training run .* has no model: it was not finished"),
        (run.parent / "gone", "the folder .* is not there"),
        (several / "a" / "card.yaml", "cannot be read: Not a directory|is a file"),
    ):
        with pytest.raises(ModelError, match=words):
            folder_to_add(folder)
