"""What a verdict is worth travels with a section: into its store, a replay, its report and the command line."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from html import unescape
from typing import TYPE_CHECKING

import numpy as np
import pytest
from typer.testing import CliRunner

from hcc_scope.cli.acquisition_commands import app
from hcc_scope.inference.card import write_card
from hcc_scope.runs.animal_sections import other_sections
from hcc_scope.runs.replay import start_replay
from hcc_scope.runs.replay_check import changed_card, check_replay
from hcc_scope.runs.scoring_model import ScoringModel, load_scoring_model
from hcc_scope.runs.section import start_section
from hcc_scope.runs.section_analyses import open_section
from hcc_scope.score_text import describe_score
from hcc_scope.storage.reader import open_store
from hcc_scope.types import Frame, RunSpec
from hcc_scope.validation_text import describe_animal, describe_statement
from tests.ood_parts import SHIPPED, test_tiles
from tests.report_parts import page_text
from tests.statement_parts import with_statement

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hcc_scope.protocols import StopSignal

OWN = (0.001, 0.999)
"""An interval of the threshold that any interval of a score meets."""
FRAMES = 12


class HighTissue:
    """Frames of one tile of class high, turned, at random places as the spec states."""

    live = False

    def __init__(self, scoring_model: ScoringModel, section_id: str) -> None:
        self.spec = RunSpec(
            (512, 512), 16, 0.325, "m1", section_id, expected_frames=FRAMES, sampling="random",
            model_sha256=scoring_model.model.card.sha256, provenance={**scoring_model.facts, "specimen": "phantom"},
        )  # fmt: skip

    def frames(self, stop: StopSignal) -> Iterator[Frame]:
        for seq in range(FRAMES):
            pixels = np.ascontiguousarray(np.rot90(test_tiles()[1], seq))
            pixels.flags.writeable = False
            yield Frame(seq, pixels, 0, datetime.now(UTC), 10.0, self.spec.section_id, pixel_size_um=0.325)


@pytest.fixture(scope="module")
def plain() -> ScoringModel:
    """The shipped model, without a statement on its card."""
    found = load_scoring_model(SHIPPED, "torchscript", lambda _: None)
    return with_card(found, found.model.card.model_copy(update={"evaluation": None, "decision_threshold": 0.5}))


def with_card(scoring_model: ScoringModel, card: object) -> ScoringModel:
    return replace(scoring_model, model=replace(scoring_model.model, card=card))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def stated(plain: ScoringModel) -> ScoringModel:
    return with_card(plain, with_statement(plain.model.card, threshold_interval=OWN))


@pytest.fixture(scope="module")
def stores(plain: ScoringModel, stated: ScoringModel, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two sections of one animal, by a card without and with a statement."""
    folder, found = tmp_path_factory.mktemp("runs"), {}
    for name, scoring_model in (("plain", plain), ("stated", stated)):
        run = start_section(HighTissue(scoring_model, name), scoring_model, folder)
        assert run.finish().outcome.state == "completed"
        found[name] = run.store_path
    return found


def test_the_thresholds_interval_decides_live_and_is_in_the_store(stores: dict[str, Path], stated: ScoringModel):
    plain, ours = (open_store(stores[name]).recorded for name in ("plain", "stated"))
    assert plain.outcome is not None
    assert ours.outcome is not None
    one, other = plain.outcome.section_score, ours.outcome.section_score
    assert one is not None
    assert other == replace(one, threshold_interval=OWN)
    assert "high metastatic side" in describe_score(one)
    assert "undecided: the interval meets that of the threshold" in describe_score(other)
    assert (plain.threshold_interval, ours.threshold_interval) == (None, OWN)
    assert ours.provenance.statement == stated.model.card.statement.model_dump_json(exclude_none=True)


@pytest.mark.parametrize("name", ["plain", "stated"])
def test_a_replay_and_the_window_give_the_same_verdict(
    name: str, stores: dict[str, Path], plain: ScoringModel, stated: ScoringModel
):
    scoring_model = plain if name == "plain" else stated
    run = start_replay(stores[name], scoring_model)
    report = run.finish()
    recorded = open_store(stores[name]).recorded.outcome
    assert recorded is not None
    assert report.outcome.score == recorded.section_score
    checked = check_replay(run.store, report, run.results, scoring_model)
    assert checked.equal, checked.problem
    opened = open_section(stores[name])
    assert opened.analyses[0].score == recorded.section_score
    assert opened.rescored()[0].score == recorded.section_score
    assert opened.analyses[0].card.statement == scoring_model.model.card.statement


def test_a_card_whose_interval_has_changed_is_named(stores: dict[str, Path], stated: ScoringModel, plain: ScoringModel):
    store = open_store(stores["stated"])
    other = with_card(stated, with_statement(stated.model.card, threshold_interval=(0.2, 0.8)))
    assert changed_card(store, other) == "decision threshold's interval 0.001 to 0.999 then, 0.2 to 0.8 now"
    assert changed_card(store, plain) == ""  # it states none


def test_the_report_has_the_same_sentences(stores: dict[str, Path], stated: ScoringModel):
    statement = stated.model.card.statement
    score = open_section(stores["stated"]).analyses[0].score
    assert score.score is not None
    page = unescape(page_text(stores["stated"], prevalence=0.3))
    for text in (*describe_statement(statement, score, 0.3), describe_animal(statement, score.score)):
        assert text in page
    assert "Mean of 2 sections of animal m1 in this folder and those below it" in page

    (other,) = other_sections(stores["plain"].parent, open_store(stores["plain"]).spec)
    assert (other.section_id, other.model_sha256) == ("stated", stated.model.card.sha256)


def test_the_command_line_states_it_at_a_prevalence(stores: dict[str, Path], stated: ScoringModel, tmp_path: Path):
    folder = tmp_path / "model"
    folder.mkdir()
    for file in SHIPPED.iterdir():
        if file.name != "card.yaml":
            (folder / file.name).symlink_to(file)
    write_card(stated.model.card, folder)
    options = ["--model", str(folder), "--json", "--prevalence", "0.3", "--out", str(tmp_path / "out")]
    copy = tmp_path / "copies" / stores["stated"].name
    shutil.copytree(stores["stated"], copy)
    done = CliRunner().invoke(app, ["replay", str(stores["stated"]), str(copy), *options])
    assert done.exit_code == 0, done.output
    summary = json.loads(done.stdout)
    statement = stated.model.card.statement
    assert summary["statement"][:2] == describe_statement(statement, prevalence=0.3)
    assert "Animal m1, mean of 1 section" in summary["statement"][-1]  # it counts once
    assert "without 1 copy: " in summary["statement"][-1]
    assert summary["unseen_animals"]["predictive_values"][0]["prevalence"] == 0.3
    section, _ = summary["sections"]
    assert section["threshold_interval"] == list(OWN)
    assert section["decision"] is None
    for text in summary["statement"]:
        assert " ".join(text.split()) in " ".join(done.stderr.split())
