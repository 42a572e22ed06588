"""Unfinished sections are found and recovered, several at once; what their stores record of an animal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from storage_cases import make_frame, make_spec

from hcc_scope.errors import StoreError
from hcc_scope.runs.unfinished import Unfinished, describe_unfinished, find_unfinished, recover_all
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.writer import create_store

if TYPE_CHECKING:
    from pathlib import Path


def unfinished(folder: Path, animal_id: str) -> Path:
    with create_store(folder, make_spec(animal_id=animal_id)) as writer:
        writer.append(make_frame(0))
    return writer.path


def test_a_section_that_cannot_be_recovered_does_not_keep_the_others_from_it(tmp_path: Path):
    first, second, third = (unfinished(tmp_path, animal_id) for animal_id in ("A", "B", "C"))
    assert [one.path for one in find_unfinished([tmp_path])] == [first, second, third]
    for name in ("zarr.json", "hcc_scope.json"):
        (first / name).write_bytes(b"{")
    with pytest.raises(StoreError, match=r"A_S2.* cannot be read: .*; 2 other sections recovered"):
        recover_all([first, second, third])
    assert [open_store(path).complete for path in (second, third)] == [True, True]
    assert recover_all([second]) == ["B_S2.ome.zarr: 1 frame is valid again."]


def test_damage_that_recovery_cannot_mend_is_reported(tmp_path: Path):
    path = unfinished(tmp_path, "A")
    with (path / "frames.jsonl").open("ab") as file:
        file.write(b"nonsense\n")
    (sentence,) = recover_all([path])
    assert "line 2 of" in sentence


def test_a_few_unfinished_sections_are_named_and_the_others_counted(tmp_path: Path):
    found = [Unfinished(tmp_path, "M7", f"S{n}") for n in range(5)]
    one = describe_unfinished(found[:1])
    assert one.startswith("Not ended in order: M7 S0. ")
    assert one.endswith("recover it to go on.")
    assert describe_unfinished(found[:3]).startswith("Not ended in order: M7 S0, M7 S1, M7 S2. ")
    assert describe_unfinished(found).startswith("Not ended in order: M7 S0, M7 S1, M7 S2 and 2 more. ")
