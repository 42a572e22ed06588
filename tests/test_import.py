"""Images of other programs become a section: what is chosen, converted, kept, left out, and how an import goes on."""

from __future__ import annotations

import doctest
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from import_parts import TIME, Shelf, pixels_of, plane

from hcc_scope.errors import ImageError, StoreError, StoreExistsError, UsageError
from hcc_scope.imports import camera_axes as axes_module
from hcc_scope.imports import conversion as conversion_module
from hcc_scope.imports.conversion import Conversion, parse_range
from hcc_scope.imports.fingerprint import fingerprint
from hcc_scope.imports.frame_facts import frame_facts
from hcc_scope.imports.frame_tags import imported_tags
from hcc_scope.imports.opening import OpenSource
from hcc_scope.imports.selection import Selection, chosen_planes, parse_index
from hcc_scope.imports.source_facts import SourceFacts, source_facts
from hcc_scope.report.coverage_rows import coverage_rows
from hcc_scope.runs import import_section
from hcc_scope.runs.import_section import ImportRequest, open_import, start_import
from hcc_scope.runs.scoring_model import ScoringModel, load_scoring_model
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.run_log import read_run_log
from hcc_scope.storage.section_writer import SectionWriter
from hcc_scope.workers import StopToken

if TYPE_CHECKING:
    from collections.abc import Callable

    from hcc_scope.imports.collection import Plane
    from hcc_scope.report.summary import SectionReport
    from hcc_scope.storage.reader import SectionStore

STACK = [
    plane(3 * time + channel, channel=channel, time=time, z=z, series=series)
    for series in range(2)
    for time in range(3)
    for z in range(2)
    for channel in range(2)
]
"""Two positions, three time points, two focal planes, two channels."""


@pytest.fixture(scope="module")
def scoring_model() -> ScoringModel:
    return load_scoring_model("phantom-meng2019", "torchscript", lambda _message: None, allow_phantom_model=True)


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Callable[[Shelf], Shelf]:
    """Put a source where an import looks for files."""

    def put(one: Shelf) -> Shelf:
        monkeypatch.setattr(import_section, "open_sources", lambda _paths: [OpenSource(one, (one.path,))])
        return one

    return put


# ---- what is chosen --------------------------------------------------------------------------------------------------


def chosen(
    selection: Selection, planes: list[Plane] = STACK, names: tuple[str, ...] = ("DAPI", "Bright field")
) -> tuple[int, ...]:
    return chosen_planes(source_facts(Shelf(planes, channel_names=names)), selection)


@pytest.mark.parametrize(
    ("selection", "n"),
    [
        (Selection("DAPI", 0, "all"), 6),
        (Selection("bright FIELD", 1, 2), 2),
        (Selection("1", 0, 0, 1), 1),
        (Selection("0", 1, "all", 0), 3),
    ],
)
def test_channel_focal_plane_and_time_are_chosen_by_name_or_number(selection: Selection, n: int):
    found = chosen(selection)
    assert len(found) == n
    assert {(STACK[i].channel, STACK[i].z) for i in found} == {
        (0 if selection.channel in ("DAPI", "0") else 1, selection.z)
    }
    assert list(found) == sorted(found)


@pytest.mark.parametrize(
    ("selection", "words", "hint"),
    [
        (Selection(), "2 channels (0 (DAPI), 1 (Bright field))", "--channel"),
        (Selection("DAPI"), "2 focal planes (0 to 1)", "--z"),
        (Selection("DAPI", 0), "3 time points (0 to 2)", "--time"),
        (Selection("GFP"), "no channel 'GFP'", "2 channels"),
        (Selection("2"), "no channel 2", "2 channels"),
        (Selection("DAPI", 7), "no focal plane 7", "0 to 1"),
        (Selection("DAPI", 0, 3), "no time point 3", "0 to 2"),
        (Selection("DAPI", 0, "all", 2), "no series 2", "0 to 1"),
    ],
)
def test_nothing_is_chosen_silently(selection: Selection, words: str, hint: str):
    with pytest.raises(UsageError) as refused:
        chosen(selection)
    assert words in refused.value.message
    assert hint in str(refused.value.hint)


