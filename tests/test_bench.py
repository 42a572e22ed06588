"""The benchmark runs and reports what it promises to report; how fast anything is, is no matter of tests."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import benchmarks.__main__ as measurements
from benchmarks import peers
from benchmarks.peers import gemm
from benchmarks.peers.page import PAGE, RESULT, write_page
from benchmarks.peers.writers import missing_package
from hcc_scope import resources
from hcc_scope.bench.figures import fps_account, paired_ratio, percentiles, stage_percentiles
from hcc_scope.bench.machine import busy_warning, describe_machine
from hcc_scope.bench.peers import NO_PEERS, find_peers
from hcc_scope.bench.processes import ContenderProcess, take_turns
from hcc_scope.bench.ratios import ratios_of, targets_of
from hcc_scope.bench.suite import QUICK, Suite
from hcc_scope.bench.worker import make_contender
from hcc_scope.cli.bench import run_bench
from hcc_scope.errors import HccScopeError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DOCS = Path(__file__).resolve().parent.parent / "docs"
MODEL = "phantom-meng2019"
ONE_CORE_PER_PROCESS = ("hcc_scope.bench.live:LiveContender", "benchmarks.peers.plain:PlainLive")
SMALL_BUFFER = {"buffer_size_mb": 64}
"""The core fills the usual GiB with zeros, half a second for each of them."""


class InProcess:
    """A contender in this process: it saves the imports, some seconds each. Its answers are still JSON."""

    def __init__(self, target: str, setup: Mapping[str, object]) -> None:
        self._contender = make_contender(target, json.loads(json.dumps(dict(setup))))

    def wait_ready(self) -> dict[str, Any]:
        return json.loads(json.dumps(self._contender.facts, allow_nan=False))

    def round(self, **request: object) -> dict[str, Any]:
        answer = self._contender.round(json.loads(json.dumps(request)))
        return {**json.loads(json.dumps(answer, allow_nan=False)), "peak_mib": 1.0, "grown_mib": 0.0}

    def __enter__(self) -> InProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self._contender.close()


class Bench:
    """Runs parts of the quick suite; contenders that need a Micro-Manager core are processes, and serve all tests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._processes: dict[tuple[str, str], ContenderProcess] = {}

    def measure(self, *parts: str, compared: bool = True) -> dict[str, Any]:
        """Return what was measured; it has been JSON. Nothing stays on the disk."""
        suite = Suite(
            folder=self.folder,
            model=MODEL,
            scale=QUICK,
            engine="torchscript",
            say=lambda words: None,
            peers=find_peers() if compared else None,
            start=self._start,  # type: ignore[arg-type]  # what the suite uses of a contender
        )
        result = json.loads(json.dumps(suite.run(parts), allow_nan=False))
        assert list(self.folder.iterdir()) == []
        return result

    def _start(self, name: str, target: str, setup: Mapping[str, object]) -> InProcess | Kept:
        if target not in ONE_CORE_PER_PROCESS:
            return InProcess(target, setup)
        key = (target, json.dumps(dict(setup)))
        if key not in self._processes:
            self._processes[key] = ContenderProcess(name, target, {**setup, **SMALL_BUFFER})
        return Kept(self._processes[key])

    def close(self) -> None:
        for process in self._processes.values():
            process.close()


class Kept:
    """A process that stays for the next test."""

    def __init__(self, process: ContenderProcess) -> None:
        self.wait_ready, self.round = process.wait_ready, process.round

    def __enter__(self) -> Kept:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    import torch

    threads = torch.get_num_threads()
    made = Bench(tmp_path_factory.mktemp("bench"))
    yield made
    made.close()
    torch.set_num_threads(threads)  # the roofline sets it, for its own process as it believes


def numbers(value: object) -> list[float]:
    """Return every number in a result."""
    if isinstance(value, dict):
        return [number for one in value.values() for number in numbers(one)]
    if isinstance(value, list):
        return [number for one in value for number in numbers(one)]
    return [float(value)] if isinstance(value, int | float) and not isinstance(value, bool) else []


