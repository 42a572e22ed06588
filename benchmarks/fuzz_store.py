"""Flip bits, cut and edit the files of a store, then open, replay and recover it: reported or unchanged, never a crash.

python -m benchmarks fuzz fuzz_store --n 2000 --seed 1
"""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.fuzz import Case, generator, run_cases
from hcc_scope.errors import HccScopeError
from hcc_scope.plans.drawn_sample import draw_sample
from hcc_scope.position_tags import DRAWN_TAG
from hcc_scope.storage.drawn_sample import SampleWriter, read_sample_log
from hcc_scope.storage.metadata import sealed
from hcc_scope.storage.notes import NotesWriter, read_notes_log
from hcc_scope.storage.packing import pack_store
from hcc_scope.storage.predictions import PredictionWriter, read_predictions, read_predictions_table
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.recover import recover
from hcc_scope.storage.writer import create_store
from hcc_scope.types import Frame, FrameResult, RunSpec
from hcc_scope.workers import Failure, attempt

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from benchmarks.fuzz import Finding

__all__ = ["run"]

FAMILY = "store"

SHAPE_YX = (70, 90)
TILE_PX = 35
N_TILES = 6
N_FRAMES = 4

ODD_VALUES: tuple[object, ...] = (
    None,
    True,
    -1,
    0,
    1e308,
    10**30,
    "",
    "raster ",
    "<b>x</b>",
    "../../x",
    "\x1b[31m",
    [],
    [1, 2, 3],
    {},
    {"a": {"b": [1]}},
    "2026-13-99",
    1.5,
    "9" * 5000,
)


def make_store(folder: Path, n_frames: int = N_FRAMES) -> Path:
    """Write a small finished store of a guided section with predictions, a table and notes."""
    spec = RunSpec(
        SHAPE_YX,
        14,
        0.325,
        "M1",
        "S1",
        tile_px=TILE_PX,
        sampling="guided",
        expected_frames=n_frames,
        provenance={"seed": 3},
    )
    writer = create_store(folder, spec, interval_s=0.5)
    results = PredictionWriter(writer.path, spec, run="fuzz")
    outline_um = ((0.0, 0.0), (2000.0, 0.0), (2000.0, 2000.0), (0.0, 2000.0))
    sample = SampleWriter(writer.path)
    sample.drawn(draw_sample(n_frames + 1, (100.0, 100.0), outline_um, seed=1))
    sample.skipped(0, "fold")
    y, x = np.indices(SHAPE_YX, dtype=np.uint32)
    for seq in range(n_frames):
        pixels = (seq * 7919 + y * 131 + x * 17).astype(np.uint16)
        pixels.flags.writeable = False
        writer.append(
            Frame(
                seq=seq,
                pixels=pixels,
                t_mono_ns=10**12 + seq,
                t_utc=datetime(2026, 11, 23, 12, tzinfo=UTC) + timedelta(seconds=seq),
                exposure_ms=10.5,
                section_id="S1",
                stage_um=(100.5 * seq, -3.25, None),
                camera_frame=seq,
                pixel_size_um=0.325,
                bit_depth=14,
                tags={"n": seq, DRAWN_TAG: n_frames - seq},
            )
        )
        logits = np.linspace(-2, 2, N_TILES, dtype=np.float32) + np.float32(seq)
        probabilities = (1 / (1 + np.exp(-logits))).astype(np.float32)
        flags = np.zeros(N_TILES, np.uint8)
        results.append(FrameResult(seq, "classified", logits, probabilities, flags, "torchscript", {"total": 3.5}))
    writer.close()
    results.close()
    NotesWriter(writer.path).add("note", "a fold")
    NotesWriter(writer.path).add("exclude", "blurred", 1)
    writer.finalise(
        {"state": "completed", "cause": None, "score": 0.5, "interval": [0.25, 0.75], "counts": {"stored": 4}}
    )
    return writer.path


# ---- the content of a store ------------------------------------------------------------------------------------------


