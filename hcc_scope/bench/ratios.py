"""The ratios that matter, and their targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcc_scope.bench.figures import paired_ratio

if TYPE_CHECKING:
    from hcc_scope.bench.figures import JsonObject

__all__ = ["ratios_of", "targets_of"]

_PLAIN = ("plain_batch16", "plain_tilewise")
_FP32_TORCHSCRIPT = ("torchscript", "plain_tilewise")

_WANTED: tuple[tuple[str, str, float], ...] = (
    ("classify.best_to_plain_batch16", "best engine to plain TorchScript in a batch of 16", 20.0),
    ("classify.best_to_fp32_torchscript", "best engine to the best fp32 TorchScript", 2.0),
    ("store.ours_to_acquire_zarr", "our writer, synced, to acquire-zarr", 1.5),
    ("store.ours_to_zarr_python", "our writer, synced, to zarr-python", 3.0),
    ("end_to_end.2048.ours_to_plain", "end to end at 2048 x 2048 to the plain composition", 15.0),
    ("training.meng2019.ours_to_plain", "training, the paper's network, to a plain fp32 loop in batches of 16", 2.5),
    ("end_to_end.2048.ours_to_best_engine", "end to end at 2048 x 2048 to the best engine alone", 20 / 30),
)


def best_engine(classified: JsonObject) -> str:
    """Return the fastest of our engines that were measured."""
    return max((name for name in classified if name not in _PLAIN), key=lambda name: float(classified[name]["fps"]))


def _rounds(account: JsonObject) -> list[float]:
    return [float(fps) for fps in account["fps_rounds"]]


def ratios_of(result: JsonObject) -> dict[str, float]:
    """Return every ratio that the measured parts allow.

    Between contenders that took turns it is the median over rounds of the ratio within a round.
    """
    ratios: dict[str, float] = {}
    classified = result.get("classify")
    if classified is not None:
        best = classified[best_engine(classified)]
        fp32 = max(
            (classified[name] for name in _FP32_TORCHSCRIPT if name in classified), key=lambda one: float(one["fps"])
        )
        if "plain_batch16" in classified:
            ratios["classify.best_to_plain_batch16"] = paired_ratio(_rounds(best), _rounds(classified["plain_batch16"]))
        ratios["classify.best_to_fp32_torchscript"] = paired_ratio(_rounds(best), _rounds(fp32))
    stored = result.get("store")
    if stored is not None:
        for peer in stored:
            if peer != "ours":
                ratios[f"store.ours_to_{peer}"] = paired_ratio(_rounds(stored["ours"]), _rounds(stored[peer]))
    for side_px, sides in result.get("end_to_end", {}).items():
        if "plain" in sides:
            key = f"end_to_end.{side_px}.ours_to_plain"
            ratios[key] = paired_ratio(_rounds(sides["ours"]), _rounds(sides["plain"]))
        if classified is not None and int(side_px) == result["side_px"]:
            engine = classified.get(result["engine"])
            if engine is not None:
                ratios[f"end_to_end.{side_px}.ours_to_best_engine"] = sides["ours"]["fps"] / engine["fps"]
    sides = result.get("tracking", {})
    if "plain" in sides:
        ratios["tracking.ours_to_plain"] = paired_ratio(_rounds(sides["ours"]), _rounds(sides["plain"]))
    for network, sides in result.get("training", {}).items():
        if "plain" in sides:
            key = f"training.{network}.ours_to_plain"
            ratios[key] = paired_ratio(_rounds(sides["ours"]), _rounds(sides["plain"]))
    return ratios


def targets_of(result: JsonObject) -> list[JsonObject]:
    """Return target, measured value, and whether it suffices, for what was measured.

    They hold for two cores with AVX512-BF16 and frames of 2048 x 2048; elsewhere they only give the scale.
    """
    ratios = result["ratios"]
    targets: list[JsonObject] = [
        {"key": key, "what": what, "wanted": f">= {wanted:.3g}", "value": ratios[key], "reached": ratios[key] >= wanted}
        for key, what, wanted in _WANTED
        if key in ratios
    ]
    sides = result.get("end_to_end", {}).get("2048")
    if sides is not None:
        lost = sides["sustained"]["put_off"] + sides["sustained"]["counts"]["lost"]
        rate = sides["sustained"]["rate_hz"]
        targets.append(
            {
                "key": "end_to_end.2048.sustained.put_off",
                "what": f"frames lost or put off at 2048 x 2048 and {rate:.0f} frames/s",
                "wanted": "0",
                "value": lost,
                "reached": lost == 0,
            }
        )
    at_10 = result.get("latency", {}).get("10")
    if at_10 is not None:
        p95_ms = at_10["stages"]["total"]["p95"]
        targets.append(
            {
                "key": "latency_ms.total.p95",
                "what": "latency at 10 frames/s, p95, ms",
                "wanted": "< 100",
                "value": p95_ms,
                "reached": p95_ms < 100,
            }
        )
    followed = result.get("tracking", {}).get("ours")
    if followed is not None:
        step_ms = 10.0 * followed["cpu_s_per_100_frames"]
        targets.append(
            {
                "key": "tracking.ours.step_ms",
                "what": "following a live frame of 1024 x 1024, ms of one core",
                "wanted": "<= 10",
                "value": step_ms,
                "reached": step_ms <= 10.0,
            }
        )
    return targets