def test_classify_and_roofline(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gemm, "_SIDES", (256,))  # the processor's true peak takes larger ones, for longer
    monkeypatch.setattr(gemm, "_BUDGET_S", 0.02)
    result = bench.measure("roofline")
    classified = result["classify"]
    assert {"torchscript", "plain_batch16", "plain_tilewise"} <= set(classified)
    for one in classified.values():
        assert one["fps_min"] <= one["fps"] <= one["fps_max"]
        assert one["peak_mib"] > 0
        assert one["cpu_s_per_100_frames"] > 0
    assert result["ratios"]["classify.best_to_plain_batch16"] > 0
    # the paper's network by hand: five 3 x 3 convolutions at 512, 256, 128, 64, 32 px; the last sum is no product
    convolutions = ((512, 1, 16), (256, 16, 16), (128, 16, 16), (64, 16, 8), (32, 8, 8))
    by_hand = sum(side**2 * 9 * n_in * n_out for side, n_in, n_out in convolutions)
    assert result["roofline"]["gmac_per_frame"] == pytest.approx(by_hand / 1e9, rel=1e-3)
    assert set(result["roofline"]["peak_gmac_s"]) == {"fp32", "bf16"}
    assert result["roofline"]["engines"]["torchscript"]["share_of_peak"] > 0


def test_store(bench: Bench) -> None:
    result = bench.measure("store")
    stored = result["store"]
    assert {"ours", "zarr_python"} <= set(stored)
    for one in stored.values():
        assert one["fps"] > 0
        (paced,) = one["paced"].values()
        assert paced["lag_ms"]["p50"] <= paced["lag_ms"]["p95"] <= paced["lag_ms"]["p99"]
    # the same codec on the same frames: nearly the same bytes, beside a journal and small files
    assert stored["ours"]["mib"] == pytest.approx(stored["zarr_python"]["mib"], rel=0.02)
    assert result["ratios"]["store.ours_to_zarr_python"] > 0
    for peer in ("acquire_zarr", "ome_writers"):
        assert (peer in stored) != (f"store.{peer}" in result["skipped"])
        assert (peer in stored) == (missing_package(peer) is None)


def test_end_to_end_and_its_page(bench: Bench, tmp_path: Path) -> None:
    result = bench.measure("end_to_end")
    sides = result["end_to_end"]["512"]
    assert sides["ours"]["fps"] > 0
    assert sides["plain"]["fps"] > 0
    assert min(sides[name]["peak_mib"] for name in ("ours", "plain")) > 1.0  # looked at from outside the process
    counts = sides["sustained"]["counts"]
    assert counts["classified"] == counts["stored"] == counts["acquired"] == sides["sustained"]["frames"]
    assert result["ratios"]["end_to_end.512.ours_to_plain"] > 0
    paths = write_page(result, tmp_path / "docs")
    assert {path.name for path in paths} == {PAGE, RESULT, "end_to_end.svg"}
    assert "pycromanager" in paths[0].read_text(encoding="utf-8")


def test_latency_and_replay(bench: Bench) -> None:
    result = bench.measure("latency", "replay")
    for stage in ("acquire", "queue", "quality", "tile", "classify", "score", "total"):
        values = result["latency_ms"][stage]
        assert 0 <= values["p50"] <= values["p95"] <= values["p99"]
    assert result["latency_ms"] == result["latency"]["20"]["stages"]
    for one in result["replay"].values():
        assert one["fps"] > 0
        assert one["read_fps"] > 0
    assert all(math.isfinite(number) for number in numbers(result))


def test_tracking_and_its_page(bench: Bench, tmp_path: Path) -> None:
    result = bench.measure("tracking")
    sides = result["tracking"]
    assert set(sides) == {"ours", "plain"}
    assert sides["ours"]["tracked"] == sides["ours"]["frames"]
    assert result["ratios"]["tracking.ours_to_plain"] > 0
    page = write_page(result, tmp_path)[0].read_text(encoding="utf-8")
    assert "## Tracking" in page
    assert "scipy.fft at full size" in page


def test_training_and_its_page(bench: Bench, tmp_path: Path) -> None:
    result = bench.measure("training")
    sides = result["training"]["meng2019"]
    assert (sides["ours"]["frames"], sides["plain"]["frames"]) == (8, 16)
    assert "float32" in sides["plain"]["engine"]
    assert result["ratios"]["training.meng2019.ours_to_plain"] > 0
    page, _, plot = write_page(result, tmp_path / "docs")
    assert plot.name == "training.svg"
    assert "tiles/s" in page.read_text(encoding="utf-8")


def test_without_peers_our_own_side_is_measured(bench: Bench, tmp_path: Path) -> None:
    result = bench.measure("store", "end_to_end", "training", "tracking", compared=False)
    assert set(result["tracking"]) == {"ours"}
    assert set(result["store"]) == {"ours"}
    assert set(result["end_to_end"]["512"]) == {"ours", "sustained"}
    assert set(result["training"]["meng2019"]) == {"ours"}
    assert result["skipped"] == {"peers": NO_PEERS}
    assert result["ratios"] == {}
    page, *_ = write_page(result, tmp_path)  # in a checkout, of a result that was measured elsewhere
    assert NO_PEERS in page.read_text(encoding="utf-8")


