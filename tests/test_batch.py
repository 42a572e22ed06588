"""Many sections scored with one model: results, tables, what is done already, and what cannot be scored."""

from __future__ import annotations

import csv
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from batch_parts import N_FIELDS, classified_sections, small_model
from storage_cases import change_facts, shard
from typer.testing import CliRunner

from hcc_scope.animal_scoring import animal_interval, animal_score, share_of_confidence
from hcc_scope.cli.acquisition_commands import app
from hcc_scope.errors import (
    CheckError,
    ModelMismatchError,
    ModelSelfTestError,
    StoreDamagedError,
    StoreError,
    UsageError,
)
from hcc_scope.executors.choice import open_executor
from hcc_scope.executors.this_process import ThisProcess
from hcc_scope.executors.versions import WorkerVersions
from hcc_scope.inference.card import read_card, write_card
from hcc_scope.runs import batch_worker, store_hashes
from hcc_scope.runs.batch import Batch, stores_given
from hcc_scope.runs.batch_report import describe_engines, write_report
from hcc_scope.runs.batch_result import ResultFolder, SectionResult, model_hash
from hcc_scope.runs.replay import start_replay
from hcc_scope.runs.scoring_model import load_scoring_model
from hcc_scope.runs.stamp_index import StampIndex
from hcc_scope.runs.store_hashes import StoreHashes
from hcc_scope.storage import files
from hcc_scope.storage.files import lock
from hcc_scope.storage.notes import NotesWriter
from hcc_scope.storage.packing import pack_store
from hcc_scope.storage.present_score import present_score
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.store_hash import store_hash
from tests.object_storage import object_storage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from typer.testing import Result

    from hcc_scope.executors.tasks import Executor, Task, TaskEnd
    from hcc_scope.runs.batch import BatchOutcome
    from hcc_scope.storage.reader import SectionStore

TABLES = ("sections.parquet", "sections.csv", "animals.parquet", "animals.csv", "failures.csv", "scores.svg")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two models: the sections were classified with the first."""
    folder = tmp_path_factory.mktemp("batch-models")
    return small_model(folder / "first"), small_model(folder / "second", seed=5, decision_threshold=0.52)


@pytest.fixture(scope="module")
def library(models: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four sections of two animals; not to be changed."""
    folder = tmp_path_factory.mktemp("library")
    classified_sections(models[0], folder, 4)
    return folder


