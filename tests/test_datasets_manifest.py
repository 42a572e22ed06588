"""The list of labelled images: what it may contain, and why it is refused."""

from __future__ import annotations

import csv
import io
import os
import string
import sys
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from dataset_parts import HEADER, edit, small_set, tissue, write_image, write_lines
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from storage_cases import make_frame, make_spec

from hcc_scope.datasets.manifest import COHORT_FILE, read_manifest
from hcc_scope.datasets.manifest_rows import COLUMNS, composed, parse_rows
from hcc_scope.errors import DatasetError, ImageError, ManifestError
from hcc_scope.storage.writer import create_store


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


def test_site_and_batch_are_part_of_the_set_and_change_nothing_where_they_are_not_stated(images: Path):
    plain = read_manifest(manifest(images, GOOD))
    empty = read_manifest(manifest(images, [f"{line},,  " for line in GOOD], HEADER + ",site,batch"))
    assert (empty.images, empty.fingerprint) == (plain.images, plain.fingerprint)
    given = read_manifest(manifest(images, [f"{line},Ko\u0308ln,7" for line in GOOD], HEADER + ",site,batch"))
    assert [(image.site, image.batch) for image in given.images] == [("K\xf6ln", "7")] * 2
    assert given.fingerprint != plain.fingerprint


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
    "separator.csv": "sep=;\r\n" + TEXT.replace(",", ";").replace("0.325", "0,325"),
    "separator quoted.csv": '"sep=,",,\n' + TEXT,
    "separator in upper case.csv": "\ufeffSEP=\t\r\n" + TEXT.replace(",", "\t"),
    "cleared columns.csv": TEXT.replace("\n", ";;;\n").replace(",", ";") + ";;;\n;;;;;;;;\n",
    "cleared cells.csv": TEXT.replace("mon,0.325", "mon,0.325,, ,"),
    "comma in quotes.csv": TEXT.replace("0.325", '"0,325"'),
    "upwards.csv": TEXT.replace("a.tif", "../{folder}/a.tif").replace("b.tif", "./x/../b.tif"),
    "windows.csv": TEXT.replace("a.tif", "..\\{folder}\\a.tif"),
}


@pytest.mark.parametrize(("name", "text"), WRITTEN.items(), ids=WRITTEN)
def test_every_way_to_write_it_means_the_same(images: Path, name: str, text: str):
    path = images / name
    (images / "x").mkdir(exist_ok=True)
    path.write_bytes(text.replace("{folder}", images.name).encode())
    assert read_manifest(path).images == read_manifest(manifest(images, GOOD)).images


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_the_unicode_text_of_spreadsheets_is_read(images: Path, encoding: str):
    path = images / "unicode.txt"
    path.write_bytes(("\ufeff" + TEXT.replace(",", "\t").replace("m1", "M\u00fc1")).encode(encoding))
    assert [image.animal_id for image in read_manifest(path).images] == ["M\u00fc1", "m2"]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ManifestError, match="not UTF-16, as its first bytes claim"):
        read_manifest(path)


@pytest.mark.parametrize("failed", ["#N/A", "#REF!", "#NAME?", "#DIV/0!", "#VALUE!", "#NV", "#BEZUG!", "####"])
def test_what_a_failed_formula_leaves_is_no_id(images: Path, failed: str):
    path = manifest(images, [line.replace("m1", failed) for line in GOOD])
    with pytest.raises(ManifestError, match=r"line 2: animal_id is #.*where a formula failed"):
        read_manifest(path)


def test_ids_with_a_hash_are_ids(images: Path):
    path = manifest(images, [line.replace("m1", "#7").replace("m2", "#M-2") for line in GOOD])
    assert {image.animal_id for image in read_manifest(path).images} >= {"#7", "#M-2"}


def test_a_second_byte_order_mark_is_passed_over(images: Path):
    path = images / "joined.csv"
    path.write_bytes(("\ufeff\ufeff" + TEXT).encode())
    assert len(read_manifest(path).images) == 2


def test_a_line_is_counted_from_the_top_of_the_file(images: Path):
    path = images / "m.csv"
    path.write_text("sep=;\n" + "\n".join([HEADER, *GOOD, "c.tif,middling,m3,s1,mon,0.3"]).replace(",", ";"))
    with pytest.raises(ManifestError, match="line 5: the class is 'middling'"):
        read_manifest(path)


