"""``hcc-scope acquire --by-hand --continue STORE``: what the store states, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hcc_scope.cli.continued import continued_options
from hcc_scope.cli.options import DEFAULT_MODEL
from hcc_scope.errors import StoreError, UsageError
from hcc_scope.inference.card import read_card
from hcc_scope.inference.catalogue import find_model
from hcc_scope.microscope.hand_guiding import Guided
from hcc_scope.storage.writer import create_store
from tests.storage_cases import make_frame, make_spec
from tests.test_open_rig import options

BY_HAND = {"rig": "demo", "by_hand": True}


def stored(folder: Path, **changes: object) -> Path:
    """Return the store of a guided section of which no field is captured yet."""
    card = read_card(find_model("phantom-meng2019"))
    facts = {"model": card.name, "engine": "openvino", "drawn_fields": 8, "drawn_seed": 5, "allow_phantom_model": True}
    facts |= {"score_weight": "tissue"}
    spec = make_spec(sampling="guided", model_sha256=card.sha256, provenance=facts)
    with create_store(folder, replace(spec, **changes)) as sink:
        sink.append(make_frame(0))
    sink.finalise({"state": "completed"})
    return sink.path


def test_what_a_store_states_need_not_be_given_again(tmp_path: Path):
    path = stored(tmp_path)
    given = options(tmp_path, **BY_HAND, animal_id="", section_id="", model_name=DEFAULT_MODEL, engine="auto")
    found, store, guided = continued_options(given, path)
    assert (found.animal_id, found.section_id, found.guided, guided) == (
        "M1",
        "S2",
        True,
        Guided(8, 5, draws_itself=True),
    )
    assert (Path(found.model_name).name, found.engine) == ("phantom-meng2019", "openvino")
    assert (found.allow_phantom_model, found.score_unlike, store.n_frames) == (True, False, 1)
    assert found.weight == "tissue"
    found, *_ = continued_options(replace(given, model_name="mine", engine="torchscript"), path)
    assert (found.model_name, found.engine) == ("mine", "torchscript")  # and refused, before anything is changed


def test_a_store_that_these_options_do_not_continue_is_refused(tmp_path: Path):
    given = options(tmp_path, **BY_HAND, animal_id="M9", section_id="")
    guided, free = stored(tmp_path / "guided"), stored(tmp_path / "free", sampling="chosen")
    with pytest.raises(StoreError, match="it is of animal M1, not M9"):
        continued_options(given, guided)
    with pytest.raises(UsageError, match=r"are chosen freely\. Leave out --guided"):
        continued_options(replace(given, animal_id="", guided=True), free)
    with pytest.raises(StoreError, match=r"cannot be continued by hand: its fields are a raster\. Start a new section"):
        continued_options(given, stored(tmp_path / "raster", sampling="raster"))
    with pytest.raises(UsageError, match=r"draws 8 fields, not 9\. Leave out --fields"):
        continued_options(replace(given, animal_id="", n_fields=9), guided)
    reopened = create_store(tmp_path / "running", make_spec())
    with pytest.raises(StoreError, match="is being written by another process"):
        continued_options(given, reopened.path)
    reopened.close()
