"""The command line of a section by hand."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hcc_scope.cli.acquire_options import check_options
from hcc_scope.cli.continued import continued_options
from hcc_scope.cli.keys import keys
from hcc_scope.cli.options import DEFAULT_MODEL
from hcc_scope.errors import StoreError, UsageError
from hcc_scope.inference.card import read_card
from hcc_scope.inference.catalogue import find_model
from hcc_scope.microscope.hand_guiding import Guided
from hcc_scope.storage.writer import create_store
from tests.storage_cases import make_frame, make_spec
from tests.test_open_rig import options

if TYPE_CHECKING:
    from collections.abc import Mapping

BY_HAND: Mapping[str, object] = {"rig": "demo", "by_hand": True}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"plan": Path("a.yaml")}, "--by-hand and --plan exclude each other"),
        ({"n_frames": 5}, "--by-hand and --frames exclude each other"),
        ({"area_um": "10x10"}, "--by-hand and --area-um exclude each other"),
        ({"prescan": True}, "--by-hand and --prescan exclude each other"),
        ({"focus": "once", "n_frames": 5}, "--by-hand and --frames exclude .* Leave out --frames and --focus"),
        ({"phantom": "low"}, "no hand moves a phantom. Add --simulate-hand SEED"),
        ({"by_hand": False, "guided": True}, "--guided is for a section by hand. Add --by-hand"),
        ({"by_hand": False, "simulate_hand": 1}, "--simulate-hand is for a section by hand"),
        ({"by_hand": False, "continue_store": Path("a")}, "--continue is for a section by hand"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(tmp_path: Path, given: dict[str, object], message: str):
    with pytest.raises(UsageError, match=message):
        check_options(options(tmp_path, **{**BY_HAND, **given}))


def test_what_fits_is_taken(tmp_path: Path):
    check_options(options(tmp_path, **BY_HAND, guided=True, n_fields=8, exposure_ms=5.0, seed=3))


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX's")
def test_keys_come_one_by_one_and_the_terminal_is_as_before(monkeypatch: pytest.MonkeyPatch):
    import termios

    outside, inside = os.openpty()
    with open(inside, encoding="utf-8", closefd=False) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        before = termios.tcgetattr(inside)
        with keys() as pressed:
            assert pressed() == ""
            os.write(outside, b"ku")
            found = ""
            while len(found) < 2:
                found += pressed()
            assert found == "ku"
        assert termios.tcgetattr(inside) == before
    os.close(outside)
    os.close(inside)


def test_without_a_terminal_no_key_is_pressed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    with (tmp_path / "in").open("w+", encoding="utf-8") as file:
        monkeypatch.setattr(sys, "stdin", file)
        with keys() as pressed:
            assert pressed() == ""


def stored(folder: Path, **changes: object) -> Path:
    """Return the store of a guided section of which no field is captured yet."""
    card = read_card(find_model("phantom-meng2019"))
    facts = {"model": card.name, "engine": "openvino", "drawn_fields": 8, "drawn_seed": 5, "allow_phantom_model": True}
    spec = make_spec(sampling="guided", model_sha256=card.sha256, provenance=facts)
    with create_store(folder, replace(spec, **changes)) as sink:
        sink.append(make_frame(0))
    sink.finalise({"state": "completed"})
    return sink.path


def test_what_a_store_states_need_not_be_given_again(tmp_path: Path):
    path = stored(tmp_path)
    given = options(tmp_path, **BY_HAND, animal_id="", section_id="", model_name=DEFAULT_MODEL, engine="auto")
    found, store, guided = continued_options(given, path)
    assert (found.animal_id, found.section_id, found.guided, guided) == ("M1", "S2", True, Guided(8, 5))
    assert (Path(found.model_name).name, found.engine) == ("phantom-meng2019", "openvino")
    assert (found.allow_phantom_model, found.score_unlike, store.n_frames) == (True, False, 1)
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