def test_a_channel_with_the_name_of_several_is_refused_and_a_name_comes_before_a_number():
    with pytest.raises(UsageError, match="2 channels named 'GFP': 0 and 1"):
        chosen(Selection("GFP", 0, 0), names=("GFP", "GFP"))
    found = chosen(Selection("0", 0, 0, 0), names=("BF", "0"))
    assert [STACK[i].channel for i in found] == [1]


def test_a_single_channel_plane_and_time_need_no_choice():
    planes = [plane(i, series=i) for i in range(3)]
    assert chosen(Selection(), planes) == (0, 1, 2)


def test_no_image_at_all_is_an_error_of_the_file():
    with pytest.raises(ImageError, match="the index is cut"):
        chosen_planes(source_facts(Shelf([], problems=["the index is cut"])), Selection())


@pytest.mark.parametrize(("text", "value"), [(None, None), ("all", "all"), (" 3", 3)])
def test_a_number_from_0_or_all(text: str | None, value: object):
    assert parse_index("--time", text) == value


@pytest.mark.parametrize("text", ["-1", "1.5", "", "first", "9" * 12])
def test_other_words_are_refused_by_the_name_of_the_option(text: str):
    with pytest.raises(UsageError, match="--time"):
        parse_index("--time", text)


# ---- what the images have in common ----------------------------------------------------------------------------------


def test_the_pixel_size_is_that_of_the_images_or_what_a_person_gives():
    planes = [plane(0), plane(1, pixel_size_yx_um=(0.32501, 0.32501))]
    assert frame_facts(planes, Conversion(), None).pixel_size_um == pytest.approx(0.325, rel=1e-4)
    given = frame_facts(planes, Conversion(), 0.65)
    assert given.pixel_size_um == 0.65
    assert "0.325" in str(given.remark)
    assert "0.65" in str(given.remark)
    unstated = frame_facts([plane(0, pixel_size_yx_um=None)], Conversion(), 0.65)
    assert (unstated.stated_um, unstated.remark) == (None, None)


@pytest.mark.parametrize(
    ("planes", "kind", "words"),
    [
        ([plane(0, pixel_size_yx_um=None)], UsageError, "--pixel-size-um"),
        ([plane(0), plane(1, pixel_size_yx_um=None)], UsageError, "page 1 does not state its pixel size, and others"),
        ([plane(0), plane(1, pixel_size_yx_um=(0.5, 0.5))], UsageError, "2 pixel sizes: 0.325 um, 0.5 um"),
        ([plane(0, pixel_size_yx_um=(0.3, 0.4))], ImageError, "0.4 x 0.3 um, which are not square"),
        ([plane(0), plane(1, shape_yx=(256, 512))], ImageError, "512 x 256 px, and shelf, page 0 has 512 x 512 px"),
        ([plane(0), plane(1, bit_depth=12)], ImageError, "--bit-depth"),
        ([plane(0, dtype="int16")], ImageError, "int16"),
        ([plane(0, dtype="float32", bit_depth=None)], UsageError, "--float-range LOW,HIGH"),
        ([plane(0, colour=True, dtype="uint8", bit_depth=8)], UsageError, "--colour luminance|red"),
        ([plane(0, colour=True, dtype="float32", bit_depth=None)], UsageError, "--colour"),
    ],
)
def test_what_is_missing_or_differs_is_asked_for_by_name(planes: list[Plane], kind: type[Exception], words: str):
    with pytest.raises(kind) as refused:
        frame_facts(planes, Conversion(), None)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("conversion", "words"),
    [
        (Conversion(colour="green"), "Leave out --colour"),
        (Conversion(float_range=(0.0, 1.0)), "Leave out --float-range"),
        (Conversion(bit_depth=7), "--bit-depth"),
    ],
)
def test_a_conversion_that_has_no_use_is_refused(conversion: Conversion, words: str):
    with pytest.raises(UsageError, match=words):
        frame_facts([plane(0)], conversion, None)


@pytest.mark.parametrize("size_um", [0.0, -1.0, math.nan, math.inf, 1e9])
def test_a_pixel_size_that_makes_no_sense_is_refused(size_um: float):
    with pytest.raises(UsageError, match="--pixel-size-um"):
        frame_facts([plane(0)], Conversion(), size_um)


# ---- conversion ------------------------------------------------------------------------------------------------------


