"""The parts of the benchmark, one after another, and their result as one JSON object (see ``docs/benchmarks.md``)."""

from __future__ import annotations

import statistics
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hcc_scope.bench.engines import engine_names, precision_of
from hcc_scope.bench.figures import fps_account, stage_percentiles
from hcc_scope.bench.machine import busy_warning, describe_machine, load_average
from hcc_scope.bench.peers import NO_PEERS, NoPeers, Peers
from hcc_scope.bench.processes import ContenderProcess, take_turns
from hcc_scope.bench.ratios import ratios_of, targets_of
from hcc_scope.bench.replay import can_forget
from hcc_scope.bench.scale import FULL, QUICK, Scale
from hcc_scope.errors import HccScopeError
from hcc_scope.inference.catalogue import find_model
from hcc_scope.inference.loading import MODEL_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from hcc_scope.bench.figures import JsonObject
    from hcc_scope.bench.peers import Contenders

__all__ = ["FULL", "PARTS", "QUICK", "Scale", "Suite"]

PARTS = ("classify", "store", "end_to_end", "latency", "replay", "roofline", "training", "tracking")
SCHEMA_VERSION = 1

_TILE_PX = 512
PRECISIONS = ("fp32", "bf16")
_ENGINE = "hcc_scope.bench.engines:EngineContender"
_WRITER = "hcc_scope.bench.writers:OurWriterContender"
_LIVE = "hcc_scope.bench.live:LiveContender"
_REPLAY = "hcc_scope.bench.replay:ReplayContender"
_FOLLOWER = "hcc_scope.bench.tracking:Follower"
_TRAINER = "hcc_scope.bench.training:Trainer"
_FAST_MS = 1.0
"""An exposure that never sets the pace."""
_SUSTAINED = 0.9
"""Share of the full rate at which the pipeline must keep up with the camera, frame by frame."""