def test_without_peers_the_engines_are_compared_with_each_other(tmp_path: Path) -> None:
    classified = {name: {"fps": fps, "fps_rounds": [fps]} for name, fps in (("torchscript", 2.0), ("openvino", 5.0))}
    assert ratios_of({"classify": classified}) == {"classify.best_to_fp32_torchscript": 2.5}
    suite = Suite(tmp_path, MODEL, QUICK, "torchscript", say=lambda words: None)
    assert suite.roofline(classified) is None  # the processor's peak is one of the peers


def test_peers_are_found_in_a_checkout_and_not_in_a_wheel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert find_peers() is peers
    (tmp_path / "hcc_scope" / "_data").mkdir(parents=True)
    monkeypatch.setattr(resources, "_PACKAGE", tmp_path / "hcc_scope")
    assert find_peers() is None
    with pytest.raises(UsageError, match="--plots needs a checkout"):
        run_bench(
            json_file=None,
            only=[],
            quick=True,
            plots=tmp_path / "docs",
            from_file=DOCS / "benchmarks" / RESULT,
            out=None,
            model_name=MODEL,
            engine=None,
        )
    assert not (tmp_path / "docs").exists()


def test_a_contender_that_cannot_start_states_the_reason() -> None:
    setup = {"engine": "odd", "model": MODEL, "side_px": 512}
    with ContenderProcess("odd", "hcc_scope.bench.engines:EngineContender", setup) as process:
        with pytest.raises(HccScopeError, match="odd failed while getting ready: ModelError: there is no engine"):
            process.wait_ready()


def test_contenders_take_turns_in_changing_order(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    class Listed:
        def __init__(self, name: str) -> None:
            self.name = name

        def round(self, **request: object) -> dict[str, Any]:
            order.append(self.name)
            return dict(request)

    monkeypatch.setattr("os.sync", lambda: None, raising=False)
    answers = take_turns({name: Listed(name) for name in "ab"}, {"a": {"n": 1}, "b": {"n": 2}}, 3)  # type: ignore[misc]  # only `round` is used
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert answers == {"a": [{"n": 1}] * 3, "b": [{"n": 2}] * 3}


def test_figures() -> None:
    account = fps_account([{"frames": 10, "seconds": s} for s in (1.0, 2.0, 0.5)])
    assert (account["fps"], account["fps_min"], account["fps_max"]) == (10.0, 5.0, 20.0)
    # a machine half as fast in the second round changes neither side's ratio
    assert paired_ratio([10.0, 5.0, 10.0], [5.0, 2.5, 5.0]) == 2.0
    assert percentiles(range(1, 101)) == {"p50": 50.0, "p95": 95.0, "p99": 99.0}
    assert stage_percentiles([{"total": 1.0}, {"total": 1.0, "read": 2.0}])["read"]["p99"] == 2.0


def test_a_busy_machine_is_reported(tmp_path: Path) -> None:
    machine = describe_machine(tmp_path)
    assert machine["cores"] >= 1
    assert machine["file_system"]
    assert busy_warning({**machine, "load_average_at_start": 0.0}) is None
    assert "load average" in str(busy_warning({**machine, "load_average_at_start": 9.0 * machine["cores"]}))


def test_every_measurement_has_its_name() -> None:
    """Of the modules, mypy checks that they still fit the program; `make screenshots` and `walk` start the others."""
    modules = Path(measurements.__file__).parent.glob("*.py")
    with_main = {path.stem for path in modules if "\ndef main() -> None:\n" in path.read_text(encoding="utf-8")}
    assert with_main - {"__main__", "screenshots", "walk_window"} == set(measurements.MEASUREMENTS)


def test_an_unknown_part_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no benchmark 'speed'"):
        run_bench(
            json_file=None,
            only=["speed"],
            quick=True,
            plots=None,
            from_file=None,
            out=tmp_path,
            model_name=MODEL,
            engine=None,
        )


def test_the_page_in_docs_is_what_its_result_gives(tmp_path: Path) -> None:
    """One who edits the page, its plots or the code that writes them has to make the page again."""
    result = json.loads((DOCS / "benchmarks" / RESULT).read_text(encoding="utf-8"))
    assert result["ratios"] == ratios_of(result)
    assert result["targets"] == targets_of(result)
    for path in write_page(result, tmp_path):
        published = DOCS / path.relative_to(tmp_path)
        assert published.exists()
        if path.suffix != ".svg":  # their bytes differ between versions of matplotlib
            assert path.read_bytes() == published.read_bytes()
