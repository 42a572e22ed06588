"""When a camera took the exposure that it was asked for: one rule for a plan and for a person's control."""

from __future__ import annotations

import math

import pytest

from hcc_scope.microscope.exposure import takes_exposure


@pytest.mark.parametrize(
    ("asked_ms", "taken_ms", "takes"),
    [
        (20.0, 20.0, True),
        (20.0, 20.2, True),
        (20.0, 20.3, False),
        (0.5, 0.509, True),
        (0.5, 0.52, False),
        (0.001, 0.0, False),
        (20.0, -20.0, False),
        (20.0, math.nan, False),
    ],
)
def test_a_camera_may_round_an_exposure(asked_ms: float, taken_ms: float, takes: bool):
    assert takes_exposure(asked_ms, taken_ms) is takes
