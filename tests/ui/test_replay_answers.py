"""Is a replay equal? The window and ``replay --check`` give one answer, in the same words."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from storage_cases import change_facts

from hcc_scope.errors import CheckError
from hcc_scope.formatting import sentence
from hcc_scope.inference.card import read_card, write_card
from hcc_scope.report.summary import SectionReport
from hcc_scope.runs.replay import start_replay
from hcc_scope.runs.replay_check import check_replay
from hcc_scope.runs.scoring_model import ScoringModel, load_scoring_model
from hcc_scope.runs.section_analyses import open_section, replay_analysis, section_score
from hcc_scope.storage.reader import open_store
from hcc_scope.types import Counts, FrameResult, RunOutcome
from ui.replay.compare_panel import ComparePanel

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytestqt.qtbot import QtBot

OLD = Path(__file__).parents[1] / "data"
MODEL = OLD / "earlier_model" / "phantom-meng2019"
"""The shipped model of their time."""
STORE = OLD / "version2_scored.ome.zarr"
"""Of two fields, of which the operator excluded the second during the run."""

Results = dict[int, FrameResult]


@pytest.fixture(scope="module")
def scoring_model() -> ScoringModel:
    return load_scoring_model(MODEL, "torchscript", lambda _: None)


@pytest.fixture
def panel(qtbot: QtBot) -> ComparePanel:
    made = ComparePanel()
    qtbot.addWidget(made)
    return made


def moved(results: Results, what: str, by: float, engine: str | None = None) -> Results:
    """Return results in which the first tile of field 0 differs."""
    values = np.array(getattr(results[0], what))
    values[0] = values[0] + np.float32(by) if by else np.nextafter(values[0], np.float32(9))
    changed = {**results, 0: replace(results[0], **{what: values})}
    return changed if engine is None else {seq: replace(one, engine=engine) for seq, one in changed.items()}


def flagged(results: Results) -> Results:
    p = np.full_like(results[0].probabilities, np.nan)
    return {**results, 0: replace(results[0], flags=np.uint8([2]), probabilities=p, outcome="excluded")}


def without_distances(results: Results) -> Results:
    return {seq: replace(one, distances=None) for seq, one in results.items()}


CASES: dict[str, tuple[Callable[[Results], Results], str]] = {
    "the same": (lambda results: results, "equal bit for bit: 2 tiles of 2 fields"),
    "a logit": (lambda results: moved(results, "logits", 0), "the analysis differs in 1 of 2 fields"),
    "a probability": (lambda results: moved(results, "probabilities", 0), "the analysis differs in 1 of 2 fields"),
    "a distance": (lambda results: moved(results, "distances", 0), "the analysis differs in 1 of 2 fields"),
    "no distances": (without_distances, "the analysis differs in 2 of 2 fields"),
    "a flag": (flagged, "the analysis differs in 1 of 2 fields"),
    "a field missing": (lambda results: {0: results[0]}, "equal bit for bit: 1 tile of 1 field"),
    "engines, near": (
        lambda results: moved(results, "probabilities", 0.004, "another"),
        "within tolerance, not bit for bit: 2 tiles of 2 fields",
    ),
    "engines, far": (
        lambda results: moved(results, "probabilities", 0.02, "another"),
        "the analysis differs in 1 of 2 fields, a probability by 0.02 (tolerance 0.01)",
    ),
    "engines, distance far": (
        lambda results: moved(results, "distances", 1.0, "another"),
        "the analysis differs in 1 of 2 fields, a distance from the training tiles by ",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_both_give_one_answer(panel: ComparePanel, scoring_model: ScoringModel, case: str):
    change, expected = CASES[case]
    opened = open_section(STORE)
    results = change(dict(opened.analyses[0].results))
    answer = answer_of_both(panel, scoring_model, results, opened.store.recorded.excluded_by_operator)
    assert answer.startswith(expected)


@pytest.mark.parametrize("recorded", [{"score": 0.25}, {"interval": [0.5, 1]}])
def test_both_report_a_recorded_score_that_its_predictions_do_not_give(
    panel: ComparePanel, scoring_model: ScoringModel, tmp_path: Path, recorded: dict[str, object]
):
    path = Path(shutil.copytree(STORE, tmp_path / STORE.name))
    change_facts(path, outcome={**open_store(path).attributes["outcome"], **recorded})
    results = dict(open_section(path).analyses[0].results)
    assert answer_of_both(panel, scoring_model, results, (1,), path).startswith("the analysis differs: score ")


def answer_of_both(
    panel: ComparePanel, scoring_model: ScoringModel, results: Results, excluded: tuple[int, ...], path: Path = STORE
) -> str:
    """Return the one answer of ``replay --check`` and of the window."""
    opened = open_section(path)
    score = section_score(results, opened.store, scoring_model.model.card.decision_threshold, excluded)
    outcome = RunOutcome("completed", None, Counts(), score, excluded_by_operator=excluded)
    check = check_replay(opened.store, SectionReport("M8", "S2", None, outcome), results, scoring_model)
    if check.problem is None:
        answer = check.words.removeprefix(f"{path.name}: ")
    else:
        assert isinstance(check.problem, CheckError)
        answer = check.problem.message.removeprefix(f"{path}: ")
    opened.analyses.append(replay_analysis("Replay", opened.store, scoring_model, results, outcome))
    panel.set_store(opened, newest=True)
    assert panel.sentence.text() == " ".join((sentence(answer), *check.remarks))
    assert panel.comparison.equal == check.equal
    return answer


@pytest.mark.parametrize("version", [1, 2])
def test_a_store_of_an_earlier_version_holds_bit_for_bit(panel: ComparePanel, version: int, tmp_path: Path):
    """With the card of its time: the model's temperature and thresholds have changed since the first."""
    path = OLD / f"version{version}_scored.ome.zarr"
    store = open_store(path)
    then = store.recorded.provenance
    folder = Path(shutil.copytree(MODEL, tmp_path / "then"))
    facts = {"temperature": then.temperature, "decision_threshold": then.decision_threshold}
    card = read_card(folder)
    unlike = card.unlike_training.model_copy(update={"threshold": then.unlike_threshold})
    write_card(card.model_copy(update={**facts, "unlike_training": unlike}), folder)
    model = load_scoring_model(folder, "torchscript", lambda _: None)
    run = start_replay(store, model)
    report = run.finish()
    check = check_replay(store, report, run.results, model)
    assert (check.problem, check.frames) == (None, version)
    recorded = open_section(path).analyses[0]
    if recorded.engine == model.classifier.engine:  # the same kind of processor: bits are promised
        assert check.equal
        assert report.outcome.score.score == store.recorded.outcome.score
    opened = open_section(path)
    opened.analyses.append(replay_analysis("Replay", store, model, run.results, report.outcome))
    panel.set_store(opened, newest=True)
    assert panel.comparison.equal == check.equal
