"""``hcc-scope import``: mistakes in one sentence before anything is made, and what a crash or a full disk ends."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from commands import cli
from import_parts import pixels_of

from hcc_scope.storage import section_writer
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.section_writer import SectionWriter

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.types import RunSpec

ALLOW = "--allow-phantom-model"
ENGINE = ("--engine", "torchscript")


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """Return a TIFF of four images, along time as far as is known, without a pixel size."""
    path = tmp_path / "in" / "stack.tif"
    path.parent.mkdir()
    tifffile.imwrite(path, np.stack([pixels_of(index) for index in range(4)]), photometric="minisblack")
    return path


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--animal", ""], 15, "animal id"),
        (["s3://bucket/run", "--animal", ""], 2, "s3://bucket/run is an address, which cannot be imported"),
        (["--section", "S/1"], 15, "section id"),
        (["--time", "1.5"], 2, "--time is a number from 0, or 'all'"),
        ([], 2, "Choose with --time N or all"),
        (["--time", "all"], 2, "Give it with --pixel-size-um"),
        (["--time", "9"], 2, "no time point 9"),
        (["--time", "all", "--pixel-size-um", "0"], 2, "--pixel-size-um is from"),
        (["--time", "all", "--pixel-size-um", "0.9", ALLOW], 24, "um"),
        (["--time", "all", "--pixel-size-um", "0.325"], 24, "--allow-phantom-model"),
        (["--colour", "grey"], 2, "--colour is luminance"),
        (["--float-range", "1"], 2, "--float-range is two numbers"),
        (["--bit-depth", "4"], 2, "--bit-depth is from 8 to 16"),
        (["--time", "all", "--pixel-size-um", "0.325", "--bit-depth", "12"], 2, "above the 4095 of 12 bits"),
        (["--channel", "GFP"], 2, "no channel 'GFP'"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_the_option(
    stack: Path, tmp_path: Path, options: list[str], code: int, words: str
):
    out = tmp_path / "out"
    done = cli("import", stack, "--animal", "M7", "--section", "S1", "--out", out, *options, *ENGINE)
    assert done.code == code, done.err
    assert words in " ".join(done.err.split())
    assert "Traceback" not in done.err
    assert not out.exists()


def imported(stack: Path, out: Path) -> int:
    return cli(
        *("import", stack, "--animal", "M7", "--section", "S1", "--out", out, "--time", "all"),
        *("--pixel-size-um", "0.325", ALLOW, *ENGINE, "--json"),
    ).code


def test_an_import_goes_on_after_a_full_disk_and_after_a_crash(
    stack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    enough = section_writer.require_space

    def filled(store: Path, spec: RunSpec, seq: int, in_flight_bytes: int, *, at: int = 1) -> None:
        enough(store, spec, seq, 1 << 60 if seq == at else in_flight_bytes)

    with monkeypatch.context() as patch:
        patch.setattr(section_writer, "require_space", filled)
        assert imported(stack, tmp_path / "out") == 33
    path = tmp_path / "out" / "M7_S1.ome.zarr"
    assert open_store(path).n_frames == 1

    with monkeypatch.context() as patch:  # killed before its end is recorded
        patch.setattr(section_writer, "require_space", partial(filled, at=3))
        patch.setattr(SectionWriter, "finalise", lambda _writer, _outcome: None)
        assert imported(stack, tmp_path / "out") == 33
    assert not open_store(path).complete
    assert imported(stack, tmp_path / "out") == 0
    whole = open_store(path)
    assert [entry.tags["import_index"] for entry in whole.journal if entry is not None] == [0, 1, 2, 3]
    assert whole.recorded.outcome is not None
    assert whole.recorded.outcome.state == "completed"
    assert len(whole.recorded.parts) == 3
    assert imported(stack, tmp_path / "out") == 31
