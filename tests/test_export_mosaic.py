"""A section as one picture: other programs read every level, and each pixel is that of the field that it claims."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
import pytest
import shading_parts
import tifffile
import yaozarrs
import zarr
from storage_cases import fingerprint, make_frame, make_result, make_spec, shard

from hcc_scope.errors import HccScopeError, StoreDamagedError, StoreError, StoreExistsError, UsageError
from hcc_scope.exports import blocks, pyramid
from hcc_scope.exports import target as target_module
from hcc_scope.exports.geometry import lay_out_fields, lay_out_section
from hcc_scope.exports.kinds import KINDS
from hcc_scope.exports.mosaic import export_heatmap, export_mosaic
from hcc_scope.exports.pyramid import write_pyramid
from hcc_scope.exports.pyramid_tiff import PyramidTiff, TiffFacts
from hcc_scope.field_layout import StagePlace
from hcc_scope.orientation import Orientation
from hcc_scope.progress import ignore_progress
from hcc_scope.storage.notes import NotesWriter
from hcc_scope.storage.predictions import PredictionWriter
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.writer import create_store
from hcc_scope.tiling import TileGrid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from hcc_scope.progress import Progress
    from hcc_scope.shading.correction import Shading
    from hcc_scope.storage.reader import SectionStore

OME = {"o": "http://www.openmicroscopy.org/Schemas/OME/2016-06"}
PIXEL_UM = 0.5
SHAPE_YX = (420, 510)
PLACES = ((0, 7), (455, 0), (901, 3), (3, 371), (460, 390), (910, 377), (7, 760), (450, 700), (3, 763))
"""x, y of the upper left pixels of an odd grid with a gap; the last field lies over the seventh."""


def counts(seq: int, shape_yx: tuple[int, int] = SHAPE_YX) -> NDArray[np.uint16]:
    pixels = np.random.default_rng(seq).integers(1, 2**14, shape_yx, dtype=np.uint16)
    pixels.flags.writeable = False
    return pixels


def stored(
    folder: Path,
    places: Sequence[tuple[int, int] | None] = PLACES,
    *,
    corner_um: tuple[float, float] = (1000.0, 20.0),
    pixels: Mapping[int, NDArray[np.uint16]] = MappingProxyType({}),
    shading: Shading | None = None,
    **changes: object,
) -> SectionStore:
    """Store fields whose upper left pixels lie at some places, as the camera sees them."""
    spec = make_spec(**{"frame_shape_yx": SHAPE_YX, "pixel_size_um": PIXEL_UM, "tile_px": 128, **changes})
    orientation = Orientation(spec.camera_axes)
    height, width = SHAPE_YX[::-1] if orientation.swaps_axes else SHAPE_YX
    with create_store(folder, spec, shading=shading) as writer:
        for seq, place in enumerate(places):
            stage = None
            if place is not None:
                centre = place[0] + width / 2, place[1] + height / 2
                stage = corner_um[0] + centre[0] * PIXEL_UM, corner_um[1] + centre[1] * PIXEL_UM, None
            frame = pixels.get(seq, counts(seq))
            writer.append(make_frame(seq, pixels=frame, stage_um=stage, bit_depth=spec.bit_depth, tags={}))
    return open_store(writer.path)


def drawn(pictures: Sequence[NDArray[Any]], places: Sequence[tuple[int, int]], fill: float = 0) -> NDArray[Any]:
    """Lay pictures over one another, in the plainest way."""
    right = max(x + one.shape[1] for one, (x, _) in zip(pictures, places, strict=True))
    bottom = max(y + one.shape[0] for one, (_, y) in zip(pictures, places, strict=True))
    canvas = np.full((bottom, right), fill, pictures[0].dtype)
    for one, (x, y) in zip(pictures, places, strict=True):
        canvas[y : y + one.shape[0], x : x + one.shape[1]] = one
    return canvas


def halved(picture: NDArray[np.uint16], covered: NDArray[np.bool_]) -> tuple[NDArray[np.uint16], NDArray[np.bool_]]:
    """Return the rounded means of the covered ones of 2 x 2 pixels."""
    height, width = (n + n % 2 for n in picture.shape)
    values, used = np.zeros((height, width)), np.zeros((height, width), bool)
    values[: picture.shape[0], : picture.shape[1]] = picture
    used[: picture.shape[0], : picture.shape[1]] = covered
    sums, n = (
        (one * used).reshape(height // 2, 2, width // 2, 2).sum((1, 3)) for one in (values, np.ones_like(values))
    )
    return np.floor(sums / np.maximum(n, 1) + 0.5).astype(np.uint16), n > 0


def levels_of(path: Path) -> list[NDArray[Any]]:
    """Return all levels, as tifffile or zarr-python reads them."""
    if path.is_file():
        with tifffile.TiffFile(path) as file:
            return [level.asarray() for level in file.series[0].levels]
    group = zarr.open_group(path, mode="r")
    datasets = group.attrs["ome"]["multiscales"][0]["datasets"]  # type: ignore[index,call-overload]
    return [np.asarray(group[one["path"]][0]) for one in datasets]  # type: ignore[index]


def write(store: SectionStore, folder: Path, kind: str, **options: str) -> Path:
    """Export as the command and the window do."""
    one = next(one for one in KINDS if one.name == kind)
    chosen = {option.name: options.get(option.name, option.choices[0]) for option in one.options}
    return one.run(store, folder / f"{store.path.stem}{one.ending}", chosen, ignore_progress).path


@pytest.mark.parametrize(
    ("kind", "options"),
    [("mosaic", {}), ("mosaic", {"compression": "deflate"}), ("mosaic-zarr", {})],
    ids=["no compression", "deflate", "zarr"],
)
def test_other_programs_read_every_level(tmp_path: Path, kind: str, options: dict[str, str]) -> None:
    store = stored(tmp_path / "in")
    before = fingerprint(store.path)
    path = write(store, tmp_path, kind, **options)
    truth = drawn([counts(seq) for seq in range(len(PLACES))], PLACES)
    covered = drawn([np.ones(SHAPE_YX, bool)] * len(PLACES), PLACES)
    assert not covered.all()
    levels = levels_of(path)
    assert [level.shape for level in levels] == [(1183, 1420), (592, 710), (296, 355)]
    for level in levels:
        np.testing.assert_array_equal(level, truth)
        truth, covered = halved(truth, covered)
    assert fingerprint(store.path) == before
    assert not list(tmp_path.glob(".*"))


def test_a_mosaic_states_its_scale_and_place(tmp_path: Path) -> None:
    path = write(stored(tmp_path / "in"), tmp_path, "mosaic")
    with tifffile.TiffFile(path) as file:
        page, smaller = file.pages[0], file.series[0].levels[1].pages[0]
        tags = {name: page.tags[name].value for name in ("XResolution", "YResolution", "XPosition", "YPosition")}
        root = ElementTree.fromstring(page.description)
        assert "&#" not in page.description  # Bio-Formats would take it for a plain TIFF
        assert (page.is_tiled, page.tile, page.tags["ResolutionUnit"].value) == (True, (512, 512), 3)
        assert (page.tags["NewSubfileType"].value, smaller.tags["NewSubfileType"].value) == (0, 1)
        assert smaller.tags["XResolution"].value == (10000, 1)
        assert not file.is_bigtiff
    assert tags == {"XResolution": (20000, 1), "YResolution": (20000, 1), "XPosition": (1, 10), "YPosition": (1, 500)}
    pixels, plane = root.find(".//o:Pixels", OME), root.find(".//o:Plane", OME)
    assert pixels is not None
    assert plane is not None
    assert (pixels.get("PhysicalSizeX"), pixels.get("PhysicalSizeXUnit"), pixels.get("SizeX")) == ("0.5", "µm", "1420")
    assert (plane.get("PositionX"), plane.get("PositionY")) == ("1000.0", "20.0")
    rectangles = np.zeros((1183, 1420), bool)
    for one in root.findall(".//o:Rectangle", OME):
        x, y, width, height = (int(one.attrib[key]) for key in ("X", "Y", "Width", "Height"))
        rectangles[y : y + height, x : x + width] = True
    np.testing.assert_array_equal(rectangles, tifffile.imread(path) > 0)
    notes = {one.get("K"): one.text for one in root.findall(".//o:M", OME)}
    assert int(notes["covered_px"] or 0) == rectangles.sum()
    assert (notes["fill_value"], notes["covered_px_with_fill_value"]) == ("0", "0")
    assert json.loads(notes["stage_um_from_px"] or "") == [[0.5, 0.0, 1000.0], [0.0, 0.5, 20.0]]


def test_a_pixel_too_small_for_the_numbers_of_tiff_is_in_its_xml(tmp_path: Path) -> None:
    store = stored(tmp_path / "in", [(0, 0)], pixel_size_um=1e-8)
    for kind in ("mosaic", "frames"):
        with tifffile.TiffFile(write(store, tmp_path, kind)) as file:
            tags = file.pages[0].tags
            assert tags.get("ResolutionUnit") is None or tags["ResolutionUnit"].value == 1, kind
            assert 'PhysicalSizeX="1e-08"' in (file.ome_metadata or "")


def test_each_level_of_a_zarr_mosaic_lies_where_its_pixels_do(tmp_path: Path) -> None:
    path = write(stored(tmp_path / "in", corner_um=(-50.0, 20.0)), tmp_path, "mosaic-zarr")
    yaozarrs.validate_zarr_store(path)
    group = zarr.open_group(path, mode="r")
    multiscale = group.attrs["ome"]["multiscales"][0]  # type: ignore[index,call-overload]
    for level, one in enumerate(multiscale["datasets"]):  # type: ignore[index,call-overload]
        scale, translation = (one["coordinateTransformations"][i] for i in (0, 1))  # type: ignore[index,call-overload]
        step = PIXEL_UM * 2**level
        assert scale["scale"] == [1.0, step, step]
        assert translation["translation"] == [0.0, 20.0 + step / 2, -50.0 + step / 2]
    arrays = [group[str(level)].metadata.to_dict() for level in range(3)]
    assert len({json.dumps([one["chunk_grid"], one["codecs"]], default=str) for one in arrays}) == 1
    assert '"fill_value": 0,' in (path / "0/zarr.json").read_text()  # a fraction is not allowed for whole numbers
    facts: Any = group.attrs["hcc_scope_mosaic"]
    assert [one["seq"] for one in facts["fields"]] == list(range(len(PLACES)))
    assert facts["stage_um_from_px"] == [[0.5, 0.0, -50.0], [0.0, 0.5, 20.0]]


@pytest.mark.parametrize("axes", [(0.0, -1.0, 1.0, 0.0), (-1.0, 0.0, 0.0, 1.0)], ids=["a quarter turn", "mirrored"])
def test_fields_of_a_turned_camera_are_drawn_upright(tmp_path: Path, axes: tuple[float, ...]) -> None:
    orientation = Orientation(axes)  # type: ignore[arg-type]
    height, width = SHAPE_YX[::-1] if orientation.swaps_axes else SHAPE_YX
    specimen = counts(5, (800, 900))
    places = [(0, 0), (300, 80), (340, 250)]
    seen = {
        seq: np.ascontiguousarray(orientation.as_seen(specimen[y : y + height, x : x + width]))
        for seq, (x, y) in enumerate(places)
    }
    path = write(stored(tmp_path / "in", places, pixels=seen, camera_axes=axes), tmp_path, "mosaic")
    picture = tifffile.imread(path)
    covered = picture > 0
    np.testing.assert_array_equal(picture[covered], specimen[: picture.shape[0], : picture.shape[1]][covered])
    assert covered.mean() > 0.5


def test_feathering_blends_where_fields_overlap_and_nowhere_else(tmp_path: Path) -> None:
    flat = {seq: np.full(SHAPE_YX, level, np.uint16) for seq, level in enumerate((1000, 3000))}
    store = stored(tmp_path / "in", [(0, 0), (410, 0)], pixels=flat)
    picture = tifffile.imread(write(store, tmp_path, "mosaic", overlap="feather"))
    assert (picture[:, :410] == 1000).all()
    assert (picture[:, 510:] == 3000).all()
    x = np.arange(100)
    expected = np.rint(1000 + 2000 * (x + 1) / ((x + 1) + (100 - x)))
    np.testing.assert_allclose(picture[210, 410:510], expected, atol=1)
    np.testing.assert_array_equal(tifffile.imread(write(store, tmp_path / "last", "mosaic"))[:, 410:], 3000)


def test_blending_takes_the_latest_fields_of_a_place(tmp_path: Path) -> None:
    flat = {seq: np.full(SHAPE_YX, level, np.uint16) for seq, level in enumerate((9000, 1000, 2000, 3000, 4000))}
    store = stored(tmp_path / "in", [(0, 0)] * 5, pixels=flat)
    picture = tifffile.imread(write(store, tmp_path, "mosaic", overlap="feather"))
    assert (picture == 2500).all()
    outcome = export_mosaic(store, tmp_path / "last.ome.tif")
    assert outcome.left_out == ("4 fields not seen, as later ones lie over all of it",)
    assert outcome.what.startswith("1 field in 510 x 420 pixels")
    assert (tifffile.imread(outcome.path) == 4000).all()
    shard(store.path, 4).unlink()
    shard(store.path, 3).unlink()
    outcome = export_mosaic(store, tmp_path / "damaged.ome.tif")
    assert (tifffile.imread(outcome.path) == 2000).all()
    assert [words[:7] for words in outcome.left_out] == ["Frame 4", "Frame 3", "2 field"]


def test_a_damaged_field_leaves_its_ground_uncovered_and_is_named(tmp_path: Path) -> None:
    store = stored(tmp_path / "in")
    shard(store.path, 4).write_bytes(b"nothing")
    outcome = export_mosaic(store, tmp_path / "a.ome.tif")
    without = [seq for seq in range(len(PLACES)) if seq != 4]
    truth = drawn([counts(seq) for seq in without], [PLACES[seq] for seq in without])
    np.testing.assert_array_equal(tifffile.imread(outcome.path), truth)
    assert len(outcome.left_out) == 1
    assert "Frame 4" in outcome.left_out[0]
    for seq in without:
        shard(store.path, seq).unlink()
    with pytest.raises(StoreError, match="every frame is damaged or missing"):
        export_mosaic(store, tmp_path / "b.ome.tif")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.ome.tif", "in"]


def test_the_room_that_is_asked_for_is_what_scattered_fields_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def check(target: Path, need_bytes: int) -> None:
        asked.append(need_bytes)
        target_module.check_out_dir(target.parent, need_bytes=need_bytes)

    monkeypatch.setattr(target_module, "check_target", check)
    store = stored(tmp_path / "in", [(0, 0), (3000, 700), (1500, 4000)])
    for form in ("ome-tiff", "ome-zarr"):
        export_mosaic(store, tmp_path / form, form=form)  # type: ignore[arg-type]
        files = [file for file in [tmp_path / form, *(tmp_path / form).rglob("*")] if file.is_file()]
        assert sum(file.stat().st_size for file in files) <= asked[-1]
    assert asked[0] <= 1.3 * (tmp_path / "ome-tiff").stat().st_size


def test_counts_that_look_uncovered_are_counted(tmp_path: Path) -> None:
    black = counts(0).copy()
    black[5:7, 30:40] = 0
    path = write(stored(tmp_path / "in", [(0, 0), (600, 0)], pixels={0: black}), tmp_path, "mosaic-zarr")
    facts: Any = zarr.open_group(path, mode="r").attrs["hcc_scope_mosaic"]
    assert (facts["covered_px_with_fill_value"], facts["covered_px"]) == (20, 2 * 420 * 510)


def test_a_corrected_section_is_drawn_as_it_was_classified_or_raw(tmp_path: Path) -> None:
    shape = shading_parts.SHAPE_YX
    flat = np.linspace(0.5, 1.5, shape[1])[None, :].repeat(shape[0], axis=0)
    shading = shading_parts.simple(100.0, flat)
    frame = counts(1, shape)
    store = stored(tmp_path / "in", [(0, 0)], pixels={0: frame}, shading=shading, frame_shape_yx=shape, bit_depth=16)
    np.testing.assert_array_equal(tifffile.imread(write(store, tmp_path, "mosaic")), shading.corrected(frame))
    np.testing.assert_array_equal(tifffile.imread(write(store, tmp_path / "raw", "mosaic", pixels="raw")), frame)
    (store.path / "shading-flat.png").write_bytes(b"")
    with pytest.raises(StoreDamagedError):
        write(open_store(store.path), tmp_path / "again", "mosaic")


@pytest.mark.parametrize("kind", ["heatmap", "heatmap-zarr"])
def test_a_heatmap_has_the_probability_of_each_tile_over_its_pixels(tmp_path: Path, kind: str) -> None:
    store = stored(tmp_path / "in")
    with pytest.raises(StoreError, match="holds no predictions"):
        write(store, tmp_path, kind)
    grid = TileGrid.for_frame(SHAPE_YX, 128)
    writer = PredictionWriter(store.path, store.spec, run="one")
    results = {seq: make_result(seq, grid.n) for seq in range(len(PLACES)) if seq != 2}
    none = np.empty(0, np.float32)
    failed = make_result(2, 0, outcome="failed", logits=none, probabilities=none, flags=none.astype(np.uint8))
    for result in (*results.values(), failed):
        writer.append(result)
    writer.close()
    NotesWriter(store.path).add("exclude", "out of focus", 4)
    pictures = []
    for seq in range(len(PLACES)):
        picture = np.full(SHAPE_YX, np.nan, np.float32)
        for i, (y, x) in enumerate(grid.origins_yx.tolist() if seq not in (2, 4) else ()):
            usable = results[seq].flags[i] == 0
            picture[y : y + 128, x : x + 128] = results[seq].probabilities[i] if usable else np.nan
        pictures.append(picture)
    levels = levels_of(write(open_store(store.path), tmp_path, kind))
    truth = drawn(pictures, PLACES, np.nan)
    assert levels[0].shape == levels_of(write(store, tmp_path, "mosaic"))[0].shape
    for level in levels:
        np.testing.assert_array_equal(level, truth)
        truth = truth[::2, ::2]


def test_a_heatmap_leaves_out_the_fields_that_its_mosaic_leaves_out(tmp_path: Path) -> None:
    store = stored(tmp_path / "in", [(0, 0), (50, 0)])
    grid = TileGrid.for_frame(SHAPE_YX, 128)
    writer = PredictionWriter(store.path, store.spec, run="one")
    half, none = np.full(grid.n, 0.5, np.float32), np.zeros(grid.n, np.uint8)
    for seq in range(2):
        writer.append(make_result(seq, grid.n, logits=half - half, probabilities=half, flags=none))
    writer.close()
    shard(store.path, 1).write_bytes(b"nothing")
    made = [
        export(open_store(store.path), tmp_path / f"{export.__name__}.ome.tif")
        for export in (export_mosaic, export_heatmap)
    ]
    assert made[0].left_out == made[1].left_out
    assert "Frame 1" in made[1].left_out[0]
    mosaic, heat = (tifffile.imread(one.path) for one in made)
    np.testing.assert_array_equal(mosaic > 0, ~np.isnan(heat))
    assert np.isnan(heat[:, SHAPE_YX[1] :]).all()


def test_what_has_no_sense_as_a_mosaic_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="none of its fields has a position"):
        export_mosaic(stored(tmp_path / "a", [None, None]), tmp_path / "out" / "a.ome.tif")
    with pytest.raises(
        UsageError, match=r"up to 500 mm apart: a mosaic would have 1,000,510 x 1,000,420 pixels"
    ) as caught:
        export_mosaic(stored(tmp_path / "b", [(0, 0), (10**6, 10**6)]), tmp_path / "out" / "b.ome.tif")
    assert "--as fields" in str(caught.value.hint)
    assert not (tmp_path / "out").exists()


def test_an_export_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    class CancelledError(HccScopeError):
        pass

    def cancel(step: Progress) -> None:
        if step.done:
            raise CancelledError("enough")

    store = stored(tmp_path / "in")
    for name, form in (("a.ome.tif", "ome-tiff"), ("a.zarr", "ome-zarr")):
        with pytest.raises(CancelledError):
            export_mosaic(store, tmp_path / name, form=form, on_progress=cancel)  # type: ignore[arg-type]
    assert [file.name for file in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize("largest_classic", [0, 2**32 - 1])
def test_empty_tiles_of_a_pyramid_share_their_bytes(tmp_path: Path, largest_classic: int) -> None:
    pixels = counts(0, (1024, 1024))
    shapes = [(5000, 3001), (2500, 1501)]
    path = tmp_path / "a.tif"
    with PyramidTiff(path, shapes, np.dtype(np.uint16), 0, largest_classic=largest_classic) as tiff:
        tiff.put(tiff.encode(0, 1, 2, blocks.Block(pixels, None)))
        tiff.close(TiffFacts(b"none", 1 / 3, (-3.0, 7.5), "test"))
    with tifffile.TiffFile(path) as file:
        assert file.is_bigtiff == (largest_classic == 0)
        page = file.pages[0]
        assert "YPosition" not in page.tags  # TIFF knows no negative place, and half of one is none
        assert page.tags["XResolution"].value == (30000, 1)
        assert [len(one) for one in (page.dataoffsets, set(page.dataoffsets))] == [60, 4 + 1]
        picture = page.asarray()
        np.testing.assert_array_equal(picture[1024:2048, 2048:], pixels[:, : 3001 - 2048])
        assert np.count_nonzero(picture) == 1024 * (3001 - 2048)
        assert page.pages[0].asarray().sum() == 0
    assert path.stat().st_size < 3 * 2**20


class Pictures:
    """Pictures in memory, which count how often each is read."""

    kind, fill, dtype = "mosaic", 0.0, np.dtype(np.uint16)

    def __init__(self, pictures: Mapping[int, NDArray[np.uint16]]) -> None:
        self._pictures = pictures
        self.damaged: dict[int, str] = {}
        self.asked: list[int] = []

    def read(self, seqs: Iterable[int]) -> Iterator[NDArray[np.uint16]]:
        for seq in seqs:
            self.asked.append(seq)
            yield self._pictures[seq]


class Canvas:
    """Takes the full resolution."""

    def __init__(self, shape_yx: tuple[int, int]) -> None:
        self.pixels = np.zeros([-(-n // 1024) * 1024 for n in shape_yx], np.uint16)

    def encode(self, level: int, row: int, column: int, block: blocks.Block) -> tuple[int, ...]:
        if level == 0:
            self.pixels[row * 1024 : (row + 1) * 1024, column * 1024 : (column + 1) * 1024] = block.pixels
        return level, row, column

    def put(self, encoded: object) -> None:
        assert encoded


@pytest.mark.parametrize("most_held", [10**9, 0], ids=["all frames fit", "few frames fit"])
def test_any_arrangement_of_fields_is_drawn_as_one_over_the_other(
    monkeypatch: pytest.MonkeyPatch, most_held: int
) -> None:
    monkeypatch.setattr(blocks, "MOST_HELD_BYTES", most_held)
    rng = np.random.default_rng(3)
    shape, n = (300, 200), 70
    places = rng.integers(0, (2400, 1300), (n, 2)).tolist() + [[900, 900]] * 3
    places[0] = [0, 0]
    pictures = {seq: counts(seq, shape) for seq in range(len(places))}
    geometry = lay_out_fields(
        {seq: StagePlace(0, x + shape[1] / 2, y + shape[0] / 2) for seq, (x, y) in enumerate(places)},
        shape,
        1.0,
        Orientation(),
    )
    assert [list(field.origin_px) for field in geometry.fields] == places
    source, canvas = Pictures(pictures), Canvas(geometry.mosaic_shape_yx)
    counted = write_pyramid(geometry, source, canvas, feather=False, stage="", on_progress=ignore_progress)
    height, width = geometry.mosaic_shape_yx
    truth = drawn(list(pictures.values()), places)
    np.testing.assert_array_equal(canvas.pixels[:height, :width], truth)
    assert not canvas.pixels[height:].any()
    assert not canvas.pixels[:, width:].any()
    assert (counted.covered_px, counted.fill_in_fields_px) == (np.count_nonzero(truth), 0)
    assert not {n, n + 1} & set(source.asked)  # hidden by a later one: not read at all
    assert (len(source.asked) == len(set(source.asked))) == (most_held > 0)


def test_memory_holds_no_more_frames_than_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "MOST_HELD_BYTES", 10)
    places = {seq: StagePlace(0, 30.0 * seq, 7.0 * seq) for seq in range(120)}
    geometry = lay_out_fields(places, (500, 500), 1.0, Orientation())
    held: set[int] = set()
    for plan in (plan for row in blocks.plan_rows(geometry, 1) for plan in row):
        held |= set() if plan.streamed else set(plan.loads)
        assert plan.streamed or set(plan.shown) <= held
        held -= set(plan.drops)
        assert len(held) <= 10
    assert pyramid.level_shapes((1, 1)) == [(1, 1)]


def test_the_layout_of_a_mosaic_is_that_of_its_section(tmp_path: Path) -> None:
    store = stored(tmp_path, [(0, 0), None, (40, 30)])
    outcome = export_mosaic(store, tmp_path / "a.ome.tif")
    assert outcome.left_out == lay_out_section(store).left_out
    assert outcome.describe().endswith("2 fields in 550 x 450 pixels, of which they cover 99 %.")
    with pytest.raises(StoreExistsError):
        export_mosaic(store, outcome.path)