def test_floating_point_becomes_counts_by_the_stated_range_alone():
    floats = plane(0, shape_yx=(1, 3), dtype="float32", bit_depth=None)
    pixels = np.array([[-0.5, 0.25, 1.0]], np.float32)
    counts = Conversion(float_range=(-0.5, 1.0), bit_depth=12).counts(floats, pixels)
    assert counts.tolist() == [[0, 2048, 4095]]
    assert counts.dtype == np.uint16
    whole = Conversion(float_range=(0.0, 65535.0)).counts(floats, np.array([[0, 1234, 65535]], np.float64))
    assert whole.tolist() == [[0, 1234, 65535]]


@pytest.mark.parametrize(("value", "kind"), [(1.01, UsageError), (-0.01, UsageError), (math.nan, ImageError)])
def test_a_value_beyond_the_range_is_never_clipped(value: float, kind: type[Exception]):
    with pytest.raises(kind, match="shelf, page 0"):
        Conversion(float_range=(0.0, 1.0)).counts(
            plane(0, shape_yx=(1, 1), dtype="float32"), np.array([[value]], np.float32)
        )


def test_colour_becomes_grey_as_the_colour_module_does_it():
    rgb = np.array([[[10, 20, 30]]], ">u2")
    counts = Conversion(colour="green").counts(plane(0, shape_yx=(1, 1), colour=True), rgb)
    assert counts.tolist() == [[20]]


def test_a_count_beyond_the_bit_depth_is_refused():
    with pytest.raises(UsageError, match="count of 5000, above the 4095 of 12 bits"):
        Conversion(bit_depth=12).counts(plane(0, shape_yx=(1, 1)), np.array([[5000]], np.uint16))


def test_pixels_of_another_size_than_the_headers_state_are_damage():
    with pytest.raises(ImageError, match="2 x 1 px"):
        Conversion().counts(plane(0), np.zeros((2, 1), np.uint16))


@pytest.mark.parametrize("text", ["1", "1,1", "2,1", "a,b", "nan,1", "0,inf", "1,2,3"])
def test_a_range_is_two_numbers_the_second_the_larger(text: str):
    with pytest.raises(UsageError, match="--float-range"):
        parse_range(text)


# ---- tags ------------------------------------------------------------------------------------------------------------


def test_tags_of_a_file_cannot_pass_for_ours():
    tags = {"retake_of": 0, "drawn_field": 1, "import_index": 7, "preview": True, "note": "x" * 9000, "bad": math.inf}
    found = imported_tags(plane(0, tags=tags), 3, has_position=True, has_time=False)
    assert "retake_of" not in found
    assert "drawn_field" not in found
    assert (found["file_retake_of"], found["file_import_index"], found["import_index"]) == (0, 7, 3)
    assert found["position_from"] == "file"
    assert found["time_from"] == "import"
    assert len(str(found["note"])) == 4096
    assert found["bad"] is None


def test_how_a_store_of_ours_obtained_a_position_is_kept():
    tags = {"position_from": "tracked", "position_island": 1, "position_se_um": 0.4}
    assert imported_tags(plane(0, tags=tags), 0, has_position=True, has_time=True) == {
        **tags,
        "time_from": "file",
        "imported_from": "shelf, page 0",
        "import_index": 0,
    }
    assert imported_tags(plane(0, tags=tags), 0, has_position=False, has_time=True)["position_from"] == "unknown"


@pytest.mark.parametrize("origin", ["stage", "request", "translation"])
def test_a_position_that_was_asked_for_is_not_taken_for_one_that_was_read_back(origin: str):
    tags = {"position_from": origin, "position_island": 3}
    found = imported_tags(plane(0, tags=tags), 0, has_position=True, has_time=True)
    assert (found["position_from"], "position_island" in found) == (origin, False)


# ---- a whole import --------------------------------------------------------------------------------------------------


def request(out: Path, *, section: str = "S1", **facts: Any) -> ImportRequest:  # noqa: ANN401 - of any field
    return ImportRequest((Path("shelf"),), "M7", section, out, **facts)


def imported(wanted: ImportRequest, scoring_model: ScoringModel, stop: StopToken | None = None) -> SectionReport:
    return start_import(open_import(wanted), scoring_model, stop).finish()


