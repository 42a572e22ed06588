"""Results that are kept in little room, the same bit for bit."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from hcc_scope.runs.result_log import ResultLog
from hcc_scope.scoring import SectionScorer
from hcc_scope.session.run_score import RunScore
from hcc_scope.types import FrameResult

N = 16


def made(seq: int, **changes: object) -> FrameResult:
    rng = np.random.default_rng(seq)
    values: dict[str, object] = {
        "outcome": "classified",
        "logits": rng.normal(size=N).astype(np.float32),
        "probabilities": np.where(rng.random(N) < 0.2, np.nan, rng.random(N)).astype(np.float32),
        "flags": rng.integers(0, 3, N).astype(np.uint8),
        "engine": "torchscript",
        "latency_ms": {"wait": rng.random(), "classify": rng.random(), "total": rng.random()},
        "distances": rng.random(N).astype(np.float32),
        "level": rng.random(),
        "focus": rng.random(),
        **changes,
    }
    return FrameResult(seq, **values)  # type: ignore[arg-type]  # as they are


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"distances": None},
        {"level": None, "focus": None},
        {"outcome": "excluded", "flags": np.ones(N, np.uint8)},
        {
            "outcome": "failed",
            "error": "it broke",
            "latency_ms": {},
            "distances": None,
            **dict.fromkeys(("logits", "probabilities"), np.zeros(0, np.float32)),
            "flags": np.zeros(0, np.uint8),
        },
    ],
)
def test_a_result_comes_back_bit_for_bit(changes: dict[str, object]):
    results, given = ResultLog(), made(7, **changes)
    results.append(given)
    back = results[7]
    for name in ("seq", "outcome", "engine", "latency_ms", "error", "level", "focus"):
        assert getattr(back, name) == getattr(given, name)
    for name in ("logits", "probabilities", "flags", "distances"):
        one, other = getattr(given, name), getattr(back, name)
        if one is None:
            assert other is None
        else:
            assert (one.dtype, one.tobytes()) == (other.dtype, other.tobytes())
    assert list(results) == [7]
    assert results.get(8) is None


def test_what_arrived_is_listed_once_and_again_where_it_was_replaced():
    results = ResultLog(earlier={3: made(3), 1: made(1)})
    for seq in (5, 4, 5):
        results.append(made(seq))
    assert results.arrived() == [3, 1, 5, 4, 5]
    assert results.arrived(3) == [4, 5]
    assert results.arrived(5) == []


def test_a_score_made_again_is_the_same(monkeypatch: pytest.MonkeyPatch):
    score = RunScore(SectionScorer(0.5, 1.0, "random"))
    for seq in range(40):
        if seq % 7 == 3:
            score.skip(seq)
        else:
            score.add(made(seq, outcome="excluded" if seq % 5 == 1 else "classified"))
    before = score.score()
    score.exclude(4)
    assert score.score() != before
    assert score.include(4) == before
    kept, gone = score.keep_below(20)
    assert kept.frames < before.frames
    assert sorted(set(gone)) == ["classified", "excluded"]
    assert len(gone) == sum(seq % 7 != 3 for seq in range(20, 40))


def test_a_long_run_needs_little_memory():
    results = ResultLog()
    for seq in range(100):
        results.append(made(seq))
    packed = results._results.values()
    assert max(sys.getsizeof(one) + sys.getsizeof(one._numbers) for one in packed) < 400
    assert len({id(one._about) for one in packed}) == 1