def account(path: Path) -> tuple[dict[str, Any], bool]:
    """Return the content of a store, by part, and whether it reports any damage."""
    store = open_store(path)
    reported = bool(store.problems)
    content: dict[str, Any] = {"attributes": dict(store.attributes), "spec": repr(store.spec), "n": store.n_frames}
    frames: list[object] = []
    for seq in range(store.n_frames):
        try:
            frame = store.read(seq)
        except HccScopeError:
            reported = True
            frames.append(None)
        else:
            frames.append((repr(store.journal[seq]), frame.pixels.tobytes()))
    content["frames"] = frames
    log = read_notes_log(path)
    reported = reported or bool(log.problems)
    content["notes"] = [repr(note) for note in log.notes]
    drawn = read_sample_log(path)
    reported = reported or bool(drawn.problems)
    content["sample"] = None if drawn.sample is None else repr(replace(drawn.sample, skips={}))
    content["skips"] = [] if drawn.sample is None else list(drawn.sample.skips.items())
    for part, read in (("predictions", _predictions), ("table", lambda one: read_predictions_table(one).to_pydict())):
        try:
            content[part] = repr(read(path))
        except HccScopeError:
            reported = True
    return content, reported


def _predictions(path: Path) -> list[str]:
    return [
        f"{seq} {one.outcome} {one.logits.tolist()} {one.probabilities.tolist()} {one.flags.tolist()}"
        for seq, one in read_predictions(path).items()
    ]


# ---- what is done to it ---------------------------------------------------------------------------------------------


def flip_bits(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 3))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def overwrite(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data))
    return data[:start] + rng.randbytes(rng.randrange(1, 9)) + data[start + 8 :]


def cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def repeat(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data))
    end = min(len(data), start + rng.randrange(1, 200))
    return data[:end] + data[start:]


def change_digit(data: bytes, rng: random.Random) -> bytes:
    digits = [i for i, byte in enumerate(data) if 48 <= byte <= 57]
    if not digits:
        return data
    at = rng.choice(digits)
    return data[:at] + str(rng.randrange(10)).encode() + data[at + 1 :]


def forge(data: bytes, rng: random.Random) -> bytes:
    """Set a value anywhere in a JSON file, or in a line, and make the checksums fit: only a crash is wrong then."""
    try:
        value = json.loads(data)
    except ValueError:
        return flip_bits(data, rng)
    places = list(_places(value))
    if not places:
        return data
    holder, key = rng.choice(places)
    holder[key] = rng.choice(ODD_VALUES)
    attributes = value.get("attributes") if isinstance(value, dict) else None
    if isinstance(attributes, dict) and isinstance(attributes.get("hcc_scope"), dict):
        attributes["hcc_scope"] = _resealed(attributes["hcc_scope"])
    elif isinstance(value, dict) and "facts_sha256" in value:
        value = _resealed(value)
    return json.dumps(value).encode()


def _resealed(attributes: dict[str, Any]) -> dict[str, Any]:
    try:
        return sealed(attributes)
    except ValueError:
        return attributes


def _places(value: object) -> Any:  # noqa: ANN401 - a generator of holders and keys
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in list(pairs):
        yield value, key
        yield from _places(one)


def forge_line(data: bytes, rng: random.Random) -> bytes:
    """Set a value in one line and give it the right checksum."""
    from hcc_scope.storage.lines import sealed_line

    lines = data.splitlines(keepends=True)
    at = rng.randrange(len(lines))
    try:
        fields = json.loads(lines[at])
        if not isinstance(fields, dict) or len(fields) < 2:
            return flip_bits(data, rng)
        fields.pop("line_crc32", None)
        holder, key = rng.choice(list(_places(fields)))
        holder[key] = rng.choice(ODD_VALUES)
        lines[at] = sealed_line(fields)
    except ValueError:
        return flip_bits(data, rng)
    return b"".join(lines)


DAMAGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (flip_bits, overwrite, cut, repeat, change_digit)
FORGERIES: tuple[Callable[[bytes, random.Random], bytes], ...] = (forge, forge_line)


def run(n: int, seed: int, *, version_1: Path | None = None) -> list[Finding]:
    """Damage stores `n` times: one as it was acquired, and one that is packed, by turns.

    Parameters
    ----------
    n : int
        How many times; some 60 a second.
    seed : int
        The same seed damages the same bytes.
    version_1 : Path, optional
        A store of version 1 to damage instead: without checksums only a crash is wrong.
    """
    with tempfile.TemporaryDirectory() as temporary:
        goods = [version_1] if version_1 is not None else [make_store(Path(temporary) / name) for name in ("a", "b")]
        if version_1 is None:
            pack_store(goods[1], shard_frames=3)
        assert version_1 is not None or not any(account(good)[1] for good in goods)
        cases = []
        for trial in range(n):
            good = goods[trial % len(goods)]
            name, change, _ = _damage(good, seed, trial)
            cases.append(Case(f"{name}, {change.__name__}", (good, seed, trial, version_1 is not None)))
        return run_cases(FAMILY, read_damaged, cases, limit_bytes=None)


def _damage(good: Path, seed: int, trial: int) -> tuple[str, Callable[[bytes, random.Random], bytes], random.Random]:
    """Return which file is damaged, how, and the source of chance for it."""
    chance = generator(FAMILY, seed, trial)
    files = sorted(str(file.relative_to(good)) for file in good.rglob("*") if file.is_file())
    facts = [name for name in files if "/c/" not in name]
    name = chance.choice(facts if chance.random() < 0.9 else files)
    return name, chance.choice((*DAMAGES, *FORGERIES)), chance


_reference = lru_cache(maxsize=2)(account)


def read_damaged(payload: tuple[Path, int, int, bool], folder: Path) -> str | None:
    """Damage a copy of a store, then open, replay and recover it; return what came out wrong."""
    good, seed, trial, is_version_1 = payload
    name, change, chance = _damage(good, seed, trial)
    path = folder / "M1_S1.ome.zarr"
    shutil.copytree(good, path)
    (path / name).write_bytes(change((path / name).read_bytes(), chance))
    refusal = attempt(lambda: open_store(path))
    wrong = _judge(path, _reference(good)[0], only_crashes=change in FORGERIES or is_version_1)
    if not wrong and isinstance(refusal, Failure):
        raise refusal.error
    return "; ".join(wrong) or None


def _judge(path: Path, reference: dict[str, Any], *, only_crashes: bool) -> list[str]:
    """Return what is wrong with how a damaged store is read and recovered."""
    found: list[str] = []
    before: dict[str, Any] | None = None
    try:
        before, reported = account(path)
    except HccScopeError:
        pass
    else:
        differs = [part for part in reference if before.get(part) != reference[part]]
        if before["notes"] == reference["notes"][: len(before["notes"])] and "notes" in differs:
            differs.remove("notes")  # nothing counts the notes: those cut off are as if they were never written
        if before["skips"] == reference["skips"][: len(before["skips"])] and "skips" in differs:
            differs.remove("skips")  # nor these: without them the interval is not valid
        if differs and not reported and not only_crashes:
            found.append(f"silently different: {', '.join(differs)}")
    try:
        recover(path)
        after, _ = account(path)
    except HccScopeError:
        return found
    if before is not None and not only_crashes:
        lost = [
            seq
            for seq, frame in enumerate(before["frames"])
            if frame is not None and (seq >= after["n"] or after["frames"][seq] != frame)
        ]
        if lost:
            found.append(f"recover made frames {lost} unreadable")
    if not only_crashes:
        same = (
            frame is None or frame == good for frame, good in zip(after["frames"], reference["frames"], strict=False)
        )
        if not all(same) or after["spec"] != reference["spec"]:
            found.append("recover left other frames or facts")
        elif recover(path).changes:
            found.append("a second recovery changed something")
    return found
