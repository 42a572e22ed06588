"""Each format is recognised by its content, and becomes the frames that its own writer stored."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image
from storage_cases import make_frame, make_spec

from hcc_scope.errors import ImageError, UsageError
from hcc_scope.exports.fields import export_fields
from hcc_scope.exports.frames import export_frames
from hcc_scope.imports.opening import open_sources
from hcc_scope.imports.selection import Selection
from hcc_scope.imports.source import ImportSource
from hcc_scope.runs.import_section import ImportRequest, OpenImport, open_import
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.writer import create_store
from hcc_scope.types import RunSpec
from hcc_scope.workers import StopToken
from tests.micromanager_files import metadata_of, write_stack

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.types import Frame

SHAPE = (40, 32)


def counts(index: int) -> np.ndarray:
    return np.random.default_rng(index).integers(0, 1 << 12, SHAPE, dtype=np.uint16)


def frames_of(opened: OpenImport) -> list[Frame]:
    facts = opened.facts
    spec = RunSpec(facts.shape_yx, facts.bit_depth, facts.pixel_size_um, "M7", "S1", sampling="imported")
    return list(ImportSource(opened.chosen, spec, opened.request.conversion).frames(StopToken()))


def imported(*sources: Path, **choices: Any) -> list[Frame]:  # noqa: ANN401 - of any field
    choices.setdefault("pixel_size_um", 0.325)
    with open_import(ImportRequest(sources, "M7", "S1", Path("out"), **choices)) as opened:
        return frames_of(opened)


def write_tiff(folder: Path) -> tuple[Path, ...]:
    path = folder / "stack.tif"
    tifffile.imwrite(path, np.stack([counts(0), counts(1)]), photometric="minisblack")
    return (path,)


def write_files(folder: Path) -> tuple[Path, ...]:
    paths = [folder / f"field {n}.tif" for n in range(2)]
    for n, path in enumerate(paths):
        tifffile.imwrite(path, counts(n))
    return tuple(paths)


def write_pngs(folder: Path) -> tuple[Path, ...]:
    for n in (0, 1):
        Image.fromarray(counts(n)).save(folder / f"{n}.png")
    return (folder,)


def write_mm_stack(folder: Path) -> tuple[Path, ...]:
    path = folder / "run_MMStack_Default.ome.tif"
    write_stack(path, [(counts(n), metadata_of(time=n)) for n in range(2)])
    return (path,)


def write_ome_zarr(folder: Path) -> tuple[Path, ...]:
    path = folder / "other.ome.zarr"
    group = zarr.create_group(path, zarr_format=3)
    axes = [{"name": name, "type": "time" if name == "t" else "space"} for name in "tyx"]
    steps = [{"type": "scale", "scale": [1.0, 0.325, 0.325]}]
    datasets = [{"path": "0", "coordinateTransformations": steps}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
    array = group.create_array("0", shape=(2, *SHAPE), dtype="uint16", chunks=(1, 16, 16))
    array[...] = np.stack([counts(0), counts(1)])
    return path, path / "zarr.json"


@pytest.mark.parametrize(
    ("write", "kind"),
    [
        (write_tiff, "TIFF"),
        (write_files, "TIFF"),
        (write_pngs, "PNG"),
        (write_mm_stack, "Micro-Manager stack"),
        (write_ome_zarr, "OME-Zarr 0.5"),
    ],
)
def test_every_format_comes_in_as_its_writer_stored_it(
    tmp_path: Path, write: Callable[[Path], tuple[Path, ...]], kind: str
):
    sources = write(tmp_path)
    if kind.startswith("OME-Zarr"):  # a file of a dataset stands for it
        assert [frame.tags for frame in imported(sources[1], selection=Selection(time=0))]
        sources = sources[:1]
    [source] = open_sources(sources)
    assert kind in source.images.format
    source.images.close()
    frames = imported(*sources, selection=Selection(channel="0", time="all"))
    assert [frame.seq for frame in frames] == [0, 1]
    for n, frame in enumerate(frames):
        assert np.array_equal(frame.pixels, counts(n))
        assert not frame.pixels.flags.writeable
        assert str(frame.tags["imported_from"])


def test_frames_that_are_exported_come_back_identical(tmp_path: Path):
    spec = make_spec(SHAPE, bit_depth=16, camera_axes=(0.0, -1.0, 1.0, 0.0))
    with create_store(tmp_path, spec) as writer:
        for seq in range(3):
            stage_um = 10.5 * seq, -7.25, None if seq == 1 else 3.0
            writer.append(make_frame(seq, SHAPE, bit_depth=16, stage_um=stage_um))
    store = open_store(writer.path)
    stack = tmp_path / "frames.ome.tif"
    export_frames(store, stack)
    with pytest.raises(UsageError, match="--time"):
        imported(stack)
    back = imported(stack, selection=Selection(time="all"), pixel_size_um=None)
    assert len(back) == store.n_frames
    for seq, frame in enumerate(back):
        before = store.read(seq)
        assert np.array_equal(frame.pixels, before.pixels)
        assert frame.stage_um == pytest.approx(before.stage_um)
        assert frame.t_utc == before.t_utc
        assert frame.exposure_ms == pytest.approx(before.exposure_ms)
        assert (frame.pixel_size_um, frame.bit_depth) == (spec.pixel_size_um, spec.bit_depth)


def test_a_time_that_no_file_stated_is_not_exported_as_one(tmp_path: Path):
    with create_store(tmp_path, make_spec(SHAPE, bit_depth=16, sampling="imported")) as writer:
        writer.append(make_frame(0, SHAPE, bit_depth=16, tags={"time_from": "import"}, exposure_ms=math.nan))
    export_frames(open_store(writer.path), tmp_path / "frames.ome.tif")
    [frame] = imported(tmp_path / "frames.ome.tif")
    assert frame.tags["time_from"] == "import"
    assert math.isnan(frame.exposure_ms)


def test_a_position_that_micromanager_stored_becomes_the_place_of_the_frame(tmp_path: Path):
    write_mm_stack(tmp_path)
    [frame] = imported(tmp_path, selection=Selection(time=0), pixel_size_um=None)
    assert frame.stage_um == (100.5, -20.25, 3.5)
    assert (frame.exposure_ms, frame.em_gain, frame.camera_frame) == (12.5, 300.0, 7)
    assert frame.tags["position_from"] == "file"


def test_fields_that_are_exported_come_back_at_their_places(tmp_path: Path):
    with create_store(tmp_path, make_spec(SHAPE, bit_depth=16)) as writer:
        for seq in range(2):
            writer.append(make_frame(seq, SHAPE, stage_um=(100.0 * seq, 50.0, 3.0)))
    store = open_store(writer.path)
    export_fields(store, tmp_path / "fields.zarr")
    back = imported(tmp_path / "fields.zarr", pixel_size_um=None)
    for seq, frame in enumerate(back):
        assert np.array_equal(frame.pixels, store.read(seq).pixels)
        assert frame.stage_um is not None
        assert frame.stage_um[:2] == pytest.approx((100.0 * seq, 50.0))


def test_sources_that_are_none_are_refused_by_name(tmp_path: Path):
    store = create_store(tmp_path, make_spec(SHAPE, bit_depth=16))
    with store:
        store.append(make_frame(0, SHAPE))
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "empty").mkdir()
    one = write_files(tmp_path)[0]
    for paths, words in (
        ((tmp_path / "missing.tif",), "nothing at"),
        ((tmp_path / "notes.txt",), "neither a TIFF nor a PNG"),
        ((tmp_path / "empty",), "no TIFF or PNG"),
        ((store.path,), "of this program's own"),
    ):
        with pytest.raises(ImageError, match=words):
            open_sources(paths)
    with pytest.raises(UsageError, match="given twice"):
        open_sources((one, tmp_path / "empty" / ".." / one.name))
    with pytest.raises(UsageError, match="no source"):
        open_sources(())