def test_an_import_keeps_every_fact_and_leaves_out_what_is_damaged(
    shelf: Callable[[Shelf], Shelf], tmp_path: Path, scoring_model: ScoringModel
):
    planes = [plane(0), plane(1), plane(2, t_utc=None, exposure_ms=None, stage_um=None), plane(3)]
    source = shelf(Shelf(planes, damaged=[1], problems=["page 4 is cut off"]))
    report = imported(request(tmp_path, pixel_size_um=0.33), scoring_model)
    counts = report.outcome.counts
    assert report.outcome.state == "completed"
    assert (counts.stored, counts.classified, counts.lost, counts.skipped) == (3, 3, 1, 0)
    assert report.outcome.remark == (
        "1 image cannot be read and is left out: shelf, page 1 cannot be decoded; page 4 is cut off; "
        "the images state a pixel size of 0.325 um, and 0.33 um was given by hand"
    )
    assert source.closed

    store = open_store(tmp_path / "M7_S1.ome.zarr")
    assert (store.spec.sampling, store.spec.pixel_size_um, store.attributes["schema_version"]) == ("imported", 0.33, 6)
    assert not report.outcome.score.interval_valid
    assert "how their fields were chosen is not known" in report.outcome.score.stabilised_reason
    for seq, index in enumerate((0, 2, 3)):
        frame = store.read(seq)
        assert np.array_equal(frame.pixels, pixels_of(index))
        assert frame.tags["import_index"] == index
        assert frame.tags["imported_from"] == f"shelf, page {index}"
        assert (frame.tags["Camera"], frame.tags["number"]) == ("iXon", index)
        assert frame.camera_frame == index
    first, without = store.read(0), store.read(1)
    assert (first.stage_um, first.exposure_ms, first.t_utc) == ((0.0, -5.0, 2.5), 10.0, TIME)
    assert first.tags["time_from"] == "file"
    assert without.stage_um is None
    assert math.isnan(without.exposure_ms)
    assert (without.tags["time_from"], without.tags["position_from"]) == ("import", "unknown")
    assert ("could not be read when they were imported", "1") in coverage_rows(store, {}, report.outcome.score)
    log = read_run_log(store.path)
    assert log is not None
    assert [event.facts for event in log.events if event.kind == "damaged"] == [
        {"why": "page 4 is cut off"},
        {"image": "shelf, page 1", "why": "shelf, page 1 cannot be decoded"},
    ]
    [recorded] = json.loads(str(store.spec.provenance["import_sources"]))
    assert (recorded["format"], recorded["images"]) == ("shelf", 4)


class StopAfter(Shelf):
    """Asks the run to end when it reads image `after`."""

    def __init__(self, planes: list[Plane], stop: StopToken, after: int, **how: Any) -> None:  # noqa: ANN401
        super().__init__(planes, **how)
        self._stop, self._after = stop, after

    def read(self, index: int) -> Any:  # noqa: ANN401 - pixels
        if index == self._after:
            self._stop.request()
        return super().read(index)


def facts_of(store: SectionStore) -> list[tuple[int, object]]:
    return [(entry.crc32, entry.tags["import_index"]) for entry in store.journal if entry is not None]


def test_an_import_that_was_interrupted_goes_on_in_its_own_store_with_one_score(
    shelf: Callable[[Shelf], Shelf], tmp_path: Path, scoring_model: ScoringModel
):
    planes, stop = [plane(i) for i in range(6)], StopToken()
    shelf(StopAfter(planes, stop, 3, damaged=[1]))
    first = imported(request(tmp_path), scoring_model, stop)
    assert (first.outcome.state, first.outcome.counts.stored, first.outcome.counts.lost) == ("cancelled", 3, 1)

    shelf(Shelf(planes, damaged=[1, 5]))
    again = imported(request(tmp_path), scoring_model)
    counts = again.outcome.counts
    assert (again.outcome.state, counts.stored, counts.acquired, counts.lost) == ("completed", 4, 4, 2)
    assert len(again.parts) == 2

    shelf(Shelf(planes, damaged=[1, 5]))
    whole = imported(request(tmp_path, section="S2"), scoring_model)
    assert again.outcome.score == whole.outcome.score
    parts, at_once = (open_store(tmp_path / f"M7_{name}.ome.zarr") for name in ("S1", "S2"))
    assert facts_of(parts) == facts_of(at_once)

    with pytest.raises(StoreExistsError, match=r"in .*M7_S1\.ome\.zarr already"):
        imported(request(tmp_path), scoring_model)


