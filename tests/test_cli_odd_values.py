"""Every option of every command with odd values: one sentence, a code of its own, nothing left behind, no bug."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from benchmarks.fuzz_options import BASES, cases_of, make_inputs, options, what_is_wrong
from hcc_scope.cli.acquisition_commands import app  # noqa: F401 - imported once, before anything is timed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices with a path")

OPTIONS = options()


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("odd")
    make_inputs(folder)
    yield folder
    (folder / "shut").chmod(0o700)
    shutil.rmtree(folder)


def test_every_command_that_takes_values_is_tried():
    tried = {command for command, _ in OPTIONS}
    assert tried == set(BASES)
    assert len(OPTIONS) > 80


@pytest.mark.parametrize(("command", "option"), OPTIONS, ids=lambda value: value.replace(" ", "-"))
def test_an_odd_value_is_refused_in_one_sentence(command: str, option: str, inputs: Path):
    wrong = []
    for case in cases_of(command, option, OPTIONS[command, option]):
        found, _ = what_is_wrong(case.payload, inputs)
        if found is not None:
            wrong.append(f"{case.name}: {found}")
    assert not wrong
