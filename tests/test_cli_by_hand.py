"""The command line of a section by hand."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hcc_scope.cli.acquire_options import check_options
from hcc_scope.cli.keys import keys
from hcc_scope.errors import UsageError
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
