"""A short round of every fuzzer: each damaged input is read or refused with a message; and the runner itself."""

from __future__ import annotations

import importlib
import importlib.util
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks.fuzz import (
    MODULES,
    Case,
    account,
    changed_leaf,
    damaged_bytes,
    damaged_text,
    generator,
    one_child,
    run_cases,
)
from hcc_scope.errors import PlanError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

N = {"fuzz_settings": 10, "fuzz_options": 5, "fuzz_store": 20, "fuzz_models": 3, "fuzz_training": 4}
"""Cases of each family; a few, unless the environment sets another number."""


def odd(payload: str, folder: Path) -> str | None:
    match payload:
        case "refused":
            raise PlanError("no field")
        case "wrong":
            return "another frame"
        case "bug":
            raise KeyError(payload)
        case "dead":
            os.kill(os.getpid(), signal.SIGKILL)
        case "asleep":
            time.sleep(600)
        case "full":
            np.empty(1 << 34, np.uint8)
        case "large":
            np.empty(1 << 29, np.uint8)
        case "process":
            return str(os.getpid())
    assert not list(folder.iterdir())
    (folder / "left").touch()
    return None


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory, and SIGKILL")
def test_the_runner_reports_all_outcomes_and_continues():
    names = ("sound", "dead", "refused", "asleep", "wrong", "full", "bug", "sound")
    found = run_cases("odd", odd, [Case(name, name) for name in names], limit_s=2.0, start_s=20.0, limit_bytes=2**30)
    assert [one.outcome for one in found] == [
        "read", "crashed", "refused", "hung", "wrong", "crashed", "crashed", "read",
    ]  # fmt: skip
    assert [one.bad for one in found] == [False, True, False, True, True, True, True, False]
    assert found[1].words == "SIGKILL"
    assert found[5].words.startswith("MemoryError")
    assert found[6].words.startswith("KeyError: 'bug' at test_fuzz.py")
    assert account(found).splitlines()[1].split() == ["odd", "8", "1", "2", "1", "3", "1"]


def test_the_same_seed_gives_the_same_damage():
    def damage(number: int) -> list[object]:
        chance = generator("family", 3, number)
        return [
            damaged_bytes(b"some bytes of a file", chance),
            damaged_text("key: value\nother: 3\n", chance),
            repr(changed_leaf({"a": [1, {"b": None}], "c": "d"}, chance)),
        ]

    assert [damage(number) for number in range(20)] == [damage(number) for number in range(20)]
    assert damage(1) != damage(2)


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory")
def test_families_that_share_a_process_have_their_own_limits_of_memory_and_outlive_its_loss():
    def found(names: tuple[str, ...], limit_bytes: int | None) -> list[str]:
        cases = [Case(name, name) for name in names]
        return [one.words for one in run_cases("odd", odd, cases, limit_s=20.0, limit_bytes=limit_bytes)]

    with one_child():
        (first,) = found(("process",), None)
        assert found(("full", "process"), 2**30)[0].startswith("MemoryError")
        assert found(("large", "process"), 2**30) == ["", first]
        assert found(("full", "process"), None) == ["", first]
        assert found(("dead",), None) == ["SIGKILL"]
        assert found(("process",), None) != [first]


@pytest.fixture(scope="module")
def shared() -> Iterator[None]:
    """One process for the families of all modules."""
    with one_child():
        yield


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize("name", [name for name in MODULES if importlib.util.find_spec(f"benchmarks.{name}")])
def test_damaged_inputs_are_read_or_refused_with_a_message(name: str):
    found = importlib.import_module(f"benchmarks.{name}").run(N.get(name, 6), 2019)
    assert any(one.outcome == "refused" for one in found)
    assert not [str(one) for one in found if one.bad]