@pytest.mark.parametrize(("stored", "written"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_a_file_is_found_in_either_form_of_unicode(tmp_path: Path, stored: str, written: str):
    def form(name: str, form: str) -> str:
        return unicodedata.normalize(form, name)

    folder, file = "M\u00e4use", "\u00fcber a.tif"
    write_image(tmp_path / form(folder, stored) / form(file, stored), tissue(0))
    write_image(tmp_path / "b.tif", tissue(1))
    row = f"{form(f'{folder}/{file}', written)},low,m1,s1,mon,0.325"
    [a, _] = read_manifest(write_lines(tmp_path / "m.csv", [row, GOOD[1]])).images
    assert a.path == tmp_path / form(folder, stored) / form(file, stored)
    write_lines(tmp_path / "m.csv", [row, row.replace("/", "\\"), GOOD[1]])
    with pytest.raises(ManifestError, match=r"line 3: .* is listed already on line 2"):
        read_manifest(tmp_path / "m.csv")


def test_of_two_files_whose_names_look_the_same_the_one_that_is_written_is_taken(tmp_path: Path):
    for seed, name in enumerate(("\u00fc.tif", "u\u0308.tif", "b.tif")):
        write_image(tmp_path / name, tissue(seed))
    rows = ["\u00fc.tif,low,m1,s1,mon,0.325", "u\u0308.tif,low,m1,s1,mon,0.325", GOOD[1]]
    data = read_manifest(write_lines(tmp_path / "m.csv", rows))
    assert [image.path.name for image in data.images] == ["\u00fc.tif", "u\u0308.tif", "b.tif"]


def test_a_home_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    write_image(tmp_path / "a.tif", tissue(0))
    write_image(tmp_path / "b.tif", tissue(1))
    data = read_manifest(write_lines(tmp_path / "m.csv", [GOOD[0].replace("a.tif", "~/a.tif"), GOOD[1]]))
    assert data.images[0].path == tmp_path / "a.tif"


@pytest.mark.skipif(sys.platform == "win32", reason="has no such files")
@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "large", "long name", "forbidden"])
def test_a_file_that_is_no_manifest_is_refused_immediately(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "m.csv"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path = Path("/dev/zero")
    elif kind == "folder":
        path = tmp_path
    elif kind == "large":
        with path.open("wb") as file:
            file.truncate(1 << 40)
    elif kind == "long name":
        path = tmp_path / ("x" * 300 + ".csv")
    else:
        path.write_text(TEXT)

        def forbidden(*_: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("hcc_scope.small_files.os.open", forbidden)
    message = {
        "pipe": "a pipe, a device or the like, not a file",
        "device": "a pipe, a device or the like",
        "folder": "it is a folder",
        "large": "larger than 64 MiB",
        "long name": "File name too long",
        "forbidden": "Permission denied",
    }
    with pytest.raises(ManifestError, match=f"cannot be read: .*{message[kind]}"):
        read_manifest(path)


def test_an_image_in_the_place_of_a_manifest_is_reported(images: Path):
    with pytest.raises(ManifestError, match=r"a\.tif is no text\. Name the manifest, a CSV"):
        read_manifest(images / "a.tif")
    (images / "unmarked.txt").write_bytes(TEXT.encode("utf-16-le"))
    with pytest.raises(ManifestError, match=r"is no text\. .* in UTF-8"):
        read_manifest(images / "unmarked.txt")


DAMAGED_COHORTS = {
    "cut": b'{"synthetic": "Synth',
    "no text": b"\xff\xfe\x00",
    "nested": b"[" * 200_000,
    "a list": b"[1, 2]",
    "a number": b"7",
    "no sentence": b'{"synthetic": 3}',
    "blank": b'{"synthetic": "  "}',
    "control characters": b'{"synthetic": "a\\u001b[2Jb"}',
    "endless": b'{"synthetic": "' + b"a" * 5000 + b'"}',
    "digits": b"9" * 10_000,
}


@pytest.mark.parametrize("data", DAMAGED_COHORTS.values(), ids=DAMAGED_COHORTS)
def test_a_damaged_cohort_file_is_reported_in_a_sentence(tmp_path: Path, data: bytes):
    path = small_set(tmp_path)
    (tmp_path / COHORT_FILE).write_bytes(data)
    with pytest.raises(ManifestError, match=rf"{COHORT_FILE} .*Make the cohort again") as caught:
        read_manifest(path)
    assert len(str(caught.value)) < 500
    assert str(caught.value).isprintable()


@pytest.mark.skipif(sys.platform == "win32", reason="has no such files")
def test_a_pipe_in_the_place_of_a_cohort_file_is_not_waited_for(tmp_path: Path):
    path = small_set(tmp_path)
    os.mkfifo(tmp_path / COHORT_FILE)
    with pytest.raises(ManifestError, match="a pipe, a device or the like, not a file"):
        read_manifest(path)


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
    "a column by another name": ([], HEADER + ",Staining batch", ManifestError, "Did you mean batch"),
    "a site here and there": (
        [GOOD[0] + ",Kyoto", GOOD[1] + ","], HEADER + ",site", ManifestError, "line 3: site is empty, and other lines"
    ),
    "a site that is no text": ([GOOD[0] + ",#REF!"], HEADER + ",site", ManifestError, "line 2: site is #REF!"),
    "third class": ([GOOD[0], "b.tif,medium,m2,s1,mon,0.3"], HEADER, ManifestError, "line 3: the class is 'medium'"),
    "empty animal": ([GOOD[0], "b.tif,high,,s1,mon,0.3"], HEADER, ManifestError, "line 3: animal_id is empty"),
    "empty path": ([",high,m2,s1,mon,0.3"], HEADER, ManifestError, "line 2: path is empty"),
    "no number": (["a.tif,low,m1,s1,mon,wide"], HEADER, ManifestError, "line 2: pixel_size_um is 'wide'"),
    "negative": (["a.tif,low,m1,s1,mon,-0.3"], HEADER, ManifestError, "line 2: a pixel size of -0.3 um"),
    "nan": (["a.tif,low,m1,s1,mon,nan"], HEADER, ManifestError, "line 2: pixel_size_um is .nan., which is no number"),
    "infinite": (["a.tif,low,m1,s1,mon,inf"], HEADER, ManifestError, "pixel_size_um is 'inf', which is no number"),
    "underscores": (["a.tif,low,m1,s1,mon,0_0.3"], HEADER, ManifestError, "pixel_size_um is '0_0.3', which is no"),
    "many digits": ([f"a.tif,low,m1,s1,mon,{'9' * 5000}x"], HEADER, ManifestError, r"is '9{40}\.\.\.', which is no"),
    "thousands": (['a.tif,low,m1,s1,mon,"1,000"'], HEADER, ManifestError, "'1,000', which is no number"),
    "page with underscores": (["a.tif,low,m1,s1,mon,0.3,0_0"], HEADER + ",page", ManifestError, "page is '0_0'"),
    "space that is none": (["a.tif,low,m\xa01,s1,mon,0.3"], HEADER, ManifestError, "animal_id holds no-break space"),
    "a cell in a cleared column": ([GOOD[0] + ",,x"], HEADER + ",,", ManifestError, "8 values for 6 columns"),
    "a cleared column in between": ([], HEADER.replace(",day", ",,day"), ManifestError, "line 1: column 5 has no name"),
    "zero byte in a path": (["a\0.tif,low,m1,s1,mon,0.3"], HEADER, ManifestError, "a character that no file name has"),
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


@pytest.mark.parametrize(("lines", "header", "error", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_reported_with_its_line(images: Path, lines: list[str], header: str, error: type, message: str):
    path = manifest(images, lines, header)
    with pytest.raises(error, match=message) as caught:
        read_manifest(path)
    assert type(caught.value) is error
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"), [(None, "No such file"), (b"", "is empty"), (b"path\xff,class\n", "line 1: not UTF-8")]
)
def test_a_file_that_is_no_manifest(tmp_path: Path, content: bytes | None, message: str):
    path = tmp_path / "m.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ManifestError, match=message):
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


def test_the_column_bit_depth_states_the_depth_of_the_camera(images: Path):
    rows = ["a.tif,low,m1,s1,mon,0.325,12", "b.tif,high,m2,s1,mon,0.325,12"]
    data = read_manifest(manifest(images, rows, HEADER + ",bit_depth"))
    assert (data.bit_depth, data.full_scale) == (12, 4095)


def test_the_fingerprint_changes_with_the_labels_and_with_the_files(tmp_path: Path):
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


def test_cohort_json_beside_it_marks_the_images_as_no_tissue(tmp_path: Path):
    path = small_set(tmp_path)
    (tmp_path / "cohort.json").write_text('{"synthetic": "Noise."}')
    assert read_manifest(path).synthetic == "Noise."
    (tmp_path / "cohort.json").write_text("{}")
    with pytest.raises(ManifestError, match="does not name the kind of images"):
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
    ("row", "message"),
    [
        ("M1_S2.ome.zarr,low,M9,,,", "animal_id is M9, but M1_S2.ome.zarr was recorded with M1"),
        ("M1_S2.ome.zarr,low,,S1,,", "section_id is S1, but"),
        ("M1_S2.ome.zarr,low,,,2026-11-24,", "day is 2026-11-24, but M1_S2.ome.zarr was recorded with 2026-11-23"),
        ("M1_S2.ome.zarr,low,,,,0.65", "pixel_size_um is 0.65, but"),
        ("M3_S2.ome.zarr,low,,,,", "There is no store at"),
    ],
)
def test_a_row_must_not_contradict_its_store(stores: Path, row: str, message: str):
    with pytest.raises(DatasetError, match=f"line 2: .*{message}"):
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
