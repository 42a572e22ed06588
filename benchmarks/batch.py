"""What `hcc-scope batch` takes: to skip what is done, to be killed and go on, and with more workers.

- ``python -m benchmarks batch resume [--sections 10000]``: seconds from start to end of the command, when all sections
  are done.
- ``same [--sections 50]``: alone, on two local workers and on a cluster of two, each killed in the middle and started
  again: the tables have to be the same, byte for byte.
- ``scaling [--sections 24]``: sections an hour with 1, 2 ... workers of one thread each, and what this process takes of
  the time.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.library import SETTLED_S, write_section
from benchmarks.processes import COMMAND, timed
from hcc_scope.cores import usable_cores
from hcc_scope.executors.choice import open_executor
from hcc_scope.executors.local import LocalExecutor
from hcc_scope.inference.base import DEFAULT_MODEL, REFERENCE
from hcc_scope.runs.batch import Batch, stores_given
from hcc_scope.runs.batch_result import ResultFolder, ResultKey
from hcc_scope.runs.scoring_model import load_scoring_model
from hcc_scope.runs.section import start_section
from hcc_scope.storage.store_hash import store_hash
from hcc_scope.types import Frame, RunSpec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from hcc_scope.progress import Progress
    from hcc_scope.protocols import StopSignal
    from hcc_scope.runs.scoring_model import ScoringModel

_TABLES = ("sections.parquet", "sections.csv", "animals.parquet", "animals.csv", "failures.csv", "scores.svg")
_COMMAND = (*COMMAND, "batch")
_RESUME_LIMIT_S = 5.0
"""For 10,000 sections."""
_JOURNAL_LINE = 430
"""Bytes of one line of a journal, about."""
_FIELDS = 24


class _Scenes:
    """Fields of one section, from the model's test tiles; a `hcc_scope.protocols.FrameSource`."""

    live = False

    def __init__(self, scoring_model: ScoringModel, n: int, n_fields: int, side_px: int) -> None:
        self.spec = RunSpec(
            (side_px, side_px), 16, 0.325, f"M{n // 5}", f"S{n % 5}", sampling="random", expected_frames=n_fields,
            model_sha256=scoring_model.model.card.sha256, provenance={**scoring_model.facts, "specimen": "phantom"},
        )  # fmt: skip
        self._n, self._n_fields = n, n_fields
        self._tiles = scoring_model.model.test_input
        self._n_side = side_px // self._tiles.shape[1]

    def frames(self, stop: StopSignal) -> Iterator[Frame]:
        for seq in range(self._n_fields):
            rng = np.random.default_rng((self._n, seq))
            chosen = rng.integers((len(self._tiles), 4), size=(self._n_side, self._n_side, 2))
            pixels = np.block([[np.rot90(self._tiles[tile], turn) for tile, turn in row] for row in chosen])
            pixels.flags.writeable = False
            yield Frame(seq, pixels, 0, datetime.now(UTC), 10.0, self.spec.section_id, pixel_size_um=0.325)


def _write_stores(folder: Path, n: int, *, n_fields: int, side_px: int) -> None:
    scoring_model = load_scoring_model(DEFAULT_MODEL, REFERENCE, lambda _: None)
    for k in range(n):
        start_section(_Scenes(scoring_model, k, n_fields, side_px), scoring_model, folder).finish()


# -- what is done is skipped -------------------------------------------------------------------------------------------


def resume_s(folder: Path, n_sections: int) -> float:
    """Return the seconds from start to end of the command over sections that are all done, as most often.

    The stores and the results are made in `folder`. The first time, each store is hashed; from then on, the index has
    the hashes.
    """
    library, out = folder / "library", folder / "out"
    library.mkdir()
    first = folder / "first"
    first.mkdir()
    _write_stores(first, 1, n_fields=1, side_px=1024)
    results = ResultFolder(out)
    batch = Batch(stores_given([first]), DEFAULT_MODEL, REFERENCE, results)
    (scored,) = batch.run(lambda: open_executor(1)).scored
    template = results.read(scored.key)
    journal = b"".join(b"%0*d\n" % (_JOURNAL_LINE - 1, seq) for seq in range(_FIELDS))
    for k in range(n_sections):
        store = write_section(library, k)
        (store / "frames.jsonl").write_bytes(journal)
        key = ResultKey(store_hash(store), batch.model_hash, REFERENCE)
        path = out / "results" / key.store_hash[:2] / key.name
        path.parent.mkdir(exist_ok=True)
        result = replace(template, key=key, animal_id=f"M{k // 5}", section_id=f"s{k}", n_frames=_FIELDS)
        path.write_bytes(result.as_bytes())
    shutil.rmtree(first)
    time.sleep(SETTLED_S)
    arguments = ["batch", str(library), "--model", DEFAULT_MODEL, "--out", str(out)]
    for what in ("no hash of a store in the index", "again"):
        seconds, shown = timed(
            f"{n_sections:,} done sections skipped, tables written, {what}",
            arguments,
            folder / "cache",
            _RESUME_LIMIT_S,
        )
        assert f"{n_sections:,} sections scored, {n_sections:,} of them before" in shown, shown
    return seconds


