"""A section in napari: what the plugin gives it, without napari."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path

import numpy as np
import pytest
import yaml
from storage_cases import make_frame, make_pixels, make_result, make_spec, shard

from hcc_scope.exports.geometry import lay_out_section
from hcc_scope.napari_plugin.picture import picture_levels
from hcc_scope.napari_plugin.reader import get_reader, section_layers
from hcc_scope.storage.notes import NotesWriter
from hcc_scope.storage.packing import pack_store
from hcc_scope.storage.predictions import PredictionWriter, read_predictions_table
from hcc_scope.storage.present_score import present_score
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.writer import create_store
from hcc_scope.thumbnails import reduced

ROOT = Path(__file__).resolve().parent.parent
SHAPE = (70, 560)
N = 5
PIXEL = 0.325


def make(folder: Path, **changes: object) -> Path:
    spec = make_spec(SHAPE, tile_px=35, sampling="random", **changes)
    writer = create_store(folder, spec)
    results = PredictionWriter(writer.path, spec, run="r")
    for seq in range(N):
        writer.append(make_frame(seq, SHAPE, stage_um=(190.0 * seq, 40.0 * (seq % 2), None)))
        results.append(make_result(seq, 32))
    writer.close()
    results.close()
    NotesWriter(writer.path).add("exclude", "a fold", 1)
    writer.finalise({"state": "completed"})
    return writer.path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("made"))


def test_napari_finds_the_plugin_and_gives_it_stores_alone(made: Path, tmp_path: Path):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module, name = project["entry-points"]["napari.manifest"]["hcc-scope"].split(":")
    manifest = yaml.safe_load((ROOT / module.replace(".", "/") / name).read_text())
    assert manifest["name"] == project["name"]
    [command], [reader] = (manifest["contributions"][key] for key in ("commands", "readers"))
    assert command["id"].startswith(f"{manifest['name']}.")
    assert (reader["command"], reader["accepts_directories"]) == (command["id"], True)
    assert command["python_name"] == f"{get_reader.__module__}:{get_reader.__name__}"
    assert any(made.match(pattern) for pattern in reader["filename_patterns"])

    read = get_reader(str(made))
    assert read is not None
    assert [kind for _, _, kind in read(str(made))] == ["image", "points"]
    other = tmp_path / "other.ome.zarr"
    other.mkdir()
    (other / "zarr.json").write_text("{}")
    assert [get_reader(one) for one in (str(other), [str(made), str(other)], str(tmp_path / "a.tif"), [])] == [None] * 4


def test_fields_lie_at_their_places_in_every_resolution(made: Path):
    (levels, options, _), _ = section_layers(made)
    assert options["scale"] == (PIXEL, PIXEL)
    assert (len(levels), options["multiscale"], levels[0].dtype) == (3, True, np.uint16)
    y_um, x_um = options["translate"]
    whole = np.asarray(levels[0])
    covered = np.zeros(whole.shape, bool)
    for seq in range(N):
        # the centre of a field is the middle of its pixels, whose centres napari places
        x = round((190.0 * seq - x_um) / PIXEL - (SHAPE[1] - 1) / 2)
        y = round((40.0 * (seq % 2) - y_um) / PIXEL - (SHAPE[0] - 1) / 2)
        for level, picture in enumerate(levels):
            wanted = reduced(make_pixels(seq, SHAPE), 1 << level)
            top, left = y >> level, x >> level
            part = picture[top : top + wanted.shape[0], left : left + wanted.shape[1]]
            ahead = 0 if seq == N - 1 else 10  # a later field lies over this one's right edge
            np.testing.assert_array_equal(part[:, : wanted.shape[1] - ahead], wanted[:, : wanted.shape[1] - ahead])
        covered[y : y + SHAPE[0], x : x + SHAPE[1]] = True
    assert not whole[~covered].any()
    np.testing.assert_array_equal(levels[0][5:60:7, -1:300:-11], whole[5:60:7, -1:300:-11])
    np.testing.assert_array_equal(levels[0][3], whole[3])
    np.testing.assert_array_equal(levels[0][..., -2], whole[..., -2])
    assert levels[1][4:4].shape == (0, levels[1].shape[1])


def test_a_packed_section_shows_the_same_picture_from_its_smaller_ones(made: Path, tmp_path: Path):
    packed = make(tmp_path)
    pack_store(packed)
    store = open_store(packed)
    assert store.layout.n_levels == 2
    before, after = ([np.asarray(one) for one in section_layers(path)[0][0]] for path in (made, packed))
    for level in (0, 1):
        np.testing.assert_array_equal(after[level], before[level])
    np.testing.assert_allclose(after[2].astype(int), before[2], atol=1)  # rounded twice
    (packed / store.layout.shard_path(0, 1)).unlink()
    levels = picture_levels(open_store(packed), lay_out_section(store))
    assert not np.asarray(levels[1]).any()
    assert np.asarray(levels[0]).any()


def test_tiles_have_places_colours_and_why_they_do_not_count(made: Path):
    places, options, _ = section_layers(made)[1]
    table = read_predictions_table(made).to_pydict()
    known = np.isfinite(table["probability"])
    np.testing.assert_allclose(places, np.stack([table["y_um"], table["x_um"]], axis=1)[known], atol=PIXEL)
    features = options["features"]
    np.testing.assert_array_equal(features["probability"], np.array(table["probability"], np.float32)[known])
    np.testing.assert_array_equal(features["frame"], np.array(table["seq"])[known])
    np.testing.assert_array_equal(features["tile_column"], np.array(table["tile_col"])[known])
    assert {len(one) for one in features.values()} == {known.sum()}
    out = features["frame"] == 1
    np.testing.assert_array_equal(features["in_score"], ~out)
    assert {why for why, gone in zip(features["why_not"], out, strict=True) if gone} == {
        "excluded by the operator: a fold"
    }
    assert (options["size"], options["face_color"], options["face_contrast_limits"]) == (
        35 * PIXEL,
        "probability",
        (0.0, 1.0),
    )
    assert np.array(options["face_colormap"]["colors"]).shape == (3, 4)


def test_the_metadata_hold_the_score_by_the_present_notes_and_no_interval_that_is_not_valid(made: Path):
    score = present_score(open_store(made))
    image, points = (options["metadata"]["hcc_scope"] for _, options, _ in section_layers(made))
    assert image == points
    assert (image["score"], image["tiles_in_score"]) == (score.score, score.tiles)
    assert image["interval"] == (list(score.interval) if score.interval_valid else None)
    assert image["research_use"].startswith("Research use only")


def test_the_metadata_name_what_the_places_do_not_show(tmp_path: Path):
    tilted = (math.cos(0.1), -math.sin(0.1), math.sin(0.1), math.cos(0.1))
    _, options, _ = section_layers(make(tmp_path, camera_axes=tilted))[0]
    (words,) = options["metadata"]["hcc_scope"]["left_out"]
    assert words.startswith("the camera is tilted by 5.7 degrees")


def test_a_section_without_results_or_with_a_damaged_frame_is_shown_all_the_same(tmp_path: Path):
    path = make(tmp_path)
    (path / "predictions.jsonl").unlink()
    shard(path, 2).unlink()
    [(levels, options, _)] = section_layers(path)
    facts = options["metadata"]["hcc_scope"]
    assert facts["score"] is None
    assert facts["score_in_words"].startswith("No score: ")
    pixels = np.asarray(levels[0])
    assert pixels.any()
    assert not pixels[:70, 1200:1700].any()
