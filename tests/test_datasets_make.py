"""Manifests that are written: what `read_manifest` then takes is what was labelled, and nothing is guessed."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
import tifffile
from commands import cli
from dataset_parts import tissue, write_image
from storage_cases import make_frame, make_spec

from hcc_scope.datasets.id_pattern import IdPattern
from hcc_scope.datasets.labelled_sections import manifest_of_sections, stores_below
from hcc_scope.datasets.manifest import read_manifest
from hcc_scope.errors import DatasetError, StoreExistsError, UsageError
from hcc_scope.storage.notes import NotesWriter
from hcc_scope.storage.section_labels import label_section
from hcc_scope.storage.writer import create_store

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

# ---- the pattern ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "path", "values"),
    [
        ("{animal}/{section}/*", "M7/S1/a b.tif", {"animal": "M7", "section": "S1"}),
        ("{animal}/{section}/*", "M7/S1/deeper/a.tif", None),
        ("{animal}/**/{section}_*", "M7/x/y/S1_4.tif", {"animal": "M7", "section": "S1"}),
        ("{animal}/**/{section}_*", "M7/S1_4.tif", {"animal": "M7", "section": "S1"}),
        ("{animal}_{section}_{day}_*.tif", "M7_S1_2026-03-02_1_2.tif",
         {"animal": "M7", "section": "S1", "day": "2026-03-02"}),
        ("{animal}_{section}_*", "M7.tif", None),
        ("*_{animal}.tif", "x_y_M7.tif", {"animal": "M7"}),
        ("{animal}.(1).tif", "M7.(1).tif", {"animal": "M7"}),  # text, no regular expression
        ("{animal}.(1).tif", "M7x(1)xtif", None),
    ],
)  # fmt: skip
def test_a_pattern_finds_what_it_states(pattern: str, path: str, values: dict[str, str] | None):
    assert IdPattern.parse(pattern).values(path) == values


def test_a_path_that_matches_in_two_ways_is_refused():
    with pytest.raises(ValueError, match="animal may be 'A' or 'y'"):
        IdPattern.parse("*_{animal}_*.tif").values("x_A_y_A_z.tif")


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("*.tif", "has no field"),
        ("{mouse}/*", "has a field {mouse}"),
        ("{animal}/{animal}_*", "has {animal} twice"),
        ("{animal}{section}_*", "has nothing between {animal} and its neighbour"),
        ("{animal}*", "has nothing between {animal} and its neighbour"),
        ("{animal/*", "has a brace without its other half"),
    ],
)
def test_a_pattern_that_cannot_be_understood_is_refused(pattern: str, message: str):
    with pytest.raises(UsageError) as caught:
        IdPattern.parse(pattern)
    assert message in caught.value.message


# ---- stored sections ------------------------------------------------------------------------------------------------


def stored(folder: Path, animal: str, section: str) -> Path:
    spec = make_spec((512, 512), animal_id=animal, section_id=section)
    writer = create_store(folder, spec)
    for seq in range(2):
        writer.append(make_frame(seq, (512, 512), section_id=section))
    writer.close()
    return writer.path


@pytest.fixture
def sections(tmp_path: Path) -> Path:
    folder = tmp_path / "sections"
    for animal, section, label in (("M1", "S1", "low"), ("M2", "S1", "high"), ("M2", "S2", "leave out")):
        label_section(stored(folder, animal, section), label)
    stored(folder, "M3", "S1")
    return folder


def test_labelled_sections_are_listed_without_excluded_fields(sections: Path, tmp_path: Path):
    NotesWriter(sections / "M2_S1.ome.zarr").add("exclude", "a bubble", 0)
    retaken = stored(sections / "day 2", "M4", "S1")
    label_section(retaken, "low")
    label_section(stored(sections / "day 2", "m2", "S3"), "high")
    NotesWriter(retaken).add("exclude", "blurred", 0)  # and then taken again
    NotesWriter(retaken).add("retake", "", 1, replaces=0)
    out = tmp_path / "sets" / "set.csv"
    made = manifest_of_sections(stores_below(sections), out)
    images = read_manifest(out).images
    assert [(one.animal_id, one.section_id, one.index, one.tumour_class) for one in images] == [
        ("M1", "S1", 0, "low"),
        ("M1", "S1", 1, "low"),
        ("M2", "S1", 1, "high"),
        ("M4", "S1", 1, "low"),
        ("m2", "S3", 0, "high"),
        ("m2", "S3", 1, "high"),
    ]
    assert made.images == 6
    assert [one.what for one in made.warnings] == [
        "The animal ids M2 and m2 differ only in case, spaces, hyphens or underscores"
    ]
    assert len(made.left_out) == 4
    assert "M3_S1" in made.left_out[0]
    assert "M2_S2" in made.left_out[1]
    assert made.left_out[2:] == (
        "1 field excluded from the score of their sections.",
        "1 frame of fields that were taken again.",
    )
    assert "../sections/M1_S1.ome.zarr" in out.read_text()


def test_the_command_lists_labelled_sections_and_overwrites_nothing(sections: Path, tmp_path: Path):
    out = tmp_path / "set.csv"
    done = cli("dataset", "make", "--sections", sections, "--out", out, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["images_per_class"] == {"high": 2, "low": 2}
    assert json.loads(done.out)["warnings"] == []
    before = out.read_bytes()
    again = cli("dataset", "make", "--sections", sections, "--out", out)
    assert (again.code, out.read_bytes()) == (StoreExistsError.exit_code, before)
    assert again.err.strip() == f"Error: {out} is already there and is never overwritten. Choose another name."


def test_sections_without_a_sound_set_make_no_manifest(sections: Path, tmp_path: Path):
    out = tmp_path / "set.csv"
    twin = shutil.copytree(sections / "M1_S1.ome.zarr", tmp_path / "M1_S1.ome.zarr")
    with pytest.raises(DatasetError, match="Animal M1, section S1 is in two stores"):
        manifest_of_sections([*stores_below(sections), twin], out)
    label_section(sections / "M2_S1.ome.zarr", None)
    with pytest.raises(DatasetError, match="has images of the class low alone"):
        manifest_of_sections(stores_below(sections), out)
    label_section(sections / "M2_S2.ome.zarr", "high")
    label_section(stored(sections, "M1", "S9"), "high")
    with pytest.raises(DatasetError, match="both classes come from the animal M1"):
        manifest_of_sections(stores_below(sections), out)
    for name in ("M1_S1", "M1_S9", "M2_S2"):
        label_section(sections / f"{name}.ome.zarr", None)
    with pytest.raises(DatasetError, match="None of 5 sections is labelled low or high"):
        manifest_of_sections(stores_below(sections), out)
    assert not out.exists()


# ---- folders of images ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    return [tissue(seed) for seed in range(4)]


@pytest.fixture
def folders(tmp_path: Path, pictures: list[np.ndarray]) -> Path:
    for n, name in enumerate(("low", "high")):
        for k in range(2):
            write_image(tmp_path / name / f"M{n}{k}" / "S1" / f"field {k}.tif", pictures[2 * n + k])
    (tmp_path / "low" / "Thumbs.db").write_bytes(b"x")
    write_image(tmp_path / "low" / ".trash" / "S1" / "old.tif", pictures[0])
    return tmp_path


GIVEN = ("--ids", "{animal}/{section}/*", "--day", "2026-03-02", "--pixel-size-um", "0.325")


def make(folder: Path, *options: str, out: str = "set.csv") -> tuple[int, str]:
    done = cli("dataset", "make", "--low", folder / "low", "--high", folder / "high", "--out", folder / out, *options)
    lines = [line for line in (done.out + done.err).splitlines() if not line.startswith("Images")]  # how far it is
    return done.code, "\n".join(lines)


def test_folders_of_images_become_a_set(folders: Path):
    (folders / "a" / "b").mkdir(parents=True)
    (folders / "linked").symlink_to(folders / "a" / "b", target_is_directory=True)
    (folders / "low" / "more").symlink_to(folders / "high", target_is_directory=True)
    code, said = make(folders, *GIVEN, "--bit-depth", "14", out="linked/set.csv")  # beside it lie no images, but a link
    assert code == 0, said
    images = read_manifest(folders / "linked" / "set.csv").images
    assert [(one.tumour_class, *one.section, one.day, one.pixel_size_um, one.bit_depth) for one in images] == [
        (name, f"M{n}{k}", "S1", "2026-03-02", 0.325, 14) for n, name in enumerate(("low", "high")) for k in range(2)
    ]
    said = " ".join(said.split())
    assert "Left out: 2 files that are hidden, or no TIFF or PNG by name: Thumbs.db, old.tif." in said
    assert f"Left out: 1 link to folders, which are not followed: {folders / 'low' / 'more'};" in said


def test_ome_metadata_gives_what_it_is_asked_for(folders: Path, pictures: list[np.ndarray]):
    for name, animal in (("low", "A1"), ("high", "B1")):
        shutil.rmtree(folders / name)
        (folders / name).mkdir()
        meta = {
            "axes": "YX", "Name": f"{animal} S4", "AcquisitionDate": "2026-03-04T09:00:00",
            "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 0.5, "PhysicalSizeYUnit": "µm",
        }  # fmt: skip
        tifffile.imwrite(folders / name / "1.ome.tif", pictures[name == "low"], metadata=meta, photometric="minisblack")
    code, said = make(folders, "--ids", "{animal} {section}", "--ids-in", "ome-name", "--day", "ome")
    assert code == 0, said
    images = read_manifest(folders / "set.csv").images
    assert [(*one.section, one.day, one.pixel_size_um) for one in images] == [
        ("A1", "S4", "2026-03-04", 0.5),
        ("B1", "S4", "2026-03-04", 0.5),
    ]


def test_each_mistake_is_one_sentence_and_nothing_is_written(folders: Path):
    def refused(*words: str, given: tuple[str, ...] = GIVEN) -> None:
        code, said = make(folders, *given)
        assert code != 0
        assert len(said.splitlines()) == 1, said
        assert all(word in said for word in words), said
        assert not (folders / "set.csv").exists()

    refused("The section of the images is not stated", given=("--ids", "{animal}/*", "--day", "x"))
    refused("The day is stated in two ways", given=("--ids", "{animal}_{day}_{section}_*", "--day", "x"))
    refused("where animal, section and day stand", given=())
    refused("could not be read again", "a pixel size of 1000 um cannot be", given=(*GIVEN[:-1], "1000"))
    refused("could not be read again", "day is #REF!", given=(*GIVEN[:3], "#REF!", *GIVEN[4:]))
    odd = write_image(folders / "low" / "loose.tif", tissue(9))
    refused(str(odd), "does not match the pattern '{animal}/{section}/*'")
    odd.unlink()
    copy = folders / "high" / "M10" / "S1" / "copy.tif"
    shutil.copyfile(folders / "low" / "M00" / "S1" / "field 0.tif", copy)
    refused("The same image is labelled low and high", str(copy))
    copy.write_bytes(b"no image")
    refused(str(copy), "is neither a TIFF nor a PNG")
    copy.unlink()
    other = write_image(folders / "high" / "M00" / "S2" / "x.tif", tissue(8))
    refused("images of both classes come from the animal M00")
    shutil.rmtree(other.parents[1])
    (folders / "cohort.json").write_text("{}")
    code, said = make(folders, *GIVEN, out="elsewhere.csv/set.csv")
    assert (code, "a phantom's" in said) == (DatasetError.exit_code, True)


def test_a_file_that_states_no_pixel_size_is_named(folders: Path):
    code, said = make(folders, *GIVEN[:4])
    assert code == DatasetError.exit_code + 2
    assert len(said.splitlines()) == 4  # one for each file
    assert said.count("does not state the size of its pixels. Give it with --pixel-size-um.") == 4
