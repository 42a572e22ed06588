"""What a verdict is worth, in sentences: the same for window, command line and reports."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from hcc_scope.inference.card_evaluation import StatementRecord
from hcc_scope.scoring import FieldEntry, SectionScorer
from hcc_scope.validation_text import (
    NOT_KNOWN,
    describe_animal,
    describe_error_rate,
    describe_predictive_values,
    describe_probability,
    describe_smallest_p,
    describe_statement,
    probability_high,
    statement_json,
)
from tests.statement_parts import SECTION_MAP, STATEMENT

if TYPE_CHECKING:
    from hcc_scope.types import SectionScore


def scored(value: float, n: int = 40) -> SectionScore:
    scorer = SectionScorer(0.5, 1.0, "random")
    for seq in range(n):
        scorer.add_entry(FieldEntry(seq, "classified", value, 4, (0, 0, 0, 0, 0)))
    return scorer.score()


def test_the_error_rate_comes_with_its_exact_interval():
    assert describe_error_rate(STATEMENT) == "Of 8 unseen animals 7 were on the right side [0.47, 1.00]."


def test_a_card_without_a_record_is_not_silent():
    assert describe_statement(None) == [NOT_KNOWN]
    assert statement_json(None) is None


def test_predictive_values_at_a_stated_prevalence_and_over_the_default_range():
    at = describe_predictive_values(STATEMENT, 0.5)
    assert at == (
        "At a prevalence of high of 50 %, PPV (high is right) 0.80 [0.28, 1.00], NPV (low is right) 1.00 [0.19, 1.00]."
    )
    assert describe_predictive_values(STATEMENT).startswith(
        "At a prevalence of high from 20 % to 80 %, PPV (high is right) 0.50 ["
    )
    one_class = StatementRecord(threshold=0.5, animals_right=2, animals=3, high_right=2, high=3)
    assert describe_predictive_values(one_class) == ""
    assert describe_statement(one_class) == [describe_error_rate(one_class)]


def test_only_a_map_on_the_card_gives_a_section_a_probability():
    score = scored(0.9)
    assert describe_probability(STATEMENT, score) == ""
    assert not any("P(high)" in text or "probab" in text for text in describe_statement(STATEMENT, score, 0.3))
    mapped = STATEMENT.model_copy(update={"section_map": SECTION_MAP})
    assert describe_probability(mapped, score).startswith("P(high) at a prevalence of 50 %: 0.99 (0.")
    assert describe_probability(mapped, score, 0.1).startswith("P(high) at a prevalence of 10 %: 0.9")
    assert describe_probability(mapped, replace(score, interval_valid=False)) == ""
    assert probability_high(SECTION_MAP, 0.5, SECTION_MAP.prevalence) == pytest.approx(0.401312, abs=1e-6)


def test_few_animals_are_no_evidence_and_the_sentence_states_it():
    assert describe_animal(STATEMENT, 0.95) == (
        "Conformal p-values from 4 low and 4 high unseen animals: is a low animal p = 0.20, is a high animal p = 1.00. "
        "With 4 animals of a class p is at least 0.20: this can never be evidence at 5 %."
    )
    many = STATEMENT.model_copy(
        update={"scores_low": tuple(i / 100 for i in range(24)), "scores_high": tuple(1 - i / 100 for i in range(24))}
    )
    assert describe_animal(many, 0.95).endswith("is a low animal p = 0.040, is a high animal p = 0.80.")
    assert describe_animal(None, 0.9) == ""


def test_a_class_with_enough_animals_can_be_evidence():
    uneven = STATEMENT.model_copy(update={"scores_low": tuple(i / 100 for i in range(24)), "scores_high": (0.9,)})
    assert describe_animal(uneven, 0.95) == (
        "Conformal p-values from 24 low and 1 high unseen animal: is a low animal p = 0.040, is a high animal p = "
        "1.00. With 1 high animal the p of a high animal is at least 0.50: this can never be evidence at 5 %."
    )
    assert describe_smallest_p(uneven) == (
        "An animal's conformal p-values rest on 24 low and 1 high unseen animal, and are never below 0.040 and 0.50."
    )
    assert describe_smallest_p(STATEMENT.model_copy(update={"scores_high": ()})) == ""


def test_a_rare_class_is_never_rounded_to_certainty():
    assert describe_predictive_values(STATEMENT, 0.0001) == (
        "At a prevalence of high of 0.01 %, PPV (high is right) under 0.01 [0.00, 0.03], NPV (low is right) 1.00 "
        "[over 0.99, 1.00]."
    )
    assert "At a prevalence of high of 30.5 %," in describe_predictive_values(STATEMENT, 0.305)
    mapped = STATEMENT.model_copy(update={"section_map": SECTION_MAP})
    assert ": over 0.99 (" in describe_probability(mapped, scored(0.999), 0.9)


def test_a_verdict_that_no_animal_had_has_no_predictive_value():
    never = StatementRecord(threshold=0.5, animals_right=4, animals=8, high_right=0, high=4)
    assert "PPV (high is right) not defined, since no unseen animal had that verdict, NPV" in (
        describe_predictive_values(never)
    )


def test_the_summary_has_the_same_numbers():
    found = statement_json(STATEMENT, 0.5)
    assert found is not None
    assert (found["animals_right"], found["animals"], found["high_right"], found["high"]) == (7, 8, 4, 4)
    (at,) = found["predictive_values"]
    assert at["prevalence"] == 0.5
    assert at["ppv"]["value"] == pytest.approx(0.8)


@pytest.mark.parametrize(
    "changes",
    [{"animals_right": 9}, {"high_right": 5}, {"animals_right": 3}, {"threshold_interval": (0.6, 0.7)}],
    ids=["more right than there are", "more high", "more high right than right", "not around the threshold"],
)
def test_an_impossible_record_is_refused(changes: dict[str, object]):
    values = STATEMENT.model_dump() | changes
    with pytest.raises(ValueError, match=r"than there are|does not contain"):
        StatementRecord.model_validate(values)
    assert StatementRecord.from_json("{}") is None
    assert StatementRecord.from_json(STATEMENT.model_dump_json()) == STATEMENT