def test_an_import_that_was_killed_after_its_last_image_comes_to_its_end(
    shelf: Callable[[Shelf], Shelf], tmp_path: Path, scoring_model: ScoringModel, monkeypatch: pytest.MonkeyPatch
):
    shelf(Shelf([plane(0), plane(1)]))
    with monkeypatch.context() as patch:
        patch.setattr(SectionWriter, "finalise", lambda _writer, _outcome: None)
        imported(request(tmp_path), scoring_model)
    assert open_store(tmp_path / "M7_S1.ome.zarr").recorded.outcome is None
    shelf(Shelf([plane(0), plane(1)]))
    outcome = imported(request(tmp_path), scoring_model).outcome
    assert (outcome.state, outcome.counts.stored, outcome.counts.classified) == ("completed", 2, 2)


def test_an_import_goes_on_with_its_own_sources_and_choices_alone(
    shelf: Callable[[Shelf], Shelf], tmp_path: Path, scoring_model: ScoringModel
):
    planes, stop = [plane(i, series=i) for i in range(3)], StopToken()
    shelf(StopAfter(planes, stop, 1))
    imported(request(tmp_path), scoring_model, stop)

    def refused(one: Shelf, **facts: Any) -> str:  # noqa: ANN401 - of any field
        shelf(one)
        with open_import(request(tmp_path, **facts)) as opened, pytest.raises(StoreError) as error:
            start_import(opened, scoring_model)
        return error.value.message

    assert "other sources" in refused(Shelf([*planes, plane(3)]))
    assert "other sources" in refused(Shelf([*planes[:2], plane(2, series=2, exposure_ms=1.0)]))
    assert "other images" in refused(Shelf(planes), selection=Selection(series=0))
    assert "imported with no option of conversion, and now it is --bit-depth 16" in refused(
        Shelf(planes), conversion=Conversion(bit_depth=16)
    )
    assert "a pixel size of 0.325 um, and now it is 0.33 um" in refused(Shelf(planes), pixel_size_um=0.33)

    class Changed(Shelf):
        def read(self, index: int) -> Any:  # noqa: ANN401 - pixels
            return super().read(index + 1)

    assert "frame 0 of" in refused(Changed([*planes], damaged=[]))
    shelf(Shelf(planes))
    same = request(tmp_path, selection=Selection(time=0))  # the same images in other words
    assert imported(same, scoring_model).outcome.counts.stored == 3


def test_what_an_import_writes_beside_its_sources_is_none_of_them(tmp_path: Path):
    folder = SourceFacts(tmp_path, (), "TIFF", (), (), ())
    (tmp_path / "img_0.tif").write_bytes(b"0")
    before = fingerprint(folder)
    (tmp_path / "M7_S1.ome.zarr").mkdir()
    (tmp_path / "M7_S1.ome.zarr" / "frames.jsonl").write_text("")
    (tmp_path / "summary.json").write_text("{}")
    (tmp_path / "Pos0" / "deep").mkdir(parents=True)
    (tmp_path / "Pos0" / "deep" / "other.tif").write_bytes(b"2")
    assert fingerprint(folder) == before
    (tmp_path / "img_1.tif").write_bytes(b"1")
    assert fingerprint(folder) != before


