"""Exports by command: several sections in several kinds, what is refused before anything is written, and cancelling."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from library_parts import stored_section

from hcc_scope.errors import StoreExistsError, UsageError
from hcc_scope.exports.kinds import KINDS, all_options, kinds_named
from hcc_scope.exports.target import exported
from hcc_scope.runs.export_sections import SectionExport, describe_exported
from hcc_scope.storage.files import lock
from hcc_scope.storage.find_stores import find_stores
from hcc_scope.storage.naming import JOURNAL
from hcc_scope.workers import Worker
from tests.commands import cli

if TYPE_CHECKING:
    from hcc_scope.progress import Progress


def test_no_two_kinds_have_one_name_or_one_ending() -> None:
    assert len({kind.name for kind in KINDS}) == len({kind.ending for kind in KINDS}) == len(KINDS)
    for option in all_options():
        (same,) = {one for kind in KINDS for one in kind.options if one.name == option.name}
        assert same == option


def test_several_sections_go_out_in_several_kinds_and_one_that_cannot_be_read_stops_no_other(tmp_path: Path) -> None:
    first, second = (stored_section(tmp_path, section_id=name) for name in ("S1", "S2"))
    (first / "zarr.json").write_text("{}")
    (first / "hcc_scope.json").unlink()
    done = cli("export", first, second, "--as", "fields", "--as", "frames", "--out", tmp_path / "out", "--json")
    assert done.code == 35
    by_target = {(one["store"], one["kind"]): one for one in done.json["exports"]}
    assert by_target[str(second), "frames"]["path"] == str(tmp_path / "out" / "M1_S2-frames.ome.tif")
    assert by_target[str(second), "fields"]["what"].startswith("4 fields")
    assert by_target[str(first), "fields"]["path"] is None
    assert str(first) in by_target[str(first), "fields"]["error"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["M1_S2-fields.zarr", "M1_S2-frames.ome.tif"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "--as is missing: it names what is written. There are: fields, frames"),
        (["--as", "tiff"], "--as cannot be 'tiff'. There are: fields, frames"),
        (["--as", "fields", "--ngff", "0.6"], "--ngff cannot be '0.6'. There are: 0.5."),
        (
            ["--as", "frames", "--files", "copied"],
            "--files has no effect on what --as names. It belongs to --as fields",
        ),
        (["--as", "frames", "--as", "fields"], "M1_S1-fields.zarr is already there and is never overwritten"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_before_anything_is_written(
    tmp_path: Path, options: list[str], words: str
) -> None:
    store = stored_section(tmp_path)
    (tmp_path / "M1_S1-fields.zarr").touch()
    done = cli("export", store, *options)
    assert done.code in (UsageError.exit_code, StoreExistsError.exit_code)
    assert words in done.err
    assert done.err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["M1_S1-fields.zarr", "M1_S1.ome.zarr"]


def test_two_sections_of_one_name_need_two_folders(tmp_path: Path) -> None:
    stores = [stored_section(tmp_path / day) for day in ("monday", "tuesday")]
    with pytest.raises(UsageError, match="Two of the sections would be exported as"):
        SectionExport(stores, ["frames"], out_dir=tmp_path)
    found = SectionExport([*stores, stores[0]], ["frames"]).run()
    assert [one.target.parent.name for one in found] == ["monday", "tuesday"]
    assert describe_exported(found) == "2 exports written."


def test_a_section_whose_run_has_not_ended_is_exported_and_states_it_once(tmp_path: Path) -> None:
    store = stored_section(tmp_path, ended=False)
    first, second = SectionExport([store], ["fields", "frames"]).run()
    why = "Its run was not ended in order: what was stored until now is exported."
    assert first.describe().endswith(why)
    assert second.outcome is not None
    assert second.outcome.left_out == ()
    with (store / JOURNAL).open("rb+") as file:
        assert lock(file.fileno())
        done = cli("export", store, "--as", "csv")
    assert done.code == 0
    assert "  Its run is under way: what was stored until now is exported.\n" in done.out


def test_an_export_removes_what_a_killed_one_left_and_nothing_of_one_under_way(tmp_path: Path) -> None:
    target = tmp_path / "M1-fields.zarr"
    target.mkdir()
    other = tmp_path / "M1-frames.ome.tif"
    with exported(other, 0) as alive:
        alive.touch()
        dead = tmp_path / f".{target.stem}.0123abcd.part.zarr"
        (dead / "0").mkdir(parents=True)
        Path(f"{dead}.lock").touch()
        of_other = tmp_path / ".M1-frames.ome.0123abcd.part.tif"
        of_other.touch()
        Path(f"{of_other}.lock").touch()
        unknown = tmp_path / ".M1-fields.89abcdef.part.zarr"
        unknown.mkdir()  # without a lock, as an earlier version leaves it
        target.rmdir()
        with exported(target, 0) as part:
            part.mkdir()
            assert not dead.exists()
            assert not Path(f"{dead}.lock").exists()
        assert alive.exists()
        with exported(tmp_path / "again" / other.name, 0) as elsewhere:
            elsewhere.touch()
        other_again = tmp_path / "M1-frames.ome.tif"
        with exported(other_again, 0) as part:
            assert alive.exists()
            assert not of_other.exists()
            part.touch()
        other_again.unlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == [unknown.name, target.name, other.name, "again"]


def test_a_cancelled_export_leaves_nothing_half_made_and_keeps_what_is_whole(tmp_path: Path) -> None:
    store = stored_section(tmp_path)

    def cancel_in_second(step: Progress) -> None:
        if step.stage.endswith("frames") and step.done == 2:
            export.cancel()

    export = SectionExport([store], ["fields", "frames"], on_progress=cancel_in_second)
    found = export.run()
    assert [one.outcome is None for one in found] == [False, True]
    assert found[1].error is None
    assert found[1].describe() == "M1_S1-frames.ome.tif: cancelled."
    assert describe_exported(found) == "1 export written, 1 cancelled."
    assert sorted(path.name for path in tmp_path.iterdir()) == ["M1_S1-fields.zarr", "M1_S1.ome.zarr"]
    now = export.progress()
    assert now.done == now.total


def test_a_held_export_waits_and_goes_on(tmp_path: Path) -> None:
    export = SectionExport([stored_section(tmp_path)], ["frames"])
    export.hold()
    worker = Worker("export", export.run, lambda error, _where: pytest.fail(str(error)))
    worker.start()
    assert not worker.join(0.3)
    assert export.held
    assert not (tmp_path / "M1_S1-frames.ome.tif").exists()
    export.go_on()
    assert worker.join(30)
    assert (tmp_path / "M1_S1-frames.ome.tif").is_file()


def test_a_library_does_not_look_through_exports(tmp_path: Path) -> None:
    store = stored_section(tmp_path)
    SectionExport([store], ["fields"]).run()
    stored_section(tmp_path / "M1_S1-fields.zarr", section_id="S2")
    assert find_stores([tmp_path]) == [store]


def test_kinds_are_taken_once_in_the_order_of_their_names() -> None:
    assert [kind.name for kind in kinds_named(["frames", "fields", "frames"])] == ["frames", "fields"]
