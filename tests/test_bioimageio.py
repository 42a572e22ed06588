"""The packages for other programs, judged by the makers of the format: bioimageio.spec and bioimageio.core.

In processes of their own, without a network: both log to the terminal, and set themselves up when they are imported.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from hcc_scope.report.card_markdown import card_markdown
from hcc_scope.training.bioimageio import COVER_FILE, DESCRIPTION_FILE, write_package
from hcc_scope.training.export import export_model, to_torchscript
from tests.model_parts import Inside, Plain, archive, make_model, random_tiles
from tests.test_models import card, network

JUDGE = Path(__file__).with_name("package_judge.py")


def judged(*packages: Path, cache: Path) -> list[dict[str, Any]]:
    environment = {**os.environ, "BIOIMAGEIO_CACHE_PATH": str(cache), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, JUDGE, *packages],
        capture_output=True, text=True, env=environment, timeout=150, check=False, cwd=cache,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    found: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One of a network that returns three outputs, one of a user's own without normalisation inside."""
    folder = tmp_path_factory.mktemp("packages")
    three = network()
    exported = export_model(
        to_torchscript(three), three, random_tiles(2), card("three.outputs"), folder / "three", describe=card_markdown
    )
    torch.manual_seed(6)
    inner = Plain().eval()
    tiles = random_tiles(1)
    with torch.inference_mode():
        logits = Inside(inner, 2.0**-13)(torch.from_numpy(tiles[:, None].astype(np.float32)))[0].numpy()
    own = make_model(folder / "own", archive(inner), logits, tiles, normalisation="external", licence="not stated")
    return [
        write_package(exported, folder / "three.zip", authors=("A. Person",)),
        write_package(own, folder / "own.zip", documentation="# My model\n"),
    ]


def test_packages_pass_the_validator_and_reproduce_their_test_tensors_without_a_network(
    packages: list[Path], tmp_path: Path
):
    for package, found in zip(packages, judged(*packages, cache=tmp_path), strict=True):
        assert found["model"], found["errors"]
        assert found["format"] in ("valid-format", "passed"), found["errors"]
        assert found["test"] == "passed", found["test_errors"]
        assert found["axes"] == ["batch", "channel"]
        with zipfile.ZipFile(package) as file, file.open("test_output.npy") as array:
            np.testing.assert_allclose(found["probability"], np.load(array), atol=1e-6)


def test_the_description_in_a_package(packages: list[Path]):
    with zipfile.ZipFile(packages[0]) as file:
        description = yaml.safe_load(file.read(DESCRIPTION_FILE))
        assert set(file.namelist()) == {
            DESCRIPTION_FILE, "model.pt", "test_input.npy", "test_output.npy", "README.md", "card.yaml", COVER_FILE,
        }  # fmt: skip
        with file.open(COVER_FILE) as picture, Image.open(picture) as cover:
            assert cover.width == 2 * cover.height
        assert file.getinfo(COVER_FILE).file_size < 500_000
        with file.open("test_output.npy") as array:
            np.testing.assert_allclose(np.load(array).sum(axis=1), 1, atol=1e-6)
    assert description["name"] == "HCC-Scope three-outputs"
    assert description["authors"] == [{"name": "A. Person"}]
    assert description["cite"][0]["doi"] == "10.1117/12.2512214"
    assert description["license"] == "BSD-3-Clause"
    with zipfile.ZipFile(packages[1]) as file:
        assert "license" not in yaml.safe_load(file.read(DESCRIPTION_FILE))  # none is stated
    assert description["description"].startswith("Research use only")
    assert description["inputs"][0]["axes"][2]["scale"] == 0.325