@dataclass(slots=True)
class Suite:
    """One run of the benchmark.

    Parameters
    ----------
    folder : Path
        On the disk that is measured; everything written there is deleted again.
    model : str
        Name or folder of the model.
    scale : Scale
        How much is measured.
    engine : str, optional
        What end to end, latency and replay use; the fastest one by default.
    say : callable
        Receives a sentence about the work under way.
    peers : Peers, optional
        What we are compared with; without them, only our own side is measured.
    start : callable
        Starts a contender: name, class, set-up.
    """

    folder: Path
    model: str
    scale: Scale
    engine: str | None
    say: Callable[[str], None]
    peers: Peers | None = None
    start: Callable[[str, str, Mapping[str, object]], ContenderProcess] = ContenderProcess
    skipped: dict[str, str] = field(default_factory=dict)
    """What could not be measured, and why."""

    def run(self, parts: Iterable[str]) -> JsonObject:
        """Measure.

        Parameters
        ----------
        parts : iterable of str
            Out of `PARTS`; the roofline needs the frame rates of ``classify``, which is then measured too.

        Raises
        ------
        HccScopeError
            If one of ours fails. A peer that fails is skipped, with a sentence.
        """
        wanted = set(parts)
        if self.peers is None:
            self._skip("peers", NO_PEERS)
        began_s = time.monotonic()
        machine = describe_machine(self.folder)
        warning = busy_warning(machine)
        if warning is not None:
            self.say(warning)
        result: JsonObject = {
            "schema_version": SCHEMA_VERSION,
            "quick": self.scale is QUICK,
            "machine": machine,
            "warning": warning,
            "model": self.model,
            "side_px": self.scale.side_px,
        }
        if wanted & {"classify", "roofline"}:
            result["classify"] = self.classify()
        if "roofline" in wanted:
            roofline = self.roofline(result["classify"])
            if roofline is not None:
                result["roofline"] = roofline
        if "store" in wanted:
            result["store"] = self.store()
        if wanted & {"end_to_end", "latency", "replay"}:
            engine = self.engine or self._fastest(result.get("classify"))
            result["engine"] = engine
            if "end_to_end" in wanted:
                result["end_to_end"] = self.end_to_end(engine)
            if "latency" in wanted:
                result |= self.latency(engine)
            if "replay" in wanted:
                result["replay"] = self.replay(engine)
        if "training" in wanted:
            result["training"] = self.training()
        if "tracking" in wanted:
            result["tracking"] = self.tracking()
        machine["load_average_at_end"] = round(load_average(), 2)
        result["seconds"] = round(time.monotonic() - began_s, 1)
        result["skipped"] = self.skipped
        result["ratios"] = ratios_of(result)
        result["targets"] = [] if self.scale is QUICK else targets_of(result)
        return result

    # -- the parts ---------------------------------------------------------------------------------------------------

    def classify(self) -> JsonObject:
        """Measure every engine, and what a user would write."""
        plain = self._peers.classifier_contenders(self._model_file(), self.scale.side_px)
        return self._classified({**self._engines(), **plain}, self.scale.n_rounds, required=tuple(plain))

    def _engines(self) -> Contenders:
        setup = {"model": self.model, "side_px": self.scale.side_px}
        return {name: (_ENGINE, {"engine": name, **setup}) for name in engine_names()}

    def _classified(self, contenders: Contenders, n_rounds: int, required: Sequence[str] = ()) -> JsonObject:
        with ExitStack() as stack:
            ready = self._ready(stack, "classify", contenders, required=("torchscript", *required))
            requests = {name: {"frames": self._frames_for(process)} for name, process in ready.items()}
            answers = self._turns("classify", ready, requests, n_rounds)
            return {
                name: {**_account(rounds), "engine": ready[name].wait_ready()["engine"]}
                for name, rounds in answers.items()
            }

    def _frames_for(self, process: ContenderProcess) -> int:
        """Return how many frames fill one round; the first one is not counted, since it may still compile."""
        process.round(frames=1)
        seconds = float(process.round(frames=1)["seconds"])
        return max(1, min(500, round(self.scale.classify_s / seconds)))

    def _fastest(self, classified: JsonObject | None) -> str:
        """Return our fastest engine, by what was measured or by a short look."""
        names = engine_names()
        if classified is None:
            if len(names) == 1:
                return names[0]
            classified = self._classified(self._engines(), 1)
        measured: JsonObject = classified
        return max((name for name in names if name in measured), key=lambda name: float(measured[name]["fps"]))

    def roofline(self, classified: JsonObject) -> JsonObject | None:
        """Measure the processor's peak, and what share of it each engine reaches; None without peers."""
        contenders = self._peers.roofline_contenders(self.model)
        if not contenders:
            return None
        with ExitStack() as stack:
            (process,) = self._ready(stack, "roofline", contenders, required=tuple(contenders)).values()
            gmac_per_frame = process.wait_ready()["gmac_per_tile"] * (self.scale.side_px // _TILE_PX) ** 2
            self.say("roofline: matrix products in fp32 and bf16")
            peaks = {
                precision: statistics.median(
                    process.round(precision=precision)["gmac_s"] for _ in range(self.scale.n_rounds)
                )
                for precision in PRECISIONS
            }
            threads = process.wait_ready()["threads"]
        engines: JsonObject = {}
        for name in engine_names():
            precision = precision_of(name)
            if name in classified and precision is not None:
                gmac_s = classified[name]["fps"] * gmac_per_frame
                engines[name] = {"precision": precision, "gmac_s": gmac_s, "share_of_peak": gmac_s / peaks[precision]}
        return {"gmac_per_frame": gmac_per_frame, "peak_gmac_s": peaks, "threads": threads, "engines": engines}

    def store(self) -> JsonObject:
        """Measure every writer: as fast as it can, and at a camera's pace."""
        scale = self.scale
        folder = str(self.folder)
        contenders = {
            "ours": (_WRITER, {"side_px": scale.side_px, "folder": folder}),
            **self._peers.writer_contenders(scale.side_px, folder),
        }
        for writer, package in self._peers.missing_writers().items():
            self._skip(f"store.{writer}", f"{package} is not installed; pip install 'hcc-scope[bench]' brings it along")
        with ExitStack() as stack:
            ready = self._ready(stack, "store", contenders, required=("ours", "zarr_python"))
            fast = {name: {"frames": scale.store_frames, "rate_hz": None} for name in ready}
            answers = self._turns("store: as fast as possible", ready, fast, scale.n_rounds)
            result: JsonObject = {}
            for name, rounds in answers.items():
                result[name] = {**_account(rounds), "close_s": _median(rounds, "close_s"), "mib": rounds[0]["mib"]}
                result[name]["paced"] = {}
            for rate_hz in scale.pace_hz:
                n = max(20, round(scale.pace_s * rate_hz)) if scale is not QUICK else scale.store_frames
                paced = {name: {"frames": n, "rate_hz": rate_hz} for name in ready}
                for name, (answer,) in self._turns(f"store: at {rate_hz:g} frames/s", ready, paced, 1).items():
                    result[name]["paced"][f"{rate_hz:g}"] = {
                        "fps": answer["frames"] / answer["seconds"],
                        **{key: answer[key] for key in ("lag_ms", "cpu_s_per_100_frames", "peak_mib", "grown_mib")},
                    }
        return result

    def end_to_end(self, engine: str) -> JsonObject:
        """Measure camera to score: our pipeline beside the plain composition."""
        scale = self.scale
        folder = str(self.folder)
        contenders = {
            "ours": (_LIVE, {"engine": engine, "model": self.model, "folder": folder}),
            **self._peers.live_contenders(self._model_file(), folder),
        }
        result: JsonObject = {}
        with ExitStack() as stack:
            ready = self._ready(stack, "end_to_end", contenders, required=tuple(contenders))
            for side_px, frames in scale.live.items():
                requests = {
                    name: {"frames": n, "side_px": side_px, "exposure_ms": _FAST_MS}
                    for name, n in zip(("ours", "plain"), frames, strict=True)
                    if name in ready
                }
                # a virtual machine is given its memory when it first touches it, which takes longer than anything else:
                # the first round of a size is not counted, on either side
                self._turns(f"end to end: {side_px} x {side_px}, warming up", ready, requests, 1)
                answers = self._turns(f"end to end: {side_px} x {side_px}", ready, requests, scale.live_rounds)
                sides = {name: _account(rounds) for name, rounds in answers.items()}
                sides["ours"]["put_off"] = _median(answers["ours"], "put_off")
                rate_hz = _SUSTAINED * sides["ours"]["fps"]
                paced = ready["ours"].round(**{**requests["ours"], "exposure_ms": 1e3 / rate_hz})
                sides["sustained"] = {
                    "rate_hz": rate_hz,
                    **fps_account([paced]),
                    "put_off": paced["put_off"],
                    "counts": paced["counts"],
                    "latency_ms": stage_percentiles(paced["latencies_ms"])["total"],
                }
                result[str(side_px)] = sides
        return result

    def latency(self, engine: str) -> JsonObject:
        """Measure the milliseconds from the end of an exposure to the score, by stage.

        Returns
        -------
        dict
            ``latency``: by frame rate; ``latency_ms``: the stages at 10 frames/s, or at the one rate measured.
        """
        by_rate: JsonObject = {}
        setup = {"engine": engine, "model": self.model, "folder": str(self.folder)}
        with ExitStack() as stack:
            ready = self._ready(stack, "latency", {"ours": (_LIVE, setup)}, required=("ours",))
            request = {"side_px": self.scale.side_px, "exposure_ms": _FAST_MS, "frames": 2}
            self._turns("latency: warming up", ready, {"ours": request}, 1)
            for rate_hz in self.scale.latency_hz:
                n = max(2, round(rate_hz * self.scale.latency_s))
                request = {**request, "frames": n, "exposure_ms": 1e3 / rate_hz}
                (answer,) = self._turns(f"latency: at {rate_hz:g} frames/s", ready, {"ours": request}, 1)["ours"]
                by_rate[f"{rate_hz:g}"] = {
                    "frames": n,
                    "put_off": answer["put_off"],
                    "stages": stage_percentiles(answer["latencies_ms"]),
                }
        usual = by_rate.get("10", next(iter(by_rate.values())))
        return {"latency_ms": usual["stages"], "latency": by_rate}

    def replay(self, engine: str) -> JsonObject:
        """Measure a stored section, read only and classified again, from the disk and from the cache."""
        scale = self.scale
        setup = {
            "engine": engine,
            "model": self.model,
            "folder": str(self.folder),
            "side_px": scale.side_px,
            "frames": scale.replay_frames,
        }
        caches = {"cold": True, "warm": False}
        if not can_forget():
            del caches["cold"]
            self._skip("replay.cold", "this system cannot drop a file from its cache (posix_fadvise)")
        result: JsonObject = {}
        with ExitStack() as stack:
            ready = self._ready(stack, "replay", {"ours": (_REPLAY, setup)}, required=("ours",))
            process = ready["ours"]
            self.say("replay: from the disk and from the cache")
            rounds: dict[tuple[str, bool], list[JsonObject]] = {}
            for _ in range(min(3, scale.n_rounds)):
                for cache, cold in caches.items():
                    for classify in (False, True):
                        answer = process.round(cold=cold, classify=classify)
                        rounds.setdefault((cache, classify), []).append(answer)
            for cache in caches:
                result[cache] = {
                    **fps_account(rounds[cache, True]),
                    "read_fps": fps_account(rounds[cache, False])["fps"],
                }
        return result

    def training(self) -> JsonObject:
        """Measure tiles per second of a training: our loop beside a plain one, network by network."""
        result: JsonObject = {}
        for network, tiles in self.scale.training.items():
            contenders = {"ours": (_TRAINER, {"network": network}), **self._peers.training_contenders(network)}
            with ExitStack() as stack:
                ready = self._ready(stack, f"training {network}", contenders, required=tuple(contenders))
                requests = {
                    name: {"tiles": n} for name, n in zip(("ours", "plain"), tiles, strict=True) if name in ready
                }
                if self.scale is not QUICK:
                    self._turns(f"training {network}: warming up", ready, requests, 1)
                answers = self._turns(f"training {network}", ready, requests, self.scale.n_rounds)
                result[network] = {
                    name: {**_account(rounds), "engine": ready[name].wait_ready()["engine"]}
                    for name, rounds in answers.items()
                }
        return result

    def tracking(self) -> JsonObject:
        """Measure how many live frames of a hand-moved stage are followed in a second, beside plain correlation."""
        setup = {"side_px": self.scale.track_px}
        contenders = {"ours": (_FOLLOWER, setup), **self._peers.tracking_contenders(self.scale.track_px)}
        with ExitStack() as stack:
            ready = self._ready(stack, "tracking", contenders, required=tuple(contenders))
            requests = {name: {"frames": self.scale.track_frames} for name in ready}
            if self.scale is not QUICK:
                self._turns("tracking: warming up", ready, requests, 1)
            answers = self._turns("tracking", ready, requests, self.scale.n_rounds)
            result: JsonObject = {name: _account(rounds) for name, rounds in answers.items()}
            for name, process in ready.items():
                result[name]["engine"] = process.wait_ready()["engine"]
            result["ours"]["tracked"] = min(one["tracked"] for one in answers["ours"])
        return result

    # -- what they share ---------------------------------------------------------------------------------------------

    def _ready(
        self,
        stack: ExitStack,
        part: str,
        contenders: Contenders,
        *,
        required: Sequence[str],
    ) -> dict[str, ContenderProcess]:
        """Start contenders, all at once, and wait until each is ready; one that is not required may fail."""
        self.say(f"{part.replace('_', ' ')}: getting ready ({', '.join(contenders)})")
        started = {
            name: stack.enter_context(self.start(name, target, setup)) for name, (target, setup) in contenders.items()
        }
        ready: dict[str, ContenderProcess] = {}
        for name, process in started.items():
            try:
                process.wait_ready()
                ready[name] = process
            except HccScopeError as error:
                if name in required:
                    raise
                self._skip(f"{part}.{name}", str(error))
        return ready

    def _turns(
        self,
        title: str,
        ready: Mapping[str, ContenderProcess],
        requests: Mapping[str, Mapping[str, object]],
        n_rounds: int,
    ) -> dict[str, list[JsonObject]]:
        self.say(f"{title} ({', '.join(ready)})")
        return take_turns(ready, requests, n_rounds)

    @property
    def _peers(self) -> Peers:
        return self.peers if self.peers is not None else NoPeers()

    def _model_file(self) -> str:
        return str(find_model(self.model) / MODEL_FILE)

    def _skip(self, what: str, why: str) -> None:
        self.skipped[what] = why
        self.say(f"{what} is left out: {why}")


def _median(rounds: Sequence[JsonObject], key: str) -> float:
    return float(statistics.median(one[key] for one in rounds))


def _account(rounds: Sequence[JsonObject]) -> JsonObject:
    """Return frame rate, processor time and memory of some rounds."""
    return {
        **fps_account(rounds),
        "cpu_s_per_100_frames": _median(rounds, "cpu_s_per_100_frames"),
        "peak_mib": max(one["peak_mib"] for one in rounds),
        "grown_mib": max(one["grown_mib"] for one in rounds),
    }