# -- the same bytes ----------------------------------------------------------------------------------------------------


def _killed_and_again(library: Path, out: Path, *how: str) -> dict[str, bytes]:
    """Run the command, kill it with a part of the sections done, run it again; return the tables."""
    command = [*_COMMAND, str(library), "--model", DEFAULT_MODEL, "--engine", REFERENCE, "--out", str(out), *how]
    n_stores = len(stores_given([library]))
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while running.poll() is None and len(ResultFolder(out).names()) < n_stores // 3:
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    running.wait()
    n_done = len(ResultFolder(out).names())
    done = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert f"{n_stores} sections scored, {n_done} of them before" in done, done
    print(f"{' '.join(how)}: killed after {n_done} of {n_stores} sections, and ended")
    return {name: (out / name).read_bytes() for name in _TABLES}


@contextmanager
def _cluster(n_workers: int) -> Iterator[str]:
    from distributed import LocalCluster

    with LocalCluster(n_workers=n_workers, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster.scheduler_address


def same(folder: Path, n_sections: int) -> None:
    """Compare the tables of one worker, of two, and of a cluster of two."""
    library = folder / "library"
    library.mkdir()
    _write_stores(library, n_sections, n_fields=4, side_px=1024)
    tables = {}
    for workers in (1, 2):
        tables[f"{workers} local"] = _killed_and_again(library, folder / f"out-{workers}", "--workers", str(workers))
    with _cluster(2) as address:
        tables["cluster of 2"] = _killed_and_again(library, folder / "out-cluster", "--scheduler", address)
    first = tables["1 local"]
    for name, found in tables.items():
        different = [table for table in _TABLES if found[table] != first[table]]
        print(f"{name}: {'the same tables, byte for byte' if not different else f'DIFFERENT: {different}'}")
        assert not different


# -- more workers ------------------------------------------------------------------------------------------------------


def scaling(folder: Path, n_sections: int, side_px: int) -> None:
    """Time batches with more and more workers of one thread each; the start of workers is left out."""
    library = folder / "library"
    library.mkdir()
    _write_stores(library, n_sections, n_fields=_FIELDS, side_px=side_px)
    stores = stores_given([library])
    base_s = 0.0
    for n in range(1, usable_cores() + 1):
        results = ResultFolder(folder / f"out-{n}")
        batch = Batch(stores, DEFAULT_MODEL, REFERENCE, results)
        began_s, own_s, done = 0.0, 0.0, 0

        def on_progress(step: Progress, n: int = n) -> None:
            nonlocal began_s, own_s, done
            done = step.done
            if done == n:  # every worker is warm
                began_s, own_s = time.perf_counter(), sum(os.times()[:2])

        batch.run(lambda n=n: LocalExecutor(n, 1), on_progress=on_progress)  # type: ignore[misc]
        seconds, own_s = time.perf_counter() - began_s, sum(os.times()[:2]) - own_s
        per_section_s = seconds / (done - n)
        base_s = base_s or per_section_s
        keys = [ResultKey(store_hash(Path(one)), batch.model_hash, REFERENCE) for one in stores]
        made_by = [results.read(key).made_by or {} for key in keys]
        at_work_s = sum(one["processor_seconds"] for one in made_by) / len(made_by)
        print(
            json.dumps(
                {
                    "workers": n,
                    "sections_per_hour": round(3600 / per_section_s),
                    "processor_seconds_a_section": round(at_work_s, 2),
                    "speed_up": round(base_s / per_section_s, 2),
                    "own_milliseconds_a_section": round(1000 * own_s / (done - n), 2),
                }
            )
        )


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks batch", description=__doc__)
    parser.add_argument("what", choices=("resume", "same", "scaling"))
    parser.add_argument("--sections", type=int, help="Default: 10000, 50 or 24.")
    parser.add_argument("--side-px", type=int, default=1024, help="Side of a frame, for scaling: 512, 1024 ...")
    parser.add_argument("--folder", type=Path, help="An empty folder to work in. Default: a temporary one.")
    asked = parser.parse_args()
    where: AbstractContextManager[str] = (
        tempfile.TemporaryDirectory() if asked.folder is None else nullcontext(str(asked.folder))
    )
    with where as name:
        match asked.what:
            case "resume":
                resume_s(Path(name), asked.sections or 10_000)
            case "same":
                same(Path(name), asked.sections or 50)
            case _:
                scaling(Path(name), asked.sections or 24, asked.side_px)


if __name__ == "__main__":
    main()
