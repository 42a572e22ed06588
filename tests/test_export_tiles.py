"""What leaves a section for QuPath, for tables, and as its provenance: read back with nothing of ours."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pyarrow.parquet as pq
import pytest
import tifffile
from storage_cases import fingerprint, make_frame, make_result, make_spec

from hcc_scope.errors import IdError, StoreError, StoreExistsError
from hcc_scope.exports.geometry import lay_out_section
from hcc_scope.exports.kinds import KINDS, kinds_named, options_of
from hcc_scope.exports.mosaic import export_mosaic
from hcc_scope.exports.provenance import export_provenance
from hcc_scope.exports.qupath import export_qupath
from hcc_scope.exports.table import export_csv, export_parquet, export_wsinfer
from hcc_scope.inference.card import read_card
from hcc_scope.orientation import Orientation
from hcc_scope.printable import spreadsheet_text
from hcc_scope.progress import ignore_progress
from hcc_scope.resources import models_dir
from hcc_scope.retakes import retake_tags
from hcc_scope.runs.export_sections import SectionExport
from hcc_scope.runs.library import SectionLister
from hcc_scope.runs.library_export import export_sections
from hcc_scope.runs.section_analyses import open_section
from hcc_scope.score_text import describe_named_score
from hcc_scope.storage.notes import NotesWriter
from hcc_scope.storage.predictions import PredictionWriter, read_predictions, read_predictions_table
from hcc_scope.storage.present_score import present_score
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.writer import create_store
from hcc_scope.tiling import TileGrid

SHAPE, TILE = (70, 90), 40
N = 6  # tiles of a frame: 2 rows and 3 columns, the last ones overlapping
FORMULA = '=HYPERLINK("http://x")'
ODD = {3: "no position", 4: "excluded", 5: "a retake of 1", 6: "failed", 7: "not analysed"}


def section(folder: Path, **changes: object) -> Path:
    """Store a section of eight frames, of which `ODD` names those that are not drawn or do not count."""
    spec = make_spec(SHAPE, **{"tile_px": TILE, "model_sha256": "ab" * 32, "animal_id": "=1+1", **changes})
    writer = create_store(folder, spec)
    predictions = PredictionWriter(writer.path, spec, run="live")
    with writer:
        for seq in range(8):
            stage = None if seq == 3 else (1000.0 + 60 * (seq % 3), -20.0 - 60 * (seq // 3), None)
            tags = retake_tags(1, "blurred") if seq == 5 else {"n": seq}
            if seq == 5:
                NotesWriter(writer.path).add("retake", "blurred", 5, replaces=1)
            writer.append(make_frame(seq, SHAPE, stage_um=stage, tags=tags, section_id=spec.section_id))
        for seq in (2, 0, 1, 3, 4, 5):
            predictions.append(make_result(seq, N))
        predictions.append(make_result(0, N, distances=np.linspace(0, 1, N, dtype=np.float32)))  # analysed again
        none = np.zeros(0, np.float32)
        nothing = {"logits": none, "probabilities": none, "flags": np.zeros(0, np.uint8)}
        predictions.append(make_result(6, 0, outcome="failed", error="out of\nmemory", **nothing))
    predictions.close()
    writer.finalise({"state": "completed", "cause": None})
    NotesWriter(writer.path).add("exclude", FORMULA, 4)
    return writer.path


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return section(tmp_path_factory.mktemp("section"))


def read_geojson(path: Path) -> dict[str, Any]:
    def no(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(gzip.decompress(path.read_bytes()), parse_constant=no)


def by_type(found: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [one for one in found["features"] if one["properties"]["objectType"] == kind]


def box_of(feature: dict[str, Any]) -> tuple[int, int, int, int]:
    (ring,) = feature["geometry"]["coordinates"]
    (left, top), (right, _), (_, bottom) = ring[0], ring[1], ring[2]
    assert ring == [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
    return left, top, right, bottom


@pytest.mark.parametrize("axes", [(1.0, 0.0, 0.0, 1.0), (0.0, 1.0, -1.0, 0.0), (-1.0, 0.0, 0.0, 1.0)])
def test_a_tiles_rectangle_covers_its_pixels_in_the_mosaic(tmp_path: Path, axes: tuple[float, ...]) -> None:
    store = open_store(section(tmp_path, camera_axes=axes))
    outcome = export_qupath(store, tmp_path / "tiles.geojson.gz")
    assert outcome.left_out == (
        "1 frame not drawn, as a retake of the field counts",
        "1 field without a position not drawn: any place would be a false one",
    )
    mosaic = tifffile.imread(export_mosaic(store, tmp_path / "mosaic.ome.tif").path)
    grid, orientation = TileGrid.for_frame(SHAPE, TILE), Orientation(axes)
    seen = set()
    for one in by_type(read_geojson(outcome.path), "detection"):
        numbers = one["properties"]["measurements"]
        seq, k = numbers["Frame"], 3 * numbers["Tile row"] + numbers["Tile column"]
        left, top, right, bottom = box_of(one)
        tile = orientation.upright(grid.cut(store.read(seq).pixels, [k])[0])
        np.testing.assert_array_equal(mosaic[top:bottom, left:right], tile)
        seen.add((seq, k))
    assert seen == {(seq, k) for seq in (0, 2, 4, 5) for k in range(N)}


def test_what_qupath_shows_of_a_tile_is_what_was_recorded(stored: Path, tmp_path: Path) -> None:
    store = open_store(stored)
    before = fingerprint(stored)
    outcome = export_qupath(store, tmp_path / "a" / "tiles.geojson.gz")
    assert outcome.what == "24 tiles and 4 annotations, in pixels of the mosaic"
    found = read_geojson(outcome.path)
    results, score = read_predictions(stored), present_score(store)
    tiles = {one["id"]: one["properties"] for one in by_type(found, "detection")}
    assert len(tiles) == 24
    table = read_predictions_table(stored).to_pylist()
    centres = {(row["seq"], row["tile_row"], row["tile_col"]): (row["x_um"], row["y_um"]) for row in table}
    in_score = []
    for one in tiles.values():
        numbers = one["measurements"]
        assert all(isinstance(value, int | float) for value in numbers.values())
        seq, k = numbers["Frame"], 3 * numbers["Tile row"] + numbers["Tile column"]
        result = results[seq]
        probability = numbers.get("Probability of high", np.nan)
        np.testing.assert_array_equal(np.float32(probability), result.probabilities[k])
        np.testing.assert_array_equal(np.float32(numbers.get("Log-odds of high", np.nan)), result.logits[k])
        assert ("Distance from training" in numbers) == (seq == 0)
        where = centres[seq, numbers["Tile row"], numbers["Tile column"]]
        assert (numbers["Stage x um"], numbers["Stage y um"]) == pytest.approx(where, abs=1e-3)
        side = "High" if probability >= score.threshold else "Low"
        why = (
            None
            if seq != 4 and k % 3 != 2
            else "no tissue, saturated"
            if seq != 4
            else f"excluded by the operator: {FORMULA}"
        )
        assert one["classification"]["name"] == (side if why is None else "Not scored")
        assert one.get("metadata") == (None if why is None else {"Not scored": why})
        assert numbers["In the score"] == (why is None)
        if why is None:
            in_score.append((seq, probability))
    # field 3 counts as well: it has no place in the mosaic
    in_score += [(3, p) for p in results[3].probabilities[results[3].flags == 0].tolist()]
    assert len(in_score) == score.tiles
    means = [np.mean([p for seq, p in in_score if seq == one]) for one in {seq for seq, _ in in_score}]
    assert np.mean(means) == pytest.approx(score.score)
    assert found["metadata"]["Research use"].startswith("Research use only")
    assert fingerprint(stored) == before
    again = export_qupath(store, tmp_path / "b" / "tiles.geojson.gz")
    assert again.path.read_bytes() == outcome.path.read_bytes()
    with pytest.raises(StoreExistsError):
        export_qupath(store, outcome.path)


def test_outline_and_fields_without_a_score_are_annotations(tmp_path: Path) -> None:
    plan = json.dumps({"outline_um": [[990.0, -90.0], [1140.0, -90.0], [1100.0, -5.0]]})
    store = open_store(section(tmp_path, provenance={"plan": plan}))
    found = by_type(read_geojson(export_qupath(store, tmp_path / "tiles.geojson.gz").path), "annotation")
    outline, *fields = (one["properties"] for one in found)
    corner = lay_out_section(store).corner_um
    ring = np.array(found[0]["geometry"]["coordinates"][0])
    np.testing.assert_allclose(ring[:3] * 0.325 + corner, [[990, -90], [1140, -90], [1100, -5]], atol=0.01)
    assert ring[3].tolist() == ring[0].tolist()
    assert outline["name"] == "Animal =1+1, section S2: outline"
    numbers, score = outline["measurements"], present_score(store)
    assert (numbers["Mean tile probability"], numbers["Interval low"]) == (score.score, score.interval[0])
    assert all(one["isLocked"] for one in (outline, *fields))
    assert [(one["measurements"]["Frame"], one["metadata"]["Not scored"]) for one in fields] == [
        (4, f"excluded by the operator: {FORMULA}"),
        (6, "the analysis failed: out of\nmemory"),
        (7, "it was not analysed"),
    ]


def test_on_the_stack_of_frames_a_tile_lies_on_the_plane_of_its_frame(stored: Path, tmp_path: Path) -> None:
    outcome = export_qupath(open_store(stored), tmp_path / "t.geojson.gz", placed_on="frames")
    assert outcome.left_out == ()
    origins = TileGrid.for_frame(SHAPE, TILE).origins_yx.tolist()
    found = read_geojson(outcome.path)
    detections, fields = by_type(found, "detection"), by_type(found, "annotation")
    assert [one["geometry"]["plane"]["t"] for one in fields] == [4, 6, 7], "field 1 has a score: that of frame 5"
    assert len(detections) == 36
    for one in detections:
        numbers = one["properties"]["measurements"]
        assert one["geometry"]["plane"] == {"c": -1, "z": 0, "t": numbers["Frame"]}
        left, top, right, bottom = box_of(one)
        assert [top, left] == origins[3 * numbers["Tile row"] + numbers["Tile column"]]
        assert (right - left, bottom - top) == (TILE, TILE)
    replaced = [one["properties"] for one in detections if one["properties"]["measurements"]["Frame"] == 1]
    assert {one["metadata"]["Not scored"] for one in replaced} == {"frame 5 of the same field counts"}


def test_the_table_is_that_of_the_store_by_the_present_notes(stored: Path, tmp_path: Path) -> None:
    store = open_store(stored)
    table = pq.read_table(export_parquet(store, tmp_path / "tiles.parquet").path)
    own = read_predictions_table(stored)
    for name in own.column_names:
        if name != "included":  # field 4 was excluded after its table was made
            mine, theirs = (np.array(one[name].to_pylist(), object) for one in (table, own))
            missing = np.array([v is None or v != v for v in theirs])
            assert [v is None for v in mine] == missing.tolist(), name
            assert (mine[~missing] == theirs[~missing]).all(), name
    included = np.array(table["included"])
    np.testing.assert_array_equal(included, np.array(own["included"]) & (np.array(own["seq"]) != 4))
    assert included.sum() == present_score(store).tiles
    assert [why is None for why in table["excluded_because"].to_pylist()] == included.tolist()
    geometry = lay_out_section(store)
    origins = {field.seq: field.origin_px for field in geometry.fields}
    corners = geometry.tile_corners_px(TileGrid.for_frame(SHAPE, TILE)).tolist()
    for row in table.to_pylist():
        x, y = corners[3 * row["tile_row"] + row["tile_col"]]
        expected = (origins[row["seq"]][0] + x, origins[row["seq"]][1] + y) if row["seq"] in origins else (None, None)
        assert (row["mosaic_x_px"], row["mosaic_y_px"]) == expected


def test_no_cell_of_a_csv_is_a_formula(stored: Path, tmp_path: Path) -> None:
    outcome = export_csv(open_store(stored), tmp_path / "tiles.csv")
    with outcome.path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 36
    cells = {cell for row in rows for cell in row.values()}
    for cell in cells:
        if cell[:1] in {"=", "+", "-", "@"}:
            float(cell)
    assert {"'=1+1", f"excluded by the operator: {FORMULA}"} <= cells
    numbers = [float(row["probability"] or "nan") for row in rows if row["seq"] == "0"]
    np.testing.assert_array_equal(np.float32(numbers), read_predictions(stored)[0].probabilities)


def test_no_cell_of_an_exported_list_of_sections_is_a_formula(stored: Path, tmp_path: Path) -> None:
    written = export_sections(list(SectionLister().each([stored.parent])), [], tmp_path)
    (row,) = csv.DictReader(written[1].read_text(encoding="utf-8").splitlines())
    assert row["animal_id"] == "'=1+1"
    assert not [cell for cell in row.values() if cell[:1] in {"=", "+", "-", "@"}]
    assert json.loads(written[0].read_bytes())["sections"][0]["animal_id"] == "=1+1"


def test_a_senseless_place_keeps_no_table_from_being_written(tmp_path: Path) -> None:
    spec = make_spec(SHAPE, tile_px=TILE)
    far = create_store(tmp_path, spec)
    predictions = PredictionWriter(far.path, spec, run="live")
    with far:
        for seq, x_um in enumerate((0.0, 1e300)):
            far.append(make_frame(seq, SHAPE, stage_um=(x_um, 0.0, None)))
            predictions.append(make_result(seq, N))
    predictions.close()
    table = pq.read_table(export_parquet(open_store(far.path), tmp_path / "far.parquet").path)
    assert [one is None for one in table["mosaic_x_px"].to_pylist()] == [False] * N + [True] * N
    assert len(export_wsinfer(open_store(far.path), tmp_path / "w.csv").path.read_text().splitlines()) == 1 + 4
    assert len(read_geojson(export_qupath(open_store(far.path), tmp_path / "t.geojson.gz").path)["features"]) == 1 + N


def test_results_that_were_kept_later_are_exported_by_their_name(tmp_path: Path) -> None:
    """With the threshold, the class names and the warning of the model that they are of, and its score."""
    stored, card = section(tmp_path), read_card(models_dir() / "phantom-meng2019")
    store = open_store(stored)
    names = {"name": "predictions-again", "model_sha256": card.sha256}
    later = PredictionWriter(stored, store.spec, run="again", **names)
    for seq in (0, 2, 5):
        later.append(replace(make_result(seq, N), probabilities=np.full(N, card.decision_threshold - 0.01, np.float32)))
    later.close()
    (analysis,) = (one for one in open_section(stored).analyses if one.title == "Saved again")
    found = read_geojson(export_qupath(store, tmp_path / "t.geojson.gz", predictions="again").path)
    facts = found["metadata"]
    assert (facts["Model"], facts["Predictions"]) == (card.name, "again")
    assert facts["Score"] == describe_named_score(analysis.score)
    assert "synthetic phantom" in facts["Research use"]
    detections = by_type(found, "detection")
    assert {one["properties"]["classification"]["name"] for one in detections} == {"Low", "Not scored"}
    table = pq.read_table(export_parquet(store, tmp_path / "t.parquet", predictions="again").path)
    assert sum(table["included"].to_pylist()) == analysis.score.tiles
    assert set(table["model_sha256"].to_pylist()) == {card.sha256}
    planned = SectionExport([stored], ["csv", "mosaic"], options={"predictions": "again"}).planned
    name = stored.name.removesuffix(".ome.zarr")
    assert [one.target.name for one in planned] == [f"{name}-again-tiles.csv", f"{name}-mosaic.ome.tif"]
    for predictions, words in (("nope", "named 'nope'"), ("", "of its run")):
        (stored / "predictions.jsonl").unlink(missing_ok=True)
        with pytest.raises(StoreError, match=f"holds no predictions {words}.*Kept in it are: again"):
            export_csv(store, tmp_path / "none.csv", predictions=predictions)
    with pytest.raises(IdError):
        SectionExport([stored], ["csv"], options={"predictions": "../x"})


def test_without_positions_nothing_is_placed_on_a_mosaic(tmp_path: Path) -> None:
    spec = make_spec(SHAPE, tile_px=TILE)
    stored = create_store(tmp_path, spec)
    predictions = PredictionWriter(stored.path, spec, run="live")
    with stored:
        stored.append(make_frame(0, SHAPE, stage_um=None))
        predictions.append(make_result(0, N))
    predictions.close()
    store = open_store(stored.path)
    for export in (export_qupath, export_wsinfer):
        with pytest.raises(StoreError, match="has no mosaic: none of its fields has a position"):
            export(store, tmp_path / "out" / "file")
    assert not (tmp_path / "out").exists()
    assert set(pq.read_table(export_parquet(store, tmp_path / "t.parquet").path)["mosaic_x_px"].to_pylist()) == {None}
    on_frames = read_geojson(export_qupath(store, tmp_path / "t.geojson.gz", placed_on="frames").path)
    assert len(by_type(on_frames, "detection")) == N


def test_damaged_results_leave_no_export(tmp_path: Path) -> None:
    path = section(tmp_path)
    log = path / "predictions.jsonl"
    log.write_bytes(log.read_bytes().replace(b'"classified"', b'"classifieD"', 1))
    for export in (export_qupath, export_parquet, export_csv, export_wsinfer):
        with pytest.raises(StoreError, match=r"line 2 of .* is unreadable"):
            export(open_store(path), tmp_path / "out" / "file")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+cmd", "'+cmd"),
        ("-2+3", "'-2+3"),
        ("-2.5e-3", "-2.5e-3"),
        ("  =1", "'  =1"),
        ("\t=1", "'\t=1"),
        ("\uff1d1", "'\uff1d1"),
        ("fold;=1+1", "fold;'=1+1"),
        ("a-b, c = d", "a-b, c = d"),
        ("out of focus", "out of focus"),
        ("", ""),
    ],
)
def test_a_text_that_a_spreadsheet_would_compute_gets_an_apostrophe(text: str, cell: str) -> None:
    assert spreadsheet_text(text) == cell


def test_the_csv_of_wsinfer_has_the_tiles_that_count(stored: Path, tmp_path: Path) -> None:
    store = open_store(stored)
    outcome = export_wsinfer(store, tmp_path / "w.csv")
    lines = outcome.path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "minx,miny,width,height,prob_low,prob_high"
    rows = [line.split(",") for line in lines[1:]]
    detections = by_type(read_geojson(export_qupath(store, tmp_path / "t.geojson.gz").path), "detection")
    counted = [one for one in detections if one["properties"]["measurements"]["In the score"]]
    expected = {(*box_of(one)[:2], one["properties"]["measurements"]["Probability of high"]) for one in counted}
    assert {(int(x), int(y), float(high)) for x, y, _, _, _, high in rows} == expected
    assert {(width, height) for _, _, width, height, _, _ in rows} == {("40", "40")}
    assert all(float(low) + float(high) == pytest.approx(1) for *_, low, high in rows)
    assert outcome.left_out[0] == "20 tiles without a part in the score left out"


def test_the_provenance_describes_every_file_and_all_that_it_names(tmp_path: Path) -> None:
    card = read_card(models_dir() / "phantom-meng2019")
    stored = section(tmp_path, model_sha256=card.sha256, sampling="raster")
    store, before = open_store(stored), fingerprint(stored)
    steps: list[float] = []
    crate = export_provenance(store, tmp_path / "crate", on_progress=lambda step: steps.append(step.done)).path
    assert steps == sorted(steps)
    assert fingerprint(stored) == before
    hashes = dict(
        reversed(line.split("  ", 1)) for line in (crate / "store-sha256.txt").read_text(encoding="utf-8").splitlines()
    )
    assert hashes == {f"{stored.name}/{name}": sha256 for name, sha256 in before.items()}
    document = json.loads((crate / "ro-crate-metadata.json").read_text(encoding="utf-8"))
    entities = {one["@id"]: one for one in document["@graph"]}
    assert len(entities) == len(document["@graph"]), "each is described once"
    root = entities[entities["ro-crate-metadata.json"]["about"]["@id"]]
    assert root["description"].count("Research use only") == 1
    files = {one["@id"] for one in document["@graph"] if one["@type"] == "File"}
    assert {one["@id"] for one in root["hasPart"]} == files
    there = {path.relative_to(crate).as_posix() for path in crate.rglob("*") if path.is_file()}
    assert {unquote(name) for name in files} == there - {"ro-crate-metadata.json"}
    for name in files:
        data = (crate / unquote(name)).read_bytes()
        assert entities[name]["sha256"] == hashlib.sha256(data).hexdigest()
        assert entities[name]["contentSize"] == str(len(data))
    assert entities["#score"]["value"] == present_score(store).score
    assert "minValue" not in entities["#score"], "fields of a raster give no interval"
    assert entities["#model"]["sha256"] == card.sha256
    assert entities[entities["#model"]["subjectOf"]["@id"]]["description"].startswith("Card of the model")
    assert read_card(crate / "model") == card
    for one in document["@graph"]:
        for value in one.values():
            for part in value if isinstance(value, list) else [value]:
                if isinstance(part, dict) and not part["@id"].startswith("http"):
                    assert part["@id"] in entities, one


def test_a_run_that_has_not_ended_has_no_provenance(tmp_path: Path) -> None:
    with create_store(tmp_path, make_spec(SHAPE)) as writer:
        writer.append(make_frame(0, SHAPE))
        with pytest.raises(StoreError, match="has not ended"):
            export_provenance(open_store(writer.path), tmp_path / "crate")
        with pytest.raises(StoreError, match="no predictions"):
            export_qupath(open_store(writer.path), tmp_path / "t.geojson.gz")
    assert [path.name for path in tmp_path.iterdir()] == [writer.path.name]


PAGE = Path(__file__).resolve().parent.parent / "docs" / "interchange.md"


def test_the_manual_names_every_kind_of_export_and_its_file() -> None:
    page = PAGE.read_text(encoding="utf-8")
    rows = [row.split(" | ") for row in re.findall(r"^\| (`.*)", page, re.MULTILINE)]
    named = {kind: names for kinds, names, *_ in rows for kind in re.findall(r"`([\w-]+)`", kinds)}
    for kind in KINDS:
        assert kind.ending in named[kind.name], kind.name


def test_the_python_of_the_manual_finds_the_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(section(tmp_path, animal_id="M7", section_id="S1"))
    for kind in kinds_named(["mosaic", "fields", "table", "qupath"]):
        kind.run(store, tmp_path / f"M7_S1{kind.ending}", options_of([kind], {}), ignore_progress)
    (code,) = re.findall(r"```python\n(import gzip.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    found: dict[str, Any] = {}
    exec(code, found)
    assert found["score"] == pytest.approx(present_score(store).score)
    assert found["field"].shape == (1, *SHAPE)
    assert len(found["objects"]) == 28
    assert found["mosaic"].ndim == 2
