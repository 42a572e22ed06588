"""The list of labelled images: what it may say, and what it is refused for."""

from __future__ import annotations

import csv
import io
import os
import string
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from dataset_parts import HEADER, edit, small_set, tissue, write_image, write_lines
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from storage_cases import make_frame, make_spec

from hcc_scope.datasets.manifest import read_manifest
from hcc_scope.datasets.rows import COLUMNS, composed, parse_rows
from hcc_scope.errors import DatasetError, ImageError, ManifestError
from hcc_scope.storage.writer import create_store

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of images, whose manifests differ."""
    folder = tmp_path_factory.mktemp("images")
    for name in ("a", "b", "c"):
        write_image(folder / f"{name}.tif", tissue(ord(name)))
    tifffile.imwrite(
        folder / "pages.tif", np.stack([tissue(i) for i in range(3)]), photometric="minisblack", metadata=None
    )
    write_image(folder / "small.tif", tissue(9, (400, 600)))
    write_image(folder / "eight.tif", (tissue(8) >> 8).astype("uint8"))
    (folder / "words.tif").write_text("no image at all")
    return folder


GOOD = ["a.tif,low,m1,s1,mon,0.325", "b.tif,high,m2,s1,mon,0.325"]


def manifest(images: Path, lines: list[str], header: str = HEADER, name: str = "m.csv") -> Path:
    return write_lines(images / name, lines, header)


def test_a_manifest_is_read_in_its_order(images: Path):
    data = read_manifest(manifest(images, ["b.tif,HIGH,m2, s1 ,mon,0.33", "", *GOOD[:1]]))
    b, a = data.images
    assert (b.tumour_class, b.label, b.section_id, b.pixel_size_um, b.shape_yx) == ("high", 1, "s1", 0.33, (512, 512))
    assert (a.path, a.index, a.name) == (images / "a.tif", 0, "a.tif")
    assert (data.bit_depth, data.pixel_size_um, data.synthetic) == (16, pytest.approx(0.3275), None)
    assert len(data.fingerprint) == 64


def test_an_id_is_the_same_in_either_form_of_unicode(images: Path):
    rows = ["a.tif,low,M\u00fc1,S\u00e9,m\u00e4r,0.3", "b.tif,low,Mu\u03081,Se\u0301,ma\u0308r,0.3"]
    one, other, _ = read_manifest(manifest(images, [*rows, "c.tif,high,m2,s1,mon,0.3"])).images
    assert (one.section, one.day) == (other.section, other.day) == (("M\u00fc1", "S\u00e9"), "m\u00e4r")


TEXT = "\n".join([HEADER, *GOOD])
WRITTEN = {
    "bom.csv": "\ufeff" + TEXT.replace("\n", "\r\n") + "\r\n",
    "tabs.tsv": TEXT.replace(",", "\t"),
    "tabs.csv": TEXT.replace(",", "\t"),
    "german.csv": TEXT.replace(",", ";").replace("0.325", "0,325"),
    "quoted.csv": TEXT.replace("path,class", '"path",Class').replace("a.tif", '"a.tif"').replace("mon", '"mon"'),
    "order.csv": "day,pixel_size_um,section_id,animal_id,class,path\n"
    "mon,0.325,s1,m1,low,a.tif\nmon,0.325,s1,m2,high,b.tif",
}


@pytest.mark.parametrize(("name", "text"), WRITTEN.items(), ids=WRITTEN)
def test_every_way_to_write_it_says_the_same(images: Path, name: str, text: str):
    path = images / name
    path.write_bytes(text.encode())
    assert read_manifest(path).images == read_manifest(manifest(images, GOOD)).images


MISTAKES = {
    "unknown column": (["a.tif,low,m1,s1,mon,0.3,x"], HEADER + ",stain", ManifestError, "unknown column .stain"),
    "misspelt column": ([], HEADER.replace("animal_id", "animal"), ManifestError, "Did you mean animal_id"),
    "missing columns": ([], "path,class", ManifestError, "line 1: missing columns animal_id, section_id, day, pixel"),
    "unknown column after blank lines": ([], "\n\n" + HEADER + ",stain", ManifestError, "line 3: unknown column"),
    "column twice after a blank line": ([], "\n" + HEADER + ",day", ManifestError, "line 2: the column day is"),
    "missing columns after a blank line": ([], " ,\npath,class", ManifestError, "line 2: missing columns animal_id"),
    "column twice": ([], HEADER + ",day", ManifestError, "line 1: the column day is there twice"),
    "line break in an id": (
        [GOOD[0], 'b.tif,high,"m\n2",s1,mon,0.3'], HEADER, ManifestError, "animal_id holds a line break"
    ),
    "third class": ([GOOD[0], "b.tif,medium,m2,s1,mon,0.3"], HEADER, ManifestError, "line 3: the class is 'medium'"),
    "empty animal": ([GOOD[0], "b.tif,high,,s1,mon,0.3"], HEADER, ManifestError, "line 3: animal_id is empty"),
    "empty path": ([",high,m2,s1,mon,0.3"], HEADER, ManifestError, "line 2: path is empty"),
    "no number": (["a.tif,low,m1,s1,mon,wide"], HEADER, ManifestError, "line 2: pixel_size_um is 'wide'"),
    "negative": (["a.tif,low,m1,s1,mon,-0.3"], HEADER, ManifestError, "line 2: a pixel size of -0.3 um"),
    "nan": (["a.tif,low,m1,s1,mon,nan"], HEADER, ManifestError, "line 2: pixel_size_um is .nan., which is no number"),
    "metres": (["a.tif,low,m1,s1,mon,3.25e-7"], HEADER, ManifestError, "line 2: a pixel size of 3.25e-7 um.*in um"),
    "nanometres": (["a.tif,low,m1,s1,mon,325"], HEADER, ManifestError, "line 2: a pixel size of 325 um cannot be"),
    "too long": ([GOOD[0], "x" * 5000 + ",high,m2,s1,mon,0.3"], HEADER, ImageError, "line 3: .*cannot be opened: File"),
    "too few values": (["a.tif,low,m1,s1,mon"], HEADER, ManifestError, "line 2: 5 values for 6 columns"),
    "open quote": (['"a.tif,low,m1,s1,mon,0.3'], HEADER, ManifestError, "Check the quotes"),
    "bit depth": (["a.tif,low,m1,s1,mon,0.3,17"], HEADER + ",bit_depth", ManifestError, "line 2: a bit depth of 17"),
    "bit depth of 8": (["eight.tif,low,m1,s1,mon,0.3,12"], HEADER + ",bit_depth", ManifestError, "numbers of 8 bits"),
    "page": (["a.tif,low,m1,s1,mon,0.3,one"], HEADER + ",page", ManifestError, "line 2: page is 'one'"),
    "negative page": (["a.tif,low,m1,s1,mon,0.3,-1"], HEADER + ",page", ManifestError, "line 2: page -1"),
    "no such page": (["a.tif,low,m1,s1,mon,0.3,1"], HEADER + ",page", ImageError, "line 2: .*a.tif has no page 1"),
    "missing file": ([GOOD[0], "x.tif,high,m2,s1,mon,0.3"], HEADER, ImageError, "line 3: .*x.tif cannot be opened: No"),
    "no image": ([GOOD[0], "words.tif,high,m2,s1,mon,0.3"], HEADER, ImageError, "line 3: .*words.tif is neither"),
    "twice": ([*GOOD, GOOD[0]], HEADER, ManifestError, "line 4: a.tif is listed already on line 2"),
    "twice by another path": ([*GOOD, "./" + GOOD[0]], HEADER, ManifestError, "line 4: a.tif is listed already"),
    "nothing": ([], HEADER, DatasetError, "lists no image"),
    "one class": (GOOD[:1], HEADER, DatasetError, "images of the class low alone.*Add images of class high"),
    "bit depths": ([*GOOD, "eight.tif,low,m1,s1,mon,0.325"], HEADER, DatasetError, r"16 bit, but not eight.tif \(8"),
    "pixel sizes": ([*GOOD, "c.tif,low,m1,s1,mon,0.65"], HEADER, DatasetError, r"more than 5% .* in c.tif \(0.65 um\)"),
    "too small": ([*GOOD, "small.tif,low,m1,s1,mon,0.325"], HEADER, DatasetError, r"512 px: small.tif \(400 x 600\)"),
    "two classes in one animal": ([*GOOD, "c.tif,high,m1,s1,mon,0.325"], HEADER, DatasetError, "both classes .* m1"),
}  # fmt: skip


@pytest.mark.parametrize(("lines", "header", "error", "says"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_with_its_line(images: Path, lines: list[str], header: str, error: type, says: str):
    path = manifest(images, lines, header)
    with pytest.raises(error, match=says) as caught:
        read_manifest(path)
    assert type(caught.value) is error
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("content", "says"), [(None, "No such file"), (b"", "is empty"), (b"path\xff,class\n", "line 1: not UTF-8")]
)
def test_a_file_that_is_no_manifest(tmp_path: Path, content: bytes | None, says: str):
    path = tmp_path / "m.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ManifestError, match=says):
        read_manifest(path)


def test_every_page_is_an_image_unless_one_is_named(images: Path):
    data = read_manifest(manifest(images, ["pages.tif,low,m1,s1,mon,0.325", *GOOD[1:]]))
    assert [(i.name, i.index) for i in data.images[:3]] == [("pages.tif", 0), ("pages.tif[1]", 1), ("pages.tif[2]", 2)]
    rows = ["pages.tif,low,m1,s1,mon,0.325,2", "b.tif,high,m2,s1,mon,0.325,"]
    data = read_manifest(manifest(images, rows, HEADER + ",page"))
    assert [image.index for image in data.images] == [2, 0]


def test_paths_may_lead_into_folders_in_the_way_of_either_system(tmp_path: Path):
    for name in ("low", "high"):
        write_image(tmp_path / name / "1.tif", tissue(len(name)))
    path = manifest(tmp_path, ["low/1.tif,low,m1,s1,mon,0.3", "high\\1.tif,high,m2,s1,mon,0.3"])
    assert [image.path for image in read_manifest(path).images] == [tmp_path / "low/1.tif", tmp_path / "high/1.tif"]


def test_the_column_bit_depth_says_what_the_camera_has(images: Path):
    rows = ["a.tif,low,m1,s1,mon,0.325,12", "b.tif,high,m2,s1,mon,0.325,12"]
    data = read_manifest(manifest(images, rows, HEADER + ",bit_depth"))
    assert (data.bit_depth, data.full_scale) == (12, 4095)


def test_the_fingerprint_changes_with_what_is_said_and_with_the_files(tmp_path: Path):
    path = small_set(tmp_path / "here")
    first = read_manifest(path).fingerprint
    assert read_manifest(path).fingerprint == first
    path = (tmp_path / "here").rename(tmp_path / "there") / path.name
    assert read_manifest(path).fingerprint == first
    other_day = read_manifest(edit(path, "2026-01-02", "2026-01-03")).fingerprint
    assert other_day != first
    edit(path, "2026-01-03", "2026-01-02")
    os.utime(path.parent / "low1-0.tif", (1, 1))
    assert read_manifest(path).fingerprint not in {first, other_day}


def test_cohort_json_beside_it_says_that_the_images_are_no_tissue(tmp_path: Path):
    path = small_set(tmp_path)
    (tmp_path / "cohort.json").write_text('{"synthetic": "Noise."}')
    assert read_manifest(path).synthetic == "Noise."
    (tmp_path / "cohort.json").write_text("{}")
    with pytest.raises(ManifestError, match="does not say what the images are"):
        read_manifest(path)


# ---- stores ---------------------------------------------------------------------------------------------------------


def written_store(folder: Path, animal: str, n: int = 3, **spec: object) -> Path:
    shape = (512, 600)
    with create_store(folder, make_spec(shape, animal_id=animal, bit_depth=16, **spec)) as writer:
        for seq in range(n):
            writer.append(make_frame(seq, shape, bit_depth=16))
    writer.finalise({"state": "completed"})
    return writer.path


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stores")
    written_store(folder, "M1")
    path = written_store(folder, "M2", provenance={})
    lines = (path / "frames.jsonl").read_text().splitlines()
    lines[1] = "x" * len(lines[1])
    (path / "frames.jsonl").write_text("\n".join(lines) + "\n")
    return folder


STORE_ROWS = ["M1_S2.ome.zarr,low,,,,", "M2_S2.ome.zarr,high,M2,S2,2026-11-23,0.325"]


def test_a_store_knows_what_its_row_leaves_out(stores: Path):
    data = read_manifest(manifest(stores, STORE_ROWS))
    assert [(i.path.name, i.index) for i in data.images] == [
        *((f"{'M1_S2'}.ome.zarr", seq) for seq in range(3)),
        ("M2_S2.ome.zarr", 0),  # the line of frame 1 is unreadable
        ("M2_S2.ome.zarr", 2),
    ]
    first = data.images[0]
    assert (first.animal_id, first.section_id, first.day) == ("M1", "S2", "2026-11-23")
    assert (first.pixel_size_um, first.bit_depth, first.shape_yx) == (0.325, 16, (512, 600))
    assert data.synthetic == "Among the images: phantom."


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("M1_S2.ome.zarr,low,M9,,,", "animal_id is M9, but M1_S2.ome.zarr was recorded with M1"),
        ("M1_S2.ome.zarr,low,,S1,,", "section_id is S1, but"),
        ("M1_S2.ome.zarr,low,,,2026-11-24,", "day is 2026-11-24, but M1_S2.ome.zarr was recorded with 2026-11-23"),
        ("M1_S2.ome.zarr,low,,,,0.65", "pixel_size_um is 0.65, but"),
        ("M3_S2.ome.zarr,low,,,,", "There is no store at"),
    ],
)
def test_a_row_must_not_contradict_its_store(stores: Path, row: str, says: str):
    with pytest.raises(DatasetError, match=f"line 2: .*{says}"):
        read_manifest(manifest(stores, [row, STORE_ROWS[1]]))


def test_a_store_and_its_row_may_write_an_id_in_either_form_of_unicode(tmp_path: Path):
    path = written_store(tmp_path, "Mu\u03081")
    written_store(tmp_path, "M2")
    rows = [f"{path.name},low,M\u00fc1,,,", "M2_S2.ome.zarr,high,,,,"]
    assert read_manifest(manifest(tmp_path, rows)).images[0].animal_id == "M\u00fc1"


# ---- any text -------------------------------------------------------------------------------------------------------

words = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=12)
names = st.text(string.ascii_letters + string.digits + " ,;'\"", min_size=1, max_size=12).filter(
    lambda name: name == name.strip()
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(names, st.sampled_from(["low", "high"]), words, words, words, st.floats(0.01, 10.0)), max_size=4
    ),
    order=st.permutations(COLUMNS),
    delimiter=st.sampled_from([",", ";", "\t"]),
    bom=st.booleans(),
)
def test_what_was_written_is_read(tmp_path: Path, rows: list[tuple], order: list[str], delimiter: str, bom: bool):
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, order, delimiter=delimiter)
    writer.writeheader()
    writer.writerows(dict(zip(COLUMNS, row, strict=True)) for row in rows)
    path = tmp_path / "m.csv"
    path.write_text(text.getvalue(), encoding="utf-8-sig" if bom else "utf-8", newline="")
    read = parse_rows(path, lambda error: pytest.fail(str(error)))
    assert [(r.written_path, r.tumour_class, r.animal_id, r.section_id, r.day, r.pixel_size_um) for r in read] == [
        (path, label, *map(composed, ids), size) for path, label, *ids, size in rows
    ]
    assert [replace(r, line=0) for r in read] == [replace(r, line=0) for r in parse_rows(path, pytest.fail)]
