"""How many animals a validation needs: the simulation, and what it takes from an evaluation."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm

from hcc_scope.errors import TrainingError, UsageError
from hcc_scope.evaluation.power import MOST_ANIMALS, Design, Spread, animals_needed, expected_intervals, spread_of
from tests.commands import cli

if TYPE_CHECKING:
    from pathlib import Path

HALF = Spread(animals=0.5, sections=0.1)


def test_more_animals_narrow_the_interval_and_more_fields_hardly_do():
    few, many, fields = (
        expected_intervals(design, 0.85, HALF, simulations=60, seed=3)
        for design in (Design(4, 2, 3), Design(16, 2, 3), Design(4, 2, 30))
    )
    assert many.auc_half_width < 0.6 * few.auc_half_width
    assert fields.auc_half_width > 0.75 * few.auc_half_width
    assert many.right_half_width < 0.7 * few.right_half_width
    assert many.auc_coverage >= 0.85
    assert many.right_coverage >= 0.9  # exact intervals of independent animals
    # mean of an animal's fields against the middle between the classes
    spread = np.sqrt(0.5 + 0.1 / 2 + 0.4 / 6)
    assert few.right == pytest.approx(norm.cdf(np.sqrt(2) * norm.ppf(0.85) / 2 / spread))
    assert few == expected_intervals(Design(4, 2, 3), 0.85, HALF, simulations=60, seed=3)


def test_the_smallest_number_that_suffices_is_found():
    asked: list[int] = []

    def width(n: int) -> float:
        asked.append(n)
        return 1.0 / n

    assert animals_needed(1 / 11, width) == 11
    assert len(asked) == len(set(asked)) < 10
    assert animals_needed(0.5, width) == 3
    assert animals_needed(0.001, width) is None
    assert max(asked) == MOST_ANIMALS


def scores(animals: int, spread: Spread) -> tuple[list[float], list[int], list[tuple[str, str]], list[int]]:
    """Images of unequal numbers, scored by two networks of different level."""
    rng = np.random.default_rng(8)
    rows: list[tuple[float, int, tuple[str, str], int]] = []
    for label in (0, 1):
        for animal in range(animals):
            of_animal = rng.normal(0, np.sqrt(spread.animals))
            for section in range(rng.integers(2, 4)):
                of_section = rng.normal(0, np.sqrt(spread.sections))
                for _ in range(rng.integers(2, 6)):
                    x = 2.0 * (label - 0.5) + of_animal + of_section + rng.normal(0, np.sqrt(spread.fields))
                    level = 3.0 * (animal % 2)
                    rows.append((float(expit(x + level)), label, (f"{label}{animal}", str(section)), animal % 2))
    return tuple(map(list, zip(*rows, strict=True)))  # type: ignore[return-value]


def test_auc_and_shares_are_estimated_from_an_evaluations_scores(tmp_path: Path):
    found = scores(150, Spread(0.5, 0.2))
    auc, spread = spread_of(*found)
    assert auc == pytest.approx(norm.cdf(np.sqrt(2.0)), abs=0.03)
    assert (spread.animals, spread.sections) == (pytest.approx(0.5, abs=0.06), pytest.approx(0.2, abs=0.06))
    _, independent = spread_of(*scores(40, Spread(0.0, 0.0)))
    assert independent.animals < 0.05
    images = [
        {"class": ("low", "high")[label], "animal": one[0], "section": one[1], "by_animal": {"score": s, "fold": f + 1}}
        for s, label, one, f in zip(*scores(6, HALF), strict=True)
    ]
    (tmp_path / "evaluation.json").write_text(json.dumps({"images": [*images, images[0] | {"by_animal": None}]}))
    done = cli("dataset", "power", "--evaluation", tmp_path, "--animals", "3,5", "--simulations", "20", "--json")
    assert done.code == 0, done.err
    auc, spread = spread_of(*scores(6, HALF))
    assert done.json["auc"] == pytest.approx(auc)
    assert done.json["spread"]["animals"] == pytest.approx(spread.animals)
    assert [row["design"]["animals"] for row in done.json["rows"]] == [3, 5]


def test_the_command_answers_how_many_animals_are_needed():
    options = ["--animals", "3,6", "--fields", "2", "--half-width", "0.2", "--simulations", "20"]
    done = cli("dataset", "power", *options)
    assert done.code == 0, done.err
    text = " ".join(done.out.split())
    assert "For the AUC of images within ± 0.2" in text
    assert "40% between animals" in text
    first, again = (cli("dataset", "power", *options, "--json").json for _ in range(2))
    assert first == again
    needed = first["animals_per_class_needed"]["right"]
    widths = {row["design"]["animals"]: row["right_half_width"] for row in first["rows"]}
    assert (needed <= 6) == (widths[6] <= 0.2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--auc", "1.0"], "--auc must be at least 0.5 and below 1, not 1"),
        (["--animals", "3,x"], "'3,x' is no list of numbers"),
        (["--animals", "1"], "--animals must be from 2 to 64 per class, not 1"),
        (["--animal-share", "0.8", "--section-share", "0.3"], "are no shares of one variance"),
        (["--half-width", "0"], "--half-width must be above 0"),
        (["--fields", "100000"], "more than 20,000 images"),
        (["--simulations", "2"], "--simulations must be at least 20"),
    ],
)
def test_what_cannot_be_simulated_is_refused(options: list[str], words: str):
    refused = cli("dataset", "power", *options)
    assert refused.code == UsageError.exit_code
    assert words in " ".join(refused.err.split())


def test_a_folder_without_an_evaluation_is_named(tmp_path: Path):
    refused = cli("dataset", "power", "--evaluation", tmp_path)
    assert refused.code == TrainingError.exit_code
    assert "holds no finished evaluation" in " ".join(refused.err.split())
