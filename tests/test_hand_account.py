"""The account of a section by hand: where positions come from, and what the operator overruled or took back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.by_hand.words import UNDONE
from hcc_scope.position_tags import FORCED_TAG, PositionOrigin, position_tags
from hcc_scope.report.hand_account import stored_hand_account
from hcc_scope.storage.notes import NotesWriter
from hcc_scope.storage.writer import create_store
from tests.report_parts import page_text
from tests.storage_cases import make_frame, make_spec

if TYPE_CHECKING:
    from pathlib import Path

    from hcc_scope.types import Sampling

UNKNOWN = PositionOrigin("unknown")
FIELDS = (
    (PositionOrigin("tracked", 0, 0.0), None),
    (PositionOrigin("tracked", 0, 0.41), "blurred"),
    (PositionOrigin("tracked", 1, 0.0), None),
    (UNKNOWN, "lost"),
    (UNKNOWN, "lost"),
)


def stored(folder: Path, sampling: Sampling) -> Path:
    sink = create_store(folder, make_spec(sampling=sampling, tile_px=32))
    for seq, (origin, word) in enumerate(FIELDS):
        tags = position_tags(origin) | ({} if word is None else {FORCED_TAG: word})
        place = None if origin is UNKNOWN else (10.0 * seq, 0.0, None)
        sink.append(make_frame(seq, stage_um=place, tags=tags))
    sink.close()
    return sink.path


def test_the_account_is_read_from_the_store_and_is_the_same_in_summary_and_report(tmp_path: Path):
    path = stored(tmp_path, "chosen")
    notes = NotesWriter(path)
    notes.add("exclude", UNDONE, seq=2)
    notes.add("exclude", "a fold", seq=0)
    account = stored_hand_account(path, "chosen")
    assert account is not None
    assert account.as_json() == {
        "positions": {"stage": 0, "tracked": 3, "unknown": 2},
        "islands": 2,
        "largest_position_se_um": 0.41,
        "kept_anyway": {"lost": 2, "blurred": 1},
        "undone": 1,
    }
    page = page_text(path)
    for words in (
        "3 fields kept all the same, against a rule of capture (2 lost, 1 blurred).",
        "2 fields without a known position.",
        "<h2>Captured by hand</h2>",
        '<tr><td>captures undone</td><td class="n">1</td></tr>',
        "0.41 um",
    ):
        assert words in page


def test_a_section_of_a_motorised_stage_has_no_such_account(tmp_path: Path):
    path = stored(tmp_path, "random")
    assert stored_hand_account(path, "random") is None


def test_a_store_that_is_gone_has_none_either(tmp_path: Path):
    assert stored_hand_account(tmp_path / "no.ome.zarr", "guided") is None
