"""Deferred frames that are still in memory."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hcc_scope.session.deferred_cache import DeferredCache
from hcc_scope.types import Frame


def frame(seq: int) -> Frame:
    return Frame(
        seq=seq,
        pixels=np.zeros((4, 8), np.uint16),  # 64 bytes
        t_mono_ns=0,
        t_utc=datetime(2026, 1, 1, tzinfo=UTC),
        exposure_ms=1.0,
        section_id="s",
    )


def test_what_is_taken_is_kept_no_longer():
    kept = DeferredCache(1000)
    first = frame(0)
    kept.put(first)
    assert kept.take(0) is first
    assert kept.take(0) is None
    kept.put(first)
    kept.close()
    assert kept.take(0) is None
    kept.put(first)
    assert kept.take(0) is None


@settings(deadline=None)
@given(st.lists(st.integers(0, 30), max_size=60), st.integers(0, 640))
def test_the_newest_are_kept_up_to_the_limit(taken: list[int], limit_bytes: int):
    kept = DeferredCache(limit_bytes)
    there: list[int] = []
    for seq in range(31):
        kept.put(frame(seq))
        there = [*there, seq][max(0, len(there) + 1 - limit_bytes // 64) :]
        if seq in taken and there:
            gone = there.pop(seq % len(there))
            assert kept.take(gone) is not None
    for seq in range(31):
        assert (kept.take(seq) is not None) == (seq in there)