@pytest.fixture
def copied(library: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    return shutil.copytree(library, tmp_path / "library")


def one_worker() -> Executor:
    return open_executor(1)


def scored(
    folder: Path, model: Path, out: Path, executor: Callable[[], Executor] = one_worker, **how: Callable[..., Any]
) -> tuple[BatchOutcome, dict[str, bytes]]:
    """Score a folder; return how it ended and the tables."""
    results = ResultFolder(out)
    batch = Batch(stores_given([folder]), model, "torchscript", results)
    outcome = batch.run(executor, **how)
    write_report(outcome, results, batch.card, batch.engine)
    return outcome, {name: (out / name).read_bytes() for name in TABLES if (out / name).exists()}


def rows(out: Path, table: str = "sections") -> list[dict[str, object]]:
    return pq.read_table(out / f"{table}.parquet").to_pylist()


class Eager(ThisProcess):
    """Takes all tasks before it begins the first, as several workers would."""

    def each(self, tasks: Iterable[Task], **how: Any) -> Iterator[TaskEnd]:  # noqa: ANN401
        yield from super().each(list(tasks), **how)


def never() -> Executor:
    raise AssertionError("there is something to score")


# -- scores and tables -------------------------------------------------------------------------------------------------


def test_scores_are_those_of_a_replay_and_stand_beside_the_recorded_ones(
    library: Path, models: tuple[Path, Path], tmp_path: Path
):
    second = models[1]
    outcome, _ = scored(library, second, tmp_path)
    assert (len(outcome.scored), outcome.failures, outcome.n_left) == (4, (), 0)
    scoring_model = load_scoring_model(second, "torchscript", lambda _: None)
    scores = {}
    for row in rows(tmp_path):
        store = open_store(library / f"{row['animal_id']}_{row['section_id']}.ome.zarr")
        replayed = start_replay(store, scoring_model).finish().outcome.score
        recorded = present_score(store)
        scores[row["animal_id"], row["section_id"]] = replayed
        assert (row["score"], row["interval_low"], row["interval_high"]) == (replayed.score, *replayed.interval)
        assert row["previous_score"] == recorded.score
        assert row["score_difference"] == replayed.score - recorded.score
        assert row["flip"] == ((replayed.score >= 0.52) != (recorded.score >= 0.5))
        assert (row["model"], row["previous_model"], row["tiles_compared"]) == ("second", "first", 4 * N_FIELDS)
    assert [(row["animal_id"], row["section_id"]) for row in rows(tmp_path)] == sorted(scores)
    for row in rows(tmp_path, "animals"):
        of_animal = [score for (animal, _), score in scores.items() if animal == row["animal_id"]]
        assert row["score"] == animal_score(of_animal)
        assert row["sections"] == 2
    account = json.loads((tmp_path / "batch.json").read_bytes())["previous"]
    assert (account["compared"], account["models"]) == (4, {"first": 4})
    assert account["flips"] == sum(bool(row["flip"]) for row in rows(tmp_path)) == len(account["flipped"])


def test_the_interval_of_an_animal_is_that_of_the_library(library: Path, models: tuple[Path, Path], tmp_path: Path):
    scored(library, models[0], tmp_path)
    stores = [open_store(library / f"M0_S{k}.ome.zarr") for k in range(2)]
    expected = animal_interval([present_score(store, share_of_confidence(2)) for store in stores])
    row = rows(tmp_path, "animals")[0]
    assert (row["interval_low"], row["interval_high"]) == expected
    assert row["score"] == row["previous_score"]


def test_a_batch_that_was_ended_goes_on_to_the_same_bytes(library: Path, models: tuple[Path, Path], tmp_path: Path):
    ends: list[object] = []
    whole = scored(library, models[1], tmp_path / "whole", on_progress=ends.append)[1]
    assert [one.done for one in ends] == [1, 2, 3, 4]
    ends.clear()
    cut, _ = scored(library, models[1], tmp_path / "cut", on_progress=ends.append, stop=lambda: len(ends) == 2)
    assert (len(cut.scored), cut.n_left) == (2, 2)
    left_over = next((tmp_path / "cut/results").iterdir()) / ".half.0123.part.json"
    left_over.write_text('{"version"')  # as after a kill
    again, tables = scored(library, models[1], tmp_path / "cut")
    assert (again.n_done_before, len(again.scored)) == (2, 4)
    assert tables == whole
    done, tables = scored(library, models[1], tmp_path / "cut", never)
    assert done.n_done_before == 4
    assert tables == whole


def test_a_damaged_result_is_made_again(library: Path, models: tuple[Path, Path], tmp_path: Path):
    _, before = scored(library, models[0], tmp_path)
    paths = sorted((tmp_path / "results").rglob("*.json"))
    result = SectionResult.parse(paths[0].read_bytes())
    assert SectionResult.parse(result.as_bytes()) == result
    paths[0].write_bytes(paths[0].read_bytes()[:100])
    paths[1].write_bytes(paths[2].read_bytes())
    outcome, tables = scored(library, models[0], tmp_path)
    assert outcome.n_done_before == 2
    assert tables == before


def test_another_threshold_of_the_same_weights_is_another_model(
    library: Path, models: tuple[Path, Path], tmp_path: Path
):
    scored(library, models[0], tmp_path / "out")
    other = shutil.copytree(models[0], tmp_path / "other")
    card = read_card(other)
    write_card(card.model_copy(update={"decision_threshold": 0.4, "temperature": 3.0}), other)
    assert model_hash(read_card(other)) != model_hash(card)
    outcome, _ = scored(library, other, tmp_path / "out")
    assert (outcome.n_done_before, outcome.failures) == (0, ())
    assert {row["threshold"] for row in rows(tmp_path / "out")} == {0.4}


def test_a_copy_of_a_section_counts_once(copied: Path, models: tuple[Path, Path], tmp_path: Path):
    shutil.copytree(copied / "M0_S0.ome.zarr", copied / "again" / "M0_S0.ome.zarr")
    outcome, _ = scored(copied, models[1], tmp_path / "out")
    assert len(outcome.scored) == 5
    assert len(list((tmp_path / "out/results").rglob("*.json"))) == 4
    counts = {row["store"]: row["counts_for_animal"] for row in rows(tmp_path / "out")}
    assert counts.pop(str(copied / "again" / "M0_S0.ome.zarr")) is False
    assert set(counts.values()) == {True}
    assert rows(tmp_path / "out", "animals")[0]["sections"] == 2


def test_a_copy_that_is_damaged_has_the_result_of_one_that_is_whole(
    copied: Path, models: tuple[Path, Path], tmp_path: Path
):
    whole = copied / "M0_S0.ome.zarr"
    others = [Path(shutil.copytree(whole, copied / name / whole.name)) for name in ("A", "B", "Z")]
    for damaged in (*others[:2], whole):
        shard(damaged, 1).unlink()
    for name in ("M0_S1", "M1_S0", "M1_S1"):
        shutil.rmtree(copied / f"{name}.ome.zarr")
    one_by_one, tables = scored(copied, models[1], tmp_path / "one")
    assert (len(one_by_one.scored), one_by_one.failures) == (4, ())
    at_once, beside = scored(copied, models[1], tmp_path / "two", Eager)
    assert (len(at_once.scored), at_once.failures) == (4, ())
    assert scored(copied, models[1], tmp_path / "one", never)[1] == tables == beside
    shard(others[2], 1).unlink()
    none, _ = scored(copied, models[1], tmp_path / "none", Eager)
    assert [Path(one.store) for one in none.failures] == [*others[:2], whole, others[2]]
    assert all(one.store in one.reason for one in none.failures)


def test_a_result_whose_engine_is_not_known_any_more_is_made_again(
    library: Path, models: tuple[Path, Path], tmp_path: Path
):
    _, before = scored(library / "M0_S0.ome.zarr", models[1], tmp_path)
    shutil.rmtree(tmp_path / "engines")
    outcome, tables = scored(library / "M0_S0.ome.zarr", models[1], tmp_path)
    assert (outcome.n_done_before, len(outcome.answers)) == (0, 1)
    assert tables == before


# -- what cannot be scored ---------------------------------------------------------------------------------------------


def test_a_section_that_cannot_be_scored_is_listed_and_the_others_go_on(
    copied: Path, models: tuple[Path, Path], tmp_path: Path
):
    damaged, changed, written = (copied / f"{name}.ome.zarr" for name in ("M0_S0", "M0_S1", "M1_S0"))
    shard(damaged, 1).unlink()
    shutil.copyfile(copied / "M1_S1.ome.zarr" / "zarr.json", changed / "zarr.json")
    root = (written / "zarr.json").read_bytes()
    change_facts(written, complete=False)
    (copied / "empty.ome.zarr").mkdir()
    with (written / "frames.jsonl").open("rb+") as journal:
        assert lock(journal.fileno())
        outcome, _ = scored(copied, models[1], tmp_path)
    found = {Path(failure.store).name: failure for failure in outcome.failures}
    assert list(found) == ["M0_S0.ome.zarr", "M0_S1.ome.zarr", "M1_S0.ome.zarr", "empty.ome.zarr"]
    assert "Frame 1 in" in found["M0_S0.ome.zarr"].reason
    assert "contradicts itself" in found["M0_S1.ome.zarr"].reason
    assert "is being written" in found["M1_S0.ome.zarr"].reason
    assert "is an empty folder" in found["empty.ome.zarr"].reason
    assert [failure.attempts for failure in outcome.failures[:2]] == [1, 1]  # trying again would not help
    assert [one.section_id for one in outcome.scored] == ["S1"]
    with (tmp_path / "failures.csv").open(newline="") as file:
        assert [row["reason"] for row in csv.DictReader(file)] == [one.reason for one in outcome.failures]
    (written / "zarr.json").write_bytes(root)
    again, _ = scored(copied, models[1], tmp_path)
    assert (again.n_done_before, len(again.scored), len(again.failures)) == (1, 2, 3)


def test_sections_of_another_pixel_size_are_refused_one_by_one(
    library: Path, models: tuple[Path, Path], tmp_path: Path
):
    coarse = shutil.copytree(models[0], tmp_path / "coarse")
    write_card(read_card(coarse).model_copy(update={"pixel_size_um": 0.65}), coarse)
    outcome, _ = scored(library, coarse, tmp_path / "out")
    assert {type(one.error) for one in outcome.failures} == {ModelMismatchError}
    assert [one.attempts for one in outcome.failures] == [1, 1, 1, 1]
    assert rows(tmp_path / "out") == []


def test_a_section_that_is_unreadable_for_a_moment_is_tried_again(
    library: Path, models: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    opened: list[Path] = []

    def open_later(path: Path) -> SectionStore:
        opened.append(path)
        if len(opened) < 3:
            raise StoreError(f"The store {path} cannot be read: Stale file handle")
        return open_store(path)

    monkeypatch.setattr(batch_worker, "open_store", open_later)
    outcome, _ = scored(library / "M0_S0.ome.zarr", models[0], tmp_path)
    assert (len(opened), len(outcome.scored)) == (3, 1)


@pytest.mark.parametrize("part", ["its end", "a line", "the header"])
def test_damaged_predictions_of_the_old_model_are_compared_with_nothing(
    part: str, copied: Path, models: tuple[Path, Path], tmp_path: Path
):
    store = copied / "M0_S0.ome.zarr"
    log = store / "predictions.jsonl"
    whole = log.read_bytes()
    at = {"its end": len(whole), "a line": whole.index(b"\n") + 40, "the header": 20}[part]
    log.write_bytes(whole[: at - 10] + (b"" if part == "its end" else b"#" + whole[at - 9 :]))
    outcome, _ = scored(store, models[1], tmp_path)
    assert outcome.failures == ()
    (row,) = rows(tmp_path)
    assert row["score"] is not None
    assert (row["previous_score"], row["tiles_compared"]) == (None, None)
    assert "recorded predictions are damaged, so it is compared with nothing" in str(row["remarks"])
    assert str(log) in str(row["remarks"])


def test_a_worker_of_other_versions_that_joins_later_is_reported_or_refused(
    library: Path, models: tuple[Path, Path], tmp_path: Path
):
    (here,) = one_worker().workers()
    later = replace(here, name="tcp://late:1", versions={**here.versions, "numpy": "1.0"})

    class Joined(ThisProcess):
        def each(self, tasks: Iterable[Task], **how: Any) -> Iterator[TaskEnd]:  # noqa: ANN401
            for n, end in enumerate(super().each(tasks, **how)):
                yield end if n == 0 else replace(end, worker=later)

    def run(out: Path, required_by: str | None) -> tuple[BatchOutcome, list[str]]:
        said: list[str] = []
        versions = WorkerVersions(said.append, required_by)
        how = {"on_open": lambda executor: versions.begin(executor.workers()), "refuse": versions.refuse}
        return scored(library, models[0], out, Joined, **how)[0], said

    outcome, said = run(tmp_path / "checked", "--check")
    assert (len(outcome.scored), said) == (1, [])
    assert {type(one.error) for one in outcome.failures} == {UsageError}
    assert "numpy is" in outcome.failures[0].reason
    assert "and 1.0 on tcp://late:1" in outcome.failures[0].reason
    assert outcome.failures[0].describe().startswith(f"{outcome.failures[0].store}: versions differ")
    assert len(list((tmp_path / "checked/results").rglob("*.json"))) == 1
    outcome, said = run(tmp_path / "free", None)
    assert (len(outcome.scored), outcome.failures) == (4, ())
    assert len(said) == 1
    assert said[0].endswith("and 1.0 on tcp://late:1")
    # what other versions made counts in the same folder, but not for a check
    for required_by, n_before in ((None, 4), ("--check", 1), ("--check", 4)):
        if n_before == 1:
            _age_results(tmp_path / "free", n=3)
        versions = WorkerVersions(said.append, required_by)
        outcome, _ = scored(library, models[0], tmp_path / "free", allow=versions.allow, refuse=versions.refuse)
        assert (outcome.n_done_before, len(outcome.scored)) == (n_before, 4)


def _age_results(out: Path, n: int) -> None:
    """Make results those of an older version, as the files state it."""
    for path in sorted((out / "results").rglob("*.json"))[:n]:
        result = json.loads(path.read_bytes())
        result["made_by"]["versions"]["numpy"] = "1.0"
        path.write_text(json.dumps(result), encoding="utf-8")


def test_engines_of_one_name_alone_are_compared(library: Path, models: tuple[Path, Path], tmp_path: Path):
    store = library / "M0_S0.ome.zarr"
    scored(store, models[0], tmp_path)
    (mine,) = ResultFolder(tmp_path).answers(model_hash(read_card(models[0]))).values()
    shutil.rmtree(tmp_path / "results")
    (tmp_path / "engines" / f"{mine.digest}.json").unlink()
    moved = tuple(one + 0.1 for one in mine.probabilities)
    other = replace(mine, engine="openvino 1", probabilities=moved, name="openvino-bf16")
    ResultFolder(tmp_path).write_answers(other)
    assert scored(store, models[0], tmp_path)[0].failures == ()
    assert ResultFolder(tmp_path).answers(mine.model_hash)[other.digest] == other


def test_engines_of_two_computers_may_differ_by_the_tolerance_and_no_more(
    library: Path, models: tuple[Path, Path], tmp_path: Path
):
    card = read_card(models[0])
    scored(library / "M0_S0.ome.zarr", models[0], tmp_path)
    (mine,) = ResultFolder(tmp_path).answers(model_hash(card)).values()

    def elsewhere(apart: float) -> None:
        other = replace(mine, engine="torchscript of another computer")
        moved = tuple(one + apart for one in mine.probabilities)
        ResultFolder(tmp_path).write_answers(replace(other, probabilities=moved))

    elsewhere(card.probability_tolerance / 2)
    outcome, _ = scored(library / "M0_S1.ome.zarr", models[0], tmp_path)
    assert [one.engine for one in outcome.answers] == [mine.engine]
    other = replace(mine, engine="another", probabilities=tuple(one + 0.005 for one in mine.probabilities))
    assert "differ by up to 0.005, within" in describe_engines((mine, other), card)
    elsewhere(card.probability_tolerance * 2)
    shutil.rmtree(tmp_path / "results")
    (tmp_path / "engines" / f"{mine.digest}.json").unlink()
    outcome, _ = scored(library / "M0_S1.ome.zarr", models[0], tmp_path)
    assert [type(one.error) for one in outcome.failures] == [ModelSelfTestError]
    assert "torchscript of another computer" in outcome.failures[0].reason


def test_a_store_and_a_link_to_it_are_one(library: Path, tmp_path: Path):
    store = library / "M1_S1.ome.zarr"
    (tmp_path / "a.ome.zarr").symlink_to(store)
    (tmp_path / "all").symlink_to(library)
    assert stores_given([tmp_path / "a.ome.zarr", store]) == [str(store)]
    assert stores_given([tmp_path / "all", library, tmp_path / "a.ome.zarr"]) == stores_given([library])
    both = [
        str(tmp_path / "a.ome.zarr"),
        *(str(tmp_path / "all" / f"{n}.ome.zarr") for n in ("M0_S0", "M0_S1", "M1_S0")),
    ]
    assert stores_given([tmp_path / "all", tmp_path / "a.ome.zarr"]) == both


# -- what a result rests on --------------------------------------------------------------------------------------------


def test_the_hash_of_a_store_changes_with_what_counts_and_with_nothing_else(copied: Path):
    store = copied / "M0_S0.ome.zarr"
    before = store_hash(store)
    assert store_hash(shutil.copytree(store, copied / "copy.ome.zarr")) == before
    assert store_hash(copied / "M0_S1.ome.zarr") != before
    notes = NotesWriter(store)
    notes.add("note", 'a remark: "kind":"exclude"')
    notes.add("label", "high")
    shard(store, 0).unlink()
    assert store_hash(store) == before
    notes.add("exclude", "fold", 1)
    excluded = store_hash(store)
    assert excluded != before
    notes.add("include", "", 1)
    assert store_hash(store) not in (before, excluded)
    change_facts(copied / "copy.ome.zarr", n_frames=3)
    assert store_hash(copied / "copy.ome.zarr") != before


def test_a_hash_is_kept_until_a_file_that_it_rests_on_is_another(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(files, "_YOUNG_S", -1000)  # files that were written just now are indexed, too
    hashed: list[Path] = []
    monkeypatch.setattr(store_hashes, "store_hash", lambda place: hashed.append(place) or store_hash(place))
    stores = sorted(copied.iterdir())

    def hashes(folder: Path = copied) -> list[str]:
        hashed.clear()
        index = StoreHashes(StampIndex(tmp_path / "index.sqlite", 1))
        found = [index.of(folder / store.name) for store in stores if store.exists()]
        index.close()
        return found

    before = hashes()
    assert hashed == stores
    assert hashes() == before
    assert hashed == []
    (tmp_path / "link").symlink_to(copied)
    assert hashes(tmp_path / "link") == before
    assert hashed == []
    NotesWriter(stores[0]).add("exclude", "fold", 1)
    change_facts(stores[1], n_frames=3)
    journal = stores[2] / "frames.jsonl"
    status, lines = journal.stat(), journal.read_bytes()
    journal.write_bytes(lines.replace(b"0", b"1", 1))  # in place, of the same size and time
    os.utime(journal, ns=(status.st_atime_ns, status.st_mtime_ns))
    after = hashes()
    changed = 3 if os.name != "nt" else 2  # there, no time shows a change in place
    assert hashed == stores[:changed]
    assert after == [store_hash(store) for store in stores[:changed]] + before[changed:]
    assert not set(after[:changed]) & set(before)
    shutil.rmtree(stores[3])
    hashes()
    assert set(StampIndex(tmp_path / "index.sqlite", 1).rows(os.path.realpath(copied))) == {s.name for s in stores[:3]}


def test_packing_a_store_leaves_its_hash(copied: Path):
    before = store_hash(copied / "M0_S0.ome.zarr")
    pack_store(copied / "M0_S0.ome.zarr")
    assert store_hash(copied / "M0_S0.ome.zarr") == before


# -- the command -------------------------------------------------------------------------------------------------------


def test_the_command_reports_and_checks(copied: Path, models: tuple[Path, Path], tmp_path: Path):
    def run(model: Path, *options: str) -> Result:
        words = ["batch", str(copied), "--model", str(model), "--out", str(tmp_path / "out"), "--workers", "1"]
        return CliRunner().invoke(app, [*words, "--engine", "torchscript", *options])

    done = run(models[0], "--check")
    assert done.exit_code == 0, done.output
    assert "4 sections scored." in done.stdout
    assert "4 of 4 sections lie on the same side" in done.stdout
    shutil.rmtree(copied / "M0_S0.ome.zarr" / "frames")
    done = run(models[1], "--json")
    assert isinstance(done.exception, StoreDamagedError)
    account = json.loads(done.stdout)
    assert (account["scored"], account["failed"], account["previous"]["compared"]) == (3, 1, 3)
    (copied / "M0_S0.ome.zarr").rename(copied / "aside")
    done = run(models[1], "--check")
    assert isinstance(done.exception, CheckError)
    assert "3 sections cannot be compared" in str(done.exception)


def test_two_workers_of_a_cluster_give_the_same_bytes(
    library: Path, models: tuple[Path, Path], tmp_path: Path, dask_cluster: str
):
    alone = scored(library, models[1], tmp_path / "alone")[1]
    ends: list[object] = []

    def connect() -> Executor:
        return open_executor(scheduler=dask_cluster)

    cut, _ = scored(library, models[1], tmp_path / "out", connect, on_progress=ends.append, stop=lambda: bool(ends))
    assert cut.scored
    outcome, tables = scored(library, models[1], tmp_path / "out", connect)
    assert outcome.n_done_before == len(cut.scored)
    assert tables == alone


def test_stores_on_object_storage_have_the_results_of_their_folders(
    library: Path, models: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local, local_tables = scored(library, models[1], tmp_path / "local")
    with object_storage(tmp_path / "served") as server:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_ENDPOINT_URL_S3"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
        shutil.copytree(library, server.folder / "library")
        address = Path("s3://lab/library")  # as the command line has it
        remote, remote_tables = scored(address, models[1], tmp_path / "remote")
        again, _ = scored(address, models[1], tmp_path / "local")
    assert [one.key for one in remote.scored] == [one.key for one in local.scored]
    assert not remote.failures
    assert again.n_done_before == 4
    for name in ("sections.csv", "animals.csv"):
        assert remote_tables[name].replace(b"s3://lab/library", str(library).encode()) == local_tables[name]
