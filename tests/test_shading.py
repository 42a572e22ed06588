"""Dark and flat fields: what the correction does to a count, what is refused, and which reference counts."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import hypothesis
import hypothesis.extra.numpy as npst
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcc_scope.errors import ConfigError, FrameSizeError
from hcc_scope.phantom.effects import DayEffect
from hcc_scope.quality import QualityLimits, assess
from hcc_scope.shading import correction, files
from hcc_scope.shading.correction import Shading, analysed_pixels
from hcc_scope.shading.estimate import LEAST_FIELDS, estimate_flat, even_dark
from hcc_scope.shading.files import decode_map, encode_map, keep, list_references, load_reference, load_shading
from hcc_scope.shading.fit import FramesFit
from hcc_scope.shading.freshness import judge
from hcc_scope.shading.making import LEAST_SHOTS, Refusal, Shots
from hcc_scope.shading.pictures import refusal_picture
from hcc_scope.shading.reference import Manifest, Reference
from hcc_scope.tiling import TileGrid
from hcc_scope.types import QualityFlag
from tests.shading_parts import CAMERA, SHAPE_YX, made, settings, shot, simple, taken, vignette
from tests.storage_cases import make_frame

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

COUNTS = npst.arrays(np.uint16, SHAPE_YX, elements=st.integers(0, 65535), fill=st.integers(0, 65535))


@pytest.fixture(scope="module")
def shading() -> Shading:
    return made()


def close_to(wanted: int, values: NDArray[np.uint16]) -> bool:
    return bool((values == wanted).all())


# --- the correction ---


@given(COUNTS)
@hypothesis.settings(max_examples=25)
def test_an_even_dark_and_a_flat_of_one_change_nothing(raw: NDArray[np.uint16]):
    assert np.array_equal(simple(500.0, 1.0).corrected(raw), raw)


@given(st.integers(0, 65535), st.floats(0.5, 2.0), st.integers(0, 2000))
def test_a_count_is_what_the_formula_says_to_the_nearest_count(count: int, light: float, offset: int):
    flat = np.full(SHAPE_YX, light)
    flat[::2] = 2.5 - light
    shading = simple(float(offset), flat)
    raw = np.full(SHAPE_YX, count, np.uint16)
    exact = np.clip((count - offset) / shading.flat.values + offset, 0, 65535)
    assert np.abs(shading.corrected(raw) - exact).max() <= 0.5 + 1 / 64  # float32 resolves 1/128 of such counts


def test_what_lies_beyond_the_counts_is_cut_and_does_not_wrap():
    dark, flat = np.full(SHAPE_YX, 0.0), np.full(SHAPE_YX, 0.5)
    dark[0, 0] = 4000.0  # far above a raw count of 0: the difference is negative
    shading = simple(dark, flat)
    raw = np.full(SHAPE_YX, 40_000, np.uint16)
    raw[0, 0] = 0
    corrected = shading.corrected(raw)
    assert corrected[0, 0] == 0
    assert close_to(65535, corrected[1:])
    assert close_to(4095, simple(0.0, 0.5, bit_depth=12).corrected(np.full(SHAPE_YX, 3000, np.uint16)))


def test_a_vignette_of_a_quarter_is_gone_within_a_percent(shading: Shading):
    raw = np.rint(30_000 * vignette() + CAMERA.offset_counts).astype(np.uint16)
    left = (shading.corrected(raw) - CAMERA.offset_counts) / 30_000 - 1
    rough = np.abs(left.reshape(16, 16, 16, 16).mean(axis=(1, 3)))  # a pixel of the dark field has its own noise
    assert np.abs(vignette() - 1).max() > 0.15
    assert rough.max() < 0.002
    assert np.abs(left).max() < 0.01


def test_the_frame_stays_as_it_is_and_another_shape_is_refused(shading: Shading):
    raw = shot(0.5, 3)
    before = raw.copy()
    assert not shading.corrected(raw).flags.writeable
    assert np.array_equal(raw, before)
    assert analysed_pixels(raw, None) is raw
    with pytest.raises(FrameSizeError, match="a frame of 64 x 64 px does not fit its dark and flat field of 256 x 256"):
        shading.corrected(np.zeros((64, 64), np.uint16))


def test_the_strips_in_which_it_is_done_change_no_bit(shading: Shading, monkeypatch: pytest.MonkeyPatch):
    raw = shot(0.9, 4)
    raw[::50] = 65535  # cut in some strips and not in others
    whole = shading.corrected(raw)
    monkeypatch.setattr(correction, "_STRIP_PX", 7 * SHAPE_YX[1])
    assert np.array_equal(Shading(shading.dark, shading.flat).corrected(raw), whole)


def test_frames_of_another_bit_depth_are_refused():
    """A store of such a run could not be classified again: its references would not be those of its frames."""
    shading = simple(0.0, 1.0)
    shading.check_fits(SHAPE_YX, 16)
    with pytest.raises(FrameSizeError, match="frames of 12 bit do not fit their dark and flat field of 16 bit"):
        shading.check_fits(SHAPE_YX, 12)


def test_frames_with_another_setting_than_their_references_are_counted():
    fit = FramesFit(simple(0.0, 1.0, em_gain=200.0, objective="20x"))
    as_taken = replace(make_frame(0, (8, 8)), exposure_ms=10.5, em_gain=200.0, objective="20x")
    assert fit.add(as_taken) == ()
    assert fit.remark() is None
    assert fit.add(replace(as_taken, exposure_ms=50.0)) == ("exposure",)
    assert fit.add(replace(as_taken, exposure_ms=50.0, em_gain=None)) == ("EM gain",)  # switched off
    assert fit.remark() == (
        "the exposure of 2 of 3 frames is unlike that of the dark field (10 ms), which corrects them nevertheless; "
        "the EM gain of 1 of 3 frames is unlike that of the dark field (200), which corrects them nevertheless"
    )
    assert fit.add(replace(as_taken, objective="40x")) == ("objective",)


def test_saturation_is_judged_on_the_cameras_counts():
    grid = TileGrid.for_frame(SHAPE_YX, 256)
    limits = QualityLimits(tissue_fraction_min=0.0, focus_min=0.0)
    bright = simple(0.0, 0.5)  # doubles each count
    raw = np.full(SHAPE_YX, 40_000, np.uint16)
    assert assess(bright.corrected(raw), grid, limits, 16).flags[0] == QualityFlag.SATURATED
    assert assess(bright.corrected(raw), grid, limits, 16, raw=raw).flags[0] == 0
    full, dim = np.full(SHAPE_YX, 65535, np.uint16), simple(0.0, 1.5)
    assert assess(dim.corrected(full), grid, limits, 16).flags[0] == 0
    assert assess(dim.corrected(full), grid, limits, 16, raw=full).flags[0] == QualityFlag.SATURATED


# --- what is refused ---


def refusal_of(found: object) -> Refusal:
    assert isinstance(found, Refusal)
    return found


def test_too_few_shots_are_no_reference():
    shots = Shots("dark", settings())
    shots.add(shot(0.0, 1))
    assert refusal_of(shots.finish()).message == (
        "the dark field is refused: it takes at least 32 shots, and there are 1"
    )


def test_light_in_the_dark_is_refused_with_its_tile():
    shots = Shots("dark", settings())
    lit = shot(0.0, 1)
    lit[64:96, 160:192] += 8000
    assert refusal_of(Shots("dark", settings()).add(lit)).tile_px == (160, 64, 32, 32)
    faint = np.zeros(SHAPE_YX, np.float32)
    faint[224:, :32] = 0.02  # a door that is not quite shut
    for i in range(LEAST_SHOTS["dark"]):
        assert shots.add(shot(faint, i)) is None
    refusal = refusal_of(shots.finish())
    assert refusal.tile_px == (0, 224, 32, 32)
    assert "there is light in the dark" in refusal.message
    picture = refusal_picture(refusal)
    assert picture is not None
    assert set(np.unique(picture[224:226, :32])) == {0}  # the tile is framed
    assert set(np.unique(picture[226:228, 2:30])) == {255}


@pytest.mark.parametrize(
    ("light", "says"),
    [(2.2, r"100\.0% of a tile's pixels are saturated"), (0.1, r"a tile has \d\.\d% of full scale, and it takes 10%")],
)
def test_light_that_is_too_strong_or_too_weak_is_refused(shading: Shading, light: float, says: str):
    refusal = refusal_of(Shots("flat", settings(), shading.dark).add(shot(light, 1)))
    with pytest.raises(AssertionError, match=says):
        raise AssertionError(refusal.message)
    assert refusal.tile_px is not None


def test_fields_that_are_not_moved_are_refused(shading: Shading):
    shots = Shots("flat", settings(), shading.dark)
    assert shots.add(shot(1.0, 1), (10.0, 0.0)) is None
    assert "the stage was not moved" in refusal_of(shots.add(shot(1.0, 2), (10.2, 0.0))).message


@pytest.mark.parametrize("what", ["dust on one place", "tissue everywhere"])
def test_what_stays_in_the_median_is_refused(shading: Shading, what: str):
    shots = Shots("flat", settings(), shading.dark)
    rng = np.random.default_rng(5)
    for i in range(LEAST_SHOTS["flat"]):
        field = np.ones(SHAPE_YX, np.float32)
        if what == "dust on one place":
            field[100:110, 40:50] = 0.7
        else:  # grains of 16 px, others on each field
            field -= np.kron(rng.uniform(0, 0.5, (16, 16)), np.ones((16, 16))).astype(np.float32)
        assert shots.add(shot(field, i), (i * 200.0, 0.0)) is None
    refusal = refusal_of(shots.finish())
    assert "texture" in refusal.message
    assert refusal.tile_px is not None
    if what == "dust on one place":
        assert refusal.tile_px == (32, 96, 32, 32)


def test_a_speck_on_one_field_does_not_matter(shading: Shading):
    shots = Shots("flat", settings(), shading.dark)
    for i in range(LEAST_SHOTS["flat"]):
        field = np.ones(SHAPE_YX, np.float32)
        field[16 * i : 16 * i + 10, 40:50] = 0.5
        assert shots.add(shot(field, i)) is None
    flat = shots.finish()
    assert isinstance(flat, Reference)
    assert np.abs(flat.values / vignette() - 1).max() < 0.01


def test_hot_and_dead_pixels_and_lines_do_not_reach_their_neighbours(shading: Shading):
    """Unfiltered, each moves the smooth light around it by more than the percent that may be left."""
    shots = Shots("flat", settings(), shading.dark)
    for i in range(LEAST_SHOTS["flat"]):
        pixels = shot(1.0, i, DayEffect()).copy()
        pixels[::37, ::41] = 0
        pixels[5::37, 5::41] = 65535
        pixels[100] = 0
        assert shots.add(pixels, (500.0 * i, 0.0)) is None
    flat = shots.finish()
    assert isinstance(flat, Reference)
    assert np.abs(flat.values - 1).max() < 0.01


def test_light_that_no_lamp_gives_and_an_image_that_is_too_small_are_refused(shading: Shading):
    y, x = np.mgrid[: SHAPE_YX[0], : SHAPE_YX[1]] / (SHAPE_YX[0] - 1) - 0.5
    pixels = np.rint(60_000 * (1 - 1.74 * (x**2 + y**2))).astype(np.uint16)
    shots = Shots("flat", settings(), shading.dark)
    for i in range(LEAST_SHOTS["flat"]):
        assert shots.add(pixels, (500.0 * i, 0.0)) is None
    refusal = refusal_of(shots.finish())
    assert "its light goes from 18% to 142% of the mean" in refusal.message
    assert refusal.tile_px is not None
    small = refusal_of(Shots("dark", settings((4, 8))).add(np.zeros((4, 8), np.uint16)))
    assert small.message == "the dark field is refused: an image of 8 x 4 px is too small"


def test_a_lamp_that_drifts_is_refused(shading: Shading):
    shots = Shots("flat", settings(), shading.dark)
    for i in range(LEAST_SHOTS["flat"]):
        shots.add(shot(0.8 + 0.006 * i, i))
    assert "the light changed by" in refusal_of(shots.finish()).message


# --- estimated ---


def test_a_flat_field_is_estimated_from_fields_of_tissue():
    rng = np.random.default_rng(2)

    def fields(n: int) -> list[NDArray[np.uint16]]:
        grains = (np.kron(rng.uniform(0.4, 1.0, (32, 32)), np.ones((8, 8))) for _ in range(n))
        return [shot(one.astype(np.float32), i) for i, one in enumerate(grains)]

    dark = Reference.of_map("dark", np.full(SHAPE_YX, 500.0), settings(), shots=32)
    flat = estimate_flat(fields(LEAST_FIELDS), dark, settings())
    assert isinstance(flat, Reference)
    assert flat.manifest.estimated
    assert np.abs(flat.values / vignette() - 1).max() < 0.02
    refusal = refusal_of(estimate_flat(fields(LEAST_FIELDS - 1), dark, settings()))
    assert "at least 50 fields, and there are 49" in refusal.message
    assert even_dark(settings()).manifest.estimated
    bright = [np.full(SHAPE_YX, 65535, np.uint16), *fields(LEAST_FIELDS - 1)]
    assert "there are 49 besides 1 that are saturated" in refusal_of(estimate_flat(bright, dark, settings())).message


def test_fields_that_share_an_edge_of_the_section_give_no_estimate():
    fields = [shot(1.0, i) for i in range(LEAST_FIELDS)]
    for one in fields[1::2]:
        one[:, :100] //= 3
    assert "two halves" in refusal_of(estimate_flat(fields, even_dark(settings()), settings())).message


# --- kept, and which one counts ---


def test_what_is_kept_comes_back_bit_for_bit(shading: Shading, tmp_path: Path):
    for one in (shading.dark, shading.flat):
        keep(tmp_path / "new", one)
    kept = list_references(tmp_path / "new")
    assert kept.problems == ()
    state = judge(kept.manifests, settings(), datetime.now(UTC))
    again = load_shading(tmp_path / "new", state)
    assert again is not None
    raw = shot(0.6, 9)
    assert np.array_equal(again.corrected(raw), shading.corrected(raw))
    assert again.facts == shading.facts
    assert not list((tmp_path / "new").glob("*.part*"))


def test_damage_is_named_and_never_used(shading: Shading, tmp_path: Path):
    manifest = keep(tmp_path, shading.flat)
    png = manifest.with_suffix(".png")
    other = decode_map(png.read_bytes(), SHAPE_YX).copy()
    other[0, 0] ^= 1
    png.write_bytes(encode_map(other))
    with pytest.raises(ConfigError, match="is damaged: the map does not have the sha256"):
        load_reference(tmp_path, shading.flat.manifest)
    png.write_bytes(b"\x89PNG nothing")
    with pytest.raises(ConfigError, match="is damaged: it is no PNG"):
        load_reference(tmp_path, shading.flat.manifest)
    png.unlink()
    assert list_references(tmp_path).manifests == ()
    assert "has no map" in list_references(tmp_path).problems[0]
    manifest.write_text(json.dumps({"version": 1, "kind": "flat", "surprise": 1}))
    assert "is no manifest of a reference" in list_references(tmp_path).problems[0]


def test_a_full_disk_leaves_no_half_reference(shading: Shading, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write = files.replace_file

    def full(path: Path, data: bytes, *, shared: bool) -> None:
        if path.suffix == ".json":
            raise OSError(28, "No space left on device")
        write(path, data, shared=shared)

    monkeypatch.setattr(files, "replace_file", full)
    with pytest.raises(ConfigError, match=r"cannot be written into .*: No space left on device"):
        keep(tmp_path, shading.dark)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_used_is_named_where_a_reference_is_missing(shading: Shading, tmp_path: Path):
    keep(tmp_path, shading.dark)
    keep(tmp_path, shading.flat).write_text("{}")
    kept = list_references(tmp_path)
    state = judge(kept.manifests, settings(), datetime.now(UTC), kept.problems)
    assert state.dark.reason == "taken within the last hour"
    assert state.flat.reason.startswith("none was taken; ")
    assert state.flat.reason.endswith(".json is no manifest of a reference: kind: Field required")
    assert "cannot be read" in list_references(next(tmp_path.glob("dark*.png"))).problems[0]  # no folder
    assert list_references(tmp_path / "not there").problems == ()


def test_equal_maps_of_two_settings_are_kept_side_by_side(tmp_path: Path):
    short, long = settings(exposure_ms=10.0), settings(exposure_ms=50.0)
    for one in (short, long):
        keep(tmp_path, even_dark(one))
    kept = list_references(tmp_path).manifests
    for one in (short, long):
        assert judge(kept, one, datetime.now(UTC)).dark.freshness == "fresh"


@pytest.mark.parametrize("size", [8, 16, 33, 60])
def test_a_png_that_is_cut_or_of_another_size_is_refused_before_it_is_decoded(shading: Shading, size: int):
    data = encode_map(shading.dark.pixels)
    with pytest.raises(ValueError, match=r"PNG|damaged"):
        decode_map(data[:size], SHAPE_YX)
    with pytest.raises(ValueError, match="16 bits and 8 x 8 px"):
        decode_map(data, (8, 8))


NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


def manifest(kind: str, days_old: float = 1.0, *, estimated: bool = False, **changes: object) -> Manifest:
    pixels = f"{hash((kind, days_old, str(changes))) & 0xFFFF:064x}"
    return Manifest(
        kind=kind,
        settings=settings(**changes),
        t_utc=NOW - timedelta(days=days_old),
        shots=32,
        scale=4,
        pixels_sha256=pixels,
        estimated=estimated,
    )


@pytest.mark.parametrize(
    ("kind", "changes", "days_old", "freshness", "reason"),
    [
        ("dark", {}, 1, "fresh", "taken 1 day ago"),
        ("flat", {}, 0.2, "fresh", "taken 4 hours ago"),
        ("dark", {}, 31, "stale", "taken 31 days ago, and it holds for 30 days"),
        ("flat", {}, 8, "stale", "taken 8 days ago, and it holds for 7 days"),
        ("flat", {"cfg_sha256": "1" * 64}, 1, "stale", "the .cfg file has changed since it was taken"),
        ("flat", {}, -2, "stale", "taken in the future by this computer's clock"),
        ("flat", {"objective": "10x"}, 1, "missing", "unlike the nearest: objective"),
        ("dark", {"objective": "10x"}, 1, "fresh", "taken 1 day ago"),
        ("dark", {"exposure_ms": 11.5}, 1, "missing", "unlike the nearest: exposure"),
        ("dark", {"exposure_ms": 10.5}, 1, "fresh", "taken 1 day ago"),
        ("flat", {"exposure_ms": 50.0, "em_gain": 200.0}, 1, "fresh", "taken 1 day ago"),
        ("dark", {"em_gain": None}, 1, "missing", "unlike the nearest: EM gain"),
        ("dark", {"binning": "2", "bit_depth": 12}, 1, "missing", "unlike the nearest: binning, bit depth"),
        ("flat", {"roi": (10, 0, 256, 256)}, 1, "missing", "unlike the nearest: region"),
        ("flat", {"rig": "other"}, 1, "missing", "unlike the nearest: rig"),
    ],
)
def test_the_rule_which_reference_counts(
    kind: str, changes: dict[str, object], days_old: float, freshness: str, reason: str
):
    state = getattr(judge([manifest(kind, days_old, **changes)], settings(), NOW), kind)
    assert state.freshness == freshness
    assert reason in state.reason


def test_a_measured_reference_counts_before_an_estimated_one_and_a_newer_before_an_older():
    old, new, guess = manifest("flat", 3), manifest("flat", 2), manifest("flat", 1, estimated=True)
    assert judge([old, guess, new], settings(), NOW).flat.manifest == new
    guessed = judge([manifest("flat", 9), guess], settings(), NOW)
    assert guessed.flat.manifest == guess
    assert guessed.estimated
    assert guessed.describe() == "dark field missing: none was taken; flat field fresh (estimated): taken 1 day ago"
    assert guessed.freshness == "missing"
    assert load_shading(None, guessed) is None  # type: ignore[arg-type]  # no folder is looked into


def test_a_flat_field_says_where_the_objective_is_not_known():
    at = judge([manifest("flat", 1, objective=None)], settings(objective=None), NOW).flat
    assert (at.freshness, at.reason) == ("fresh", "taken 1 day ago; the rig does not report the objective")


def test_a_flat_field_needs_a_dark_field_and_a_shot_of_its_size(shading: Shading):
    with pytest.raises(ValueError, match="needs a dark field"):
        Shots("flat", settings())
    assert "a shot has 8 x 8 px" in refusal_of(Shots("dark", settings()).add(np.zeros((8, 8), np.uint16))).message
    assert isinstance(taken(Shots("flat", settings(), shading.dark), 1.0), Reference)
