"""A search that begins in focus ends there: what the camera's noise does to the last look is no loss of sharpness."""

from __future__ import annotations

import numpy as np
import pytest

from hcc_scope.focus import FocusReading, find_focus


@pytest.mark.parametrize("last", [0.999, 1.0, 1.001])
def test_a_search_that_begins_in_focus_is_accepted(last: float):
    asked: list[float] = []

    def read_at(z_um: float) -> FocusReading:
        looks = sum(abs(z_um - before_um) < 0.01 for before_um in asked)
        asked.append(z_um)
        sharpness = 0.013 + 0.08 / (1 + (z_um / 1.5) ** 2) * (last if looks == 2 else 1.0)
        return FocusReading(
            z_um=z_um,
            tile_focus=np.float32([sharpness]),
            tile_tenengrad=np.float32([2 * sharpness]),
            tile_has_tissue=np.array([True]),
            tile_saturated=np.array([False]),
        )

    result = find_focus(read_at, 0.0)
    assert (result.reason, round(result.z_um, 2) + 0.0) == ("in_focus", 0.0)