def test_an_option_that_shows_late_to_be_wrong_names_what_becomes_of_the_frames_before(
    shelf: Callable[[Shelf], Shelf], tmp_path: Path, scoring_model: ScoringModel
):
    class Late(Shelf):
        def read(self, index: int) -> Any:  # noqa: ANN401 - pixels
            return (super().read(index) // 2).astype(np.float32) + (40_000 if index else 0)

    floats = [plane(i, dtype="float32", bit_depth=None) for i in range(2)]
    shelf(Late(floats))
    report = imported(request(tmp_path, conversion=Conversion(float_range=(0.0, 40_000.0))), scoring_model)
    assert report.outcome.state == "failed"
    assert "Give a wider --float-range. What is stored already (1 frame)" in str(report.outcome.cause)
    shelf(Late(floats))
    with (
        open_import(request(tmp_path, conversion=Conversion(float_range=(0.0, 1e5)))) as opened,
        pytest.raises(
            StoreError, match=r"--float-range 0\.0,40000\.0, and now .* --float-range 0\.0,100000\.0.*delete"
        ),
    ):
        start_import(opened, scoring_model)


def test_counts_that_leave_the_upper_bits_empty_are_remarked(shelf: Callable[[Shelf], Shelf], tmp_path: Path):
    class Dim(Shelf):
        def read(self, index: int) -> Any:  # noqa: ANN401 - pixels
            return super().read(index) >> 4

    def remark(one: Shelf, bit_depth: int | None = None) -> str | None:
        shelf(one)
        with open_import(request(tmp_path, conversion=Conversion(bit_depth=bit_depth))) as opened:
            return opened.remark

    assert "of 16 bits: if the camera has fewer" in str(remark(Dim([plane(0)])))
    assert [remark(Dim([plane(0)]), 12), remark(Dim([plane(0, bit_depth=12)])), remark(Shelf([plane(0)]))] == [None] * 3


def test_what_an_import_cannot_begin_with_leaves_nothing(
    shelf: Callable[[Shelf], Shelf], tmp_path: Path, scoring_model: ScoringModel
):
    source = shelf(Shelf([plane(0)]))
    with pytest.raises(UsageError, match="above the 255 of 8 bits"):
        open_import(request(tmp_path, conversion=Conversion(bit_depth=8)))
    assert source.closed
    shelf(Shelf([plane(0), plane(1)], damaged=[0, 1]))
    report = imported(request(tmp_path), scoring_model)
    assert isinstance(report.outcome.cause, ImageError)
    assert "none of 2 images can be read" in str(report.outcome.cause)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "M7_S1.ome.zarr").mkdir()
    with pytest.raises(StoreExistsError):
        imported(request(tmp_path), scoring_model)


def test_a_source_that_is_taken_away_ends_the_import_as_failed(
    shelf: Callable[[Shelf], Shelf], tmp_path: Path, scoring_model: ScoringModel
):
    disk = tmp_path / "stick"
    disk.touch()

    class Pulled(Shelf):
        def read(self, index: int) -> Any:  # noqa: ANN401 - pixels
            if index == 1:
                disk.unlink()
                self.damaged = {1, 2}
            return super().read(index)

    planes = [plane(i) for i in range(3)]
    shelf(Pulled(planes, path=disk))
    wanted = replace(request(tmp_path / "out"), sources=(disk,))
    report = imported(wanted, scoring_model)
    assert report.outcome.state == "failed"
    assert "stick is no longer there" in str(report.outcome.cause)
    assert report.outcome.counts.stored == 1
    disk.touch()
    shelf(Shelf(planes, path=disk))
    assert imported(wanted, scoring_model).outcome.counts.stored == 3


def test_how_the_camera_lay_over_the_stage_is_taken_from_micromanager(shelf: Callable[[Shelf], Shelf], tmp_path: Path):
    shelf(Shelf([plane(0, tags={"PixelSizeAffine": "0.0;-0.325;0.0;0.325;0.0;0.0"})]))
    with open_import(request(tmp_path)) as opened:
        assert (opened.camera_axes, opened.remark) == ((0.0, -1.0, 1.0, 0.0), None)
    assert not doctest.testmod(axes_module).failed
    assert not doctest.testmod(conversion_module).failed


@pytest.mark.parametrize(
    ("affines", "axes"),
    [
        (["0;-1;0;1;0;0", None, "0;-1;0;1;0;0"], (0.0, -1.0, 1.0, 0.0)),
        ([None, "0;-1;0;1;0;0"], (0.0, -1.0, 1.0, 0.0)),
        (["0;-1;0;1;0;0", "1;0;0;0;1;0"], None),
    ],
)
def test_all_images_of_a_source_have_a_say_in_how_the_camera_lay(
    shelf: Callable[[Shelf], Shelf], tmp_path: Path, affines: list[str | None], axes: object
):
    planes = [plane(i, tags={} if one is None else {"PixelSizeAffine": one}) for i, one in enumerate(affines)]
    shelf(Shelf(planes))
    with open_import(request(tmp_path)) as opened:
        assert opened.camera_axes == (axes or (1.0, 0.0, 0.0, 1.0))
        assert ("do not agree" in str(opened.remark)) is (axes is None)
