"""Sections corrected by dark and flat fields: raw in the store, the same bits live and replayed, damage named."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hcc_scope.datasets.images import classified_pixels
from hcc_scope.errors import ConfigError, FrameSizeError, ModelMismatchError, StoreDamagedError, UsageError
from hcc_scope.inference.card import read_card, write_card
from hcc_scope.inference.catalogue import find_model
from hcc_scope.microscope.device_controls import DeviceControls
from hcc_scope.microscope.plan_source import MicroManagerSource
from hcc_scope.plans import RandomFields, parse_plan
from hcc_scope.report.summary import section_account
from hcc_scope.runs.model_demands import fit_on
from hcc_scope.runs.model_shading import check_wish, refusal_note, wanted_shading
from hcc_scope.runs.plan_check import check_plan_on
from hcc_scope.runs.reference_capture import ReferenceCapture
from hcc_scope.runs.references import (
    estimate_references,
    need_references_dir,
    references_state,
    section_references,
    settings_now,
)
from hcc_scope.runs.replay import start_replay
from hcc_scope.runs.replay_check import check_replay
from hcc_scope.runs.rigs import open_rig
from hcc_scope.runs.scoring_model import ScoringModel, load_scoring_model
from hcc_scope.runs.section import start_section
from hcc_scope.shading.estimate import even_dark
from hcc_scope.shading.files import keep, list_references
from hcc_scope.shading.freshness import MAX_AGE
from hcc_scope.shading.reference import Reference
from hcc_scope.storage.metadata import SCHEMA_VERSION, SCHEMA_VERSION_RULED
from hcc_scope.storage.predictions import read_predictions
from hcc_scope.storage.reader import open_store
from hcc_scope.storage.recover import recover
from hcc_scope.storage.run_log import read_run_log
from hcc_scope.storage.source import StoreSource
from hcc_scope.storage.writer import create_store
from tests.shading_parts import made, settings, simple, vignette
from tests.storage_cases import change_facts, make_frame, make_spec

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from hcc_scope.report.summary import SectionReport
    from hcc_scope.runs.rigs import OpenRig
    from hcc_scope.shading.correction import Shading

SIDE_PX = 512
N_FIELDS = 3
FIELDS = Path(__file__).parent / "data" / "version2_scored.ome.zarr"


@pytest.fixture(scope="module")
def scoring_model() -> ScoringModel:
    return load_scoring_model("phantom-meng2019", "torchscript", lambda _: None)


class VignettedScene:
    """What the demo camera sees: stored fields of a phantom, through a lens that loses light."""

    def expect(self, *_: object) -> None:
        """Need no time to prepare."""

    def paint(self, shape_yx: tuple[int, int], *, seq: int, **_: object) -> NDArray[np.uint16]:
        pixels = open_store(FIELDS).read(seq % 2).pixels
        assert pixels.shape == shape_yx
        return np.rint(pixels * vignette(shape_yx)).astype(np.uint16)

    def close(self) -> None:
        """Hold nothing."""


@pytest.fixture(scope="module")
def shading() -> Shading:
    return made((SIDE_PX, SIDE_PX))


@pytest.fixture(scope="module")
def acquired(
    scoring_model: ScoringModel, shading: Shading, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, SectionReport]:
    """Acquire a corrected phantom section on the demo rig."""
    with open_rig("demo") as rig:
        rig.set_properties([f"Camera,OnCameraCCDXSize,{SIDE_PX}", f"Camera,OnCameraCCDYSize,{SIDE_PX}"])
        source = MicroManagerSource(
            rig.microscope,
            RandomFields(n_fields=N_FIELDS, seed=5, rectangle_um=(0, 0, 2000, 2000)),
            animal_id="m2",
            section_id="s1",
            model_sha256=scoring_model.model.card.sha256,
            provenance={**scoring_model.facts, "specimen": "phantom"},
            scene=VignettedScene(),
        )
        out = tmp_path_factory.mktemp("shading")
        run = start_section(source, scoring_model, out, shading=shading, facts={"shading_references": "as a test"})
        report = run.finish()
    assert report.outcome.counts.classified == N_FIELDS
    return run.store_path, report


@pytest.fixture
def store(acquired: tuple[Path, SectionReport], tmp_path: Path) -> Path:
    return shutil.copytree(acquired[0], tmp_path / acquired[0].name)


# --- live and replayed ---


def test_frames_are_stored_raw_with_all_that_a_replay_needs(acquired: tuple[Path, SectionReport], shading: Shading):
    store = open_store(acquired[0])
    assert store.problems == ()
    assert store.recorded.provenance.corrected
    assert not store.recorded.provenance.shading_estimated
    assert store.attributes["schema_version"] == SCHEMA_VERSION_RULED
    assert store.spec.provenance["shading_references"] == "as a test"
    for kind, reference in (("dark", shading.dark), ("flat", shading.flat)):
        stated = json.loads(store.spec.provenance[f"shading_{kind}"])
        assert stated["pixels_sha256"] == reference.manifest.pixels_sha256
        assert stated["pixels_sha256"] == store.spec.provenance[f"shading_{kind}_sha256"]
        assert stated["pixels_sha256"] == hashlib.sha256(reference.pixels.tobytes()).hexdigest()
    raw, analysed = store.read(0).pixels, store.read_analysed(0).pixels
    assert np.array_equal(analysed, shading.corrected(raw))
    assert not np.array_equal(analysed, raw)


def test_a_replay_has_the_bits_of_the_live_run(acquired: tuple[Path, SectionReport], scoring_model: ScoringModel):
    path, live = acquired
    run = start_replay(path, scoring_model)
    report = run.finish()
    recorded = read_predictions(path)
    for seq, result in run.results.items():
        for field in ("logits", "probabilities", "flags", "distances"):
            assert getattr(result, field).tobytes() == getattr(recorded[seq], field).tobytes()
    assert report.outcome.score.score == live.outcome.score.score
    checked = check_replay(run.store, report, run.results, scoring_model)
    assert checked.equal
    assert checked.frames == N_FIELDS
    assert "shading" in run.results[0].latency_ms


def test_a_setting_that_is_not_that_of_the_references_is_named_live_and_in_a_replay(
    acquired: tuple[Path, SectionReport], scoring_model: ScoringModel, tmp_path: Path
):
    assert acquired[1].outcome.remark is None
    shading = simple(300.0, 1.0, roi=(0, 0, SIDE_PX, SIDE_PX), exposure_ms=50.0, objective="40x")
    run = start_section(StoreSource(open_store(acquired[0])), scoring_model, tmp_path, shading=shading)
    live = run.finish()
    remark = (
        "the exposure of 3 of 3 frames is unlike that of the dark field (50 ms), which corrects them nevertheless; "
        "the objective of 3 of 3 frames is unlike that of the flat field (40x), which corrects them nevertheless"
    )
    assert live.outcome.remark == remark
    log = read_run_log(run.store_path)
    assert log is not None
    assert [event.facts["unlike"] for event in log.events if event.kind == "reference"] == ["exposure", "objective"]
    again = start_replay(run.store_path, scoring_model)
    assert again.finish().outcome.remark == remark
    for seq, result in again.results.items():
        assert result.logits.tobytes() == run.results[seq].logits.tobytes()


def test_the_account_of_a_run_states_its_correction(
    acquired: tuple[Path, SectionReport], shading: Shading, scoring_model: ScoringModel
):
    path, live = acquired
    assert section_account(live)["shading"] == {
        "estimated": False,
        "dark_sha256": shading.dark.manifest.pixels_sha256,
        "flat_sha256": shading.flat.manifest.pixels_sha256,
    }
    assert open_store(path).attributes["outcome"]["shading"] == section_account(live)["shading"]
    raw = start_replay(path, scoring_model, correct=False).finish()
    assert section_account(raw)["shading"] is None


def test_a_raw_replay_of_a_corrected_run_is_another_analysis(
    acquired: tuple[Path, SectionReport], scoring_model: ScoringModel
):
    run = start_replay(acquired[0], scoring_model, correct=False)
    report = run.finish()
    assert report.outcome.score.score != acquired[1].outcome.score.score
    assert not check_replay(run.store, report, run.results, scoring_model).equal


def test_tiles_of_a_labelled_store_are_those_that_were_classified(
    acquired: tuple[Path, SectionReport], shading: Shading
):
    from hcc_scope.datasets.labelled_image import LabelledImage

    raw = open_store(acquired[0]).read(1).pixels
    image = LabelledImage.__new__(LabelledImage)
    object.__setattr__(image, "path", acquired[0])
    assert np.array_equal(classified_pixels(image, raw), shading.corrected(raw))


# --- damage ---


def spoil_bits(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    file.write_bytes(bytes(data))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda path: (path / "shading-flat.png").unlink(), "the flat field .*shading-flat.png is missing"),
        (lambda path: spoil_bits(path / "shading-dark.png"), "the dark field .*shading-dark.png is damaged"),
        (
            lambda path: shutil.copyfile(path / "shading-flat.png", path / "shading-dark.png"),
            "the dark field .* does not have the sha256",
        ),
    ],
)
def test_a_damaged_reference_is_named_and_nothing_is_classified_without_it(
    store: Path, scoring_model: ScoringModel, spoil: Callable[[Path], object], says: str
):
    spoil(store)
    with pytest.raises(StoreDamagedError, match=says):
        start_replay(store, scoring_model)
    opened = open_store(store)
    assert len(opened.problems) == 1
    assert opened.read(0).pixels.shape == (SIDE_PX, SIDE_PX)  # the frames are there
    with pytest.raises(StoreDamagedError, match=says):
        opened.read_analysed(0)
    report = recover(store)
    assert (report.changes, report.damaged) == ((), ())
    assert len(report.problems) == 1
    raw = start_replay(store, scoring_model, correct=False)
    assert raw.finish().outcome.counts.classified == N_FIELDS


def test_a_link_in_the_place_of_a_reference_is_refused(store: Path, tmp_path: Path):
    file = store / "shading-dark.png"
    file.rename(tmp_path / "elsewhere.png")
    file.symlink_to(tmp_path / "elsewhere.png")
    with pytest.raises(Exception, match="is a symbolic link"):
        open_store(store)
    with pytest.raises(Exception, match="is a symbolic link"):
        recover(store)


def test_a_manifest_that_does_not_belong_to_the_frames_is_damage(store: Path):
    spec = dict(open_store(store).attributes["spec"])
    spec["provenance"] = {**spec["provenance"], "shading_flat": spec["provenance"]["shading_dark"]}
    (store / "hcc_scope.json").unlink()
    change_facts(store, spec=spec)
    with pytest.raises(StoreDamagedError, match=r"shading-flat\.png is damaged"):
        open_store(store).read_analysed(0)


def test_a_corrected_run_without_a_frame_leaves_no_store(tmp_path: Path):
    shading = simple(300.0, 1.0, roi=(0, 0, 64, 64), bit_depth=14)
    writer = create_store(tmp_path, make_spec((64, 64)), shading=shading)
    assert (writer.path / "shading-dark.png").is_file()
    writer.close()
    assert writer.discard()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FrameSizeError, match="does not fit its dark and flat field"):
        create_store(tmp_path, make_spec((70, 90)), shading=shading)
    assert list(tmp_path.iterdir()) == []


def test_a_reference_that_is_deleted_during_the_run_fails_it(tmp_path: Path):
    writer = create_store(tmp_path, make_spec((64, 64)), shading=simple(300.0, 1.0, roi=(0, 0, 64, 64), bit_depth=14))
    writer.append(make_frame(0, (64, 64)))
    (writer.path / "shading-flat.png").unlink()
    with pytest.raises(StoreDamagedError, match=r"shading-flat\.png was deleted during the run"):
        writer.close()
    assert writer.committed == 1


def test_a_store_without_a_correction_stays_of_the_version_that_others_read(tmp_path: Path):
    writer = create_store(tmp_path, make_spec((64, 64)))
    writer.append(make_frame(0, (64, 64)))
    writer.close()
    store = open_store(writer.path)
    assert store.attributes["schema_version"] == SCHEMA_VERSION
    assert store.shading is None
    assert store.read_analysed(0).pixels.tobytes() == store.read(0).pixels.tobytes()


# --- what the model's card wishes ---


def wishing(scoring_model: ScoringModel, wish: str) -> ScoringModel:
    card = scoring_model.model.card.model_copy(update={"shading": wish})
    return replace(scoring_model, model=replace(scoring_model.model, card=card))


def test_a_model_that_requires_a_correction_is_refused_before_there_is_a_store(
    acquired: tuple[Path, SectionReport], scoring_model: ScoringModel, shading: Shading, tmp_path: Path
):
    from hcc_scope.storage.source import StoreSource

    demanding = wishing(scoring_model, "required")
    source = StoreSource(open_store(acquired[0]))
    with pytest.raises(ModelMismatchError, match=r"requires frames corrected .*, and there are no fresh ones"):
        start_section(source, demanding, tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ModelMismatchError, match="and this store keeps none"):
        start_replay(acquired[0], demanding, correct=False)
    assert start_replay(acquired[0], demanding).finish().outcome.counts.classified == N_FIELDS
    check_wish(demanding.model.card, shading)


def test_a_model_that_refuses_a_correction_classifies_raw_frames(
    acquired: tuple[Path, SectionReport], scoring_model: ScoringModel, shading: Shading
):
    raw = start_replay(acquired[0], scoring_model, correct=False)
    refusing = wishing(scoring_model, "refused")
    run = start_replay(acquired[0], refusing)
    assert run.finish().outcome.score.score == raw.finish().outcome.score.score
    assert wanted_shading(refusing.model.card, shading) is None
    assert "refuses a correction" in str(refusal_note(refusing.model.card, shading))
    assert refusal_note(scoring_model.model.card, shading) is None


def test_a_card_states_its_wish_only_where_it_has_one(scoring_model: ScoringModel, tmp_path: Path):
    write_card(scoring_model.model.card, tmp_path)
    assert "\nshading:" not in (tmp_path / "card.yaml").read_text()  # earlier versions know no such key
    assert read_card(tmp_path).shading == "accepted"
    write_card(wishing(scoring_model, "required").model.card, tmp_path)
    assert read_card(tmp_path).shading == "required"


# --- on a rig ---


def lab(demo_cfg: Callable[..., Path], **light: object) -> Path:
    """Return a rig file beside a demo configuration whose camera shows even light."""
    noise = {"OnCameraCCDXSize": 128, "OnCameraCCDYSize": 128, "FastImage": 0, "Mode": "Noise", "Photon Flux": 1000}
    cfg = demo_cfg(**{**noise, **light})
    path = cfg.with_name("lab.rig.yaml")
    roles = "roles: {em_gain: Gain, objective: Objective}"
    path.write_text(f"config: {cfg.name}\n{roles}\nreferences_dir: references\n")
    return path


def test_references_are_taken_on_a_rig_and_correct_its_sections(
    demo_cfg: Callable[..., Path], scoring_model: ScoringModel
):
    card = scoring_model.model.card
    with open_rig(lab(demo_cfg)) as rig:
        controls = DeviceControls(rig.microscope)
        controls.set_shutter(is_open=True)
        controls.set_auto_shutter(False)
        before = controls.read()
        assert references_state(rig).freshness == "missing"
        with pytest.raises(ConfigError, match="a flat field needs a dark field first, which is missing"):
            ReferenceCapture(rig, "flat")
        with ReferenceCapture(rig, "dark") as capture:  # the demo camera shines through a shutter
            assert capture.closes_shutter
            assert controls.read().shutter_open is False
            refusal = capture.shoot().refusal
            assert refusal is not None
            assert "light in the dark" in refusal.message
        rig.set_properties(["Camera,Photon Flux,5"])
        with ReferenceCapture(rig, "dark") as capture:
            while capture.wanted:
                assert capture.shoot().refusal is None
            dark = capture.finish()
        rig.set_properties(["Camera,Photon Flux,1000"])
        places = set()
        with ReferenceCapture(rig, "flat") as capture:
            while capture.wanted:
                shot = capture.shoot()
                assert shot.refusal is None
                places.add(shot.frame.stage_um)
            flat = capture.finish()
        after = controls.read()
        assert len(places) == capture.n_shots
        assert (after.shutter_open, after.auto_shutter) == (before.shutter_open, before.auto_shutter) == (True, False)
        assert after.xy_um == pytest.approx(before.xy_um, abs=0.1)
        assert isinstance(dark, Reference)
        assert isinstance(flat, Reference)
        state = references_state(rig)
        assert (state.freshness, state.estimated) == ("fresh", False)

        found = section_references(rig, card)
        assert found.shading is not None
        assert found.shading.facts["shading_flat_sha256"] == flat.manifest.pixels_sha256
        assert "corrected by dark and flat fields" in found.note
        assert section_references(rig, card, "none").shading is None
        assert section_references(rig, card, painted=True).shading is None  # a phantom is another camera
        assert section_references(rig, wishing(scoring_model, "refused").model.card).shading is None
        later = references_state(rig, at=flat.manifest.t_utc + MAX_AGE["flat"] + timedelta(hours=1))
        assert (later.dark.freshness, later.flat.freshness) == ("fresh", "stale")
        controls.set_exposure_ms(50.0)
        other = section_references(rig, card)
        assert other.shading is None
        assert "dark field missing: none for these settings (unlike the nearest: exposure)" in other.note.lower()
        assert settings_now(rig).exposure_ms == 50.0


def test_an_emergency_stop_ends_a_flat_field_and_nothing_moves_back(
    demo_cfg: Callable[..., Path],
):
    with open_rig(lab(demo_cfg)) as rig:
        here = settings_now(rig)
        assert rig.rig is not None
        keep(need_references_dir(rig.rig), even_dark(here))
        assert references_state(rig).dark.label == "dark field fresh (estimated)"
        _no_model_that_requires_a_correction_fits(rig)
        with pytest.raises(ConfigError, match="a flat field needs a dark field that was taken"):
            ReferenceCapture(rig, "flat")
        keep(need_references_dir(rig.rig), Reference.of_map("dark", np.zeros(here.shape_yx), here, shots=32))
        with ReferenceCapture(rig, "flat") as capture:
            capture.shoot()
            DeviceControls(rig.microscope).halt()
            at = rig.stage_xy_um()
            with pytest.raises(Exception, match="stopped in an emergency"):
                capture.shoot()
        assert rig.stage_xy_um() == at


def _no_model_that_requires_a_correction_fits(rig: OpenRig) -> None:
    """A dry run of a plan and the look ahead refuse what a run would: a flat field is missing."""
    asked = {"shading": "required", "tile_px": 128, "bit_depth": settings_now(rig).bit_depth}
    card = read_card(find_model("phantom-meng2019")).model_copy(update=asked)
    series = parse_plan({"kind": "time_series", "n_frames": 2, "interval_s": 0})
    with pytest.raises(ModelMismatchError, match="requires frames corrected"):
        check_plan_on(rig, series, card=card)
    fit = fit_on(rig, card, allow_phantom_model=False)
    assert [one.what for one in fit.demands if one.refusal is not None] == ["shading"]
    assert "flat field missing" in fit.demands[-1].found
    assert not fit.fits
    assert fit_on(rig, card, "none").demands[-1].found == "no correction is asked for"
    assert fit_on(rig, card.model_copy(update={"shading": "accepted"})).fits


def test_an_estimate_takes_finished_stores_of_one_rig_and_setting(
    acquired: tuple[Path, SectionReport], demo_cfg: Callable[..., Path], tmp_path: Path
):
    from hcc_scope.rig.rigfile import load_rig

    rig = load_rig(lab(demo_cfg))
    with pytest.raises(UsageError, match="does not record the settings of its rig"):
        estimate_references([open_store(acquired[0])], rig, "lab.rig.yaml", lambda _: None)

    acquired_utc = datetime(2026, 1, 2, tzinfo=UTC)

    def section(name: str, n: int, **changes: object) -> Path:
        facts = {"rig_settings": settings((64, 64), bit_depth=14, **changes).model_dump_json()}
        writer = create_store(tmp_path, make_spec((64, 64), section_id=name, provenance=facts))
        for seq in range(n):
            pixels = np.full((64, 64), 8000, np.uint16)
            pixels[:, 32:] = 7000  # an edge of the light: a slope is what is left of it
            writer.append(make_frame(seq, (64, 64), section_id=name, pixels=pixels, t_utc=acquired_utc))
        writer.close()
        writer.finalise({"state": "completed"})
        return writer.path

    one, other = open_store(section("a", 30)), open_store(section("b", 25, objective="10x"))
    with pytest.raises(UsageError, match=r"acquired with other settings than .*: objective"):
        estimate_references([one, other], rig, "lab.rig.yaml", lambda _: None)
    with pytest.raises(UsageError, match=r"acquired with the rig lab\.rig\.yaml, not x"):
        estimate_references([one], rig, "x", lambda _: None)
    with pytest.raises(UsageError, match="is named twice"):
        estimate_references([one, open_store(one.path)], rig, "lab.rig.yaml", lambda _: None)
    longer = open_store(section("d", 25, exposure_ms=50.0))  # it has another dark field
    with pytest.raises(UsageError, match=r"acquired with other settings than .*: exposure"):
        estimate_references([one, longer], rig, "lab.rig.yaml", lambda _: None)
    more = open_store(section("c", 25))
    notes: list[str] = []
    dark, flat = estimate_references([one, more], rig, "lab.rig.yaml", notes.append)
    assert (dark.manifest.estimated, flat.manifest.estimated, flat.manifest.shots) == (True, True, 55)
    assert flat.values[:, :8].mean() > 1 > flat.values[:, -8:].mean()
    assert "an offset of 0 counts is assumed" in notes[0]
    assert flat.manifest.t_utc == acquired_utc  # an estimate is as old as its fields
    assert re.match(r"It corrects no section: .* stale, as its fields were taken \d+ days ago", notes[1])
    assert len(list_references(need_references_dir(rig)).manifests) == 2


# --- a section whose frames come from a corrected store, and what else is written down ---


def test_a_section_from_a_corrected_store_claims_no_correction_that_it_does_not_have(
    acquired: tuple[Path, SectionReport], scoring_model: ScoringModel, tmp_path: Path
):
    run = start_section(StoreSource(open_store(acquired[0])), scoring_model, tmp_path)
    run.finish()
    store = open_store(run.store_path)
    assert store.problems == ()
    assert store.attributes["schema_version"] == SCHEMA_VERSION_RULED
    assert store.spec.provenance["shading"] == "none"
    assert "shading_dark" not in store.spec.provenance
    assert store.recorded.provenance.correction == "none"


def test_saved_predictions_of_raw_frames_are_marked(store: Path, scoring_model: ScoringModel):
    from hcc_scope.runs.section_analyses import RAW_NOTE, open_section

    start_replay(store, scoring_model, "raw", correct=False).finish()
    start_replay(store, scoring_model, "again").finish()
    opened = open_section(store)
    for one in opened.analyses:
        expected = open_store(store).read(0) if one.title == "Saved raw" else open_store(store).read_analysed(0)
        assert np.array_equal(opened.reader_of(one)(0).pixels, expected.pixels)
    notes = {one.title: one.note for one in opened.analyses}
    assert notes == {"Recorded": "", "Saved again": "", "Saved raw": RAW_NOTE}
    assert open_store(store).recorded.provenance.correction == "dark and flat fields"
    assert open_store(store).problems == ()


# --- the command line ---


def command(*arguments: str) -> int:
    from hcc_scope.cli.program import run

    return run(arguments)


def test_the_commands_take_list_and_show_references(
    demo_cfg: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    rig, picture = str(lab(demo_cfg)), tmp_path / "refused.png"
    assert command("reference", "dark", "--rig", rig, "--yes", "--picture", str(picture)) == 12
    assert "there is light in the dark" in capsys.readouterr().err
    assert picture.read_bytes().startswith(b"\x89PNG")
    dark = ("reference", "dark", "--rig", rig, "--yes", "--json", "--property", "Camera,Photon Flux,5")
    assert command(*dark, "--exposure-ms", "5") == 0
    taken = json.loads(capsys.readouterr().out)
    assert (taken["kind"], taken["shots"], taken["settings"]["exposure_ms"]) == ("dark", 32, 5.0)
    assert command("reference", "list", "--rig", rig) == 0
    assert taken["name"] in capsys.readouterr().out
    assert command("reference", "show", taken["name"][:8], "--rig", rig) == 0
    assert "counts on average" in capsys.readouterr().out
    assert command("reference", "show", "flat", "--rig", rig) == 2
    assert "has no reference named 'flat'" in capsys.readouterr().err


def test_the_commands_of_the_page_run_on_the_demo_camera(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """From no reference to a corrected section that a replay finds again, as a reader types it."""
    page = (Path(__file__).parents[1] / "docs" / "shading.md").read_text(encoding="utf-8")
    block = page.partition("## Without a microscope")[2].partition("```sh\n")[2].partition("```")[0]
    monkeypatch.chdir(tmp_path)
    for line in block.splitlines():
        assert command(*shlex.split(line)[1:]) == 0, line
        if line.startswith("hcc-scope config new"):  # 2048 x 2048 px take ten times as long
            cfg = tmp_path / "try.cfg"
            cfg.write_text(cfg.read_text().replace("Size,2048", "Size,512"))
    capsys.readouterr()
    store = open_store(tmp_path / "runs" / "M7_S1.ome.zarr")
    summary = json.loads((tmp_path / "runs" / "summary.json").read_text())
    assert store.recorded.provenance.correction == "dark and flat fields"
    assert summary["sections"][0]["shading"]["flat_sha256"] == store.spec.provenance["shading_flat_sha256"]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("reference", "dark", "--rig", "demo", "--yes"), 10, "there is no folder for dark and flat fields"),
        (("reference", "list", "--rig", "demo"), 10, "Name one as references_dir in the rig file"),
        (
            ("replay", "x.ome.zarr", "--check", "--shading", "none"),
            2,
            "--check corrects frames as the recorded run did",
        ),
        (("replay", "x.ome.zarr", "--shading", "auto"), 2, "--shading is 'recorded' or 'none', not 'auto'"),
        (
            ("acquire", "--rig", "demo", "--out", "x", "--animal", "a", "--section", "s", "--shading", "maybe"),
            2,
            "--shading is 'auto' or 'none', not 'maybe'",
        ),
    ],
)
def test_mistakes_are_refused_in_a_sentence(
    arguments: tuple[str, ...], code: int, says: str, capsys: pytest.CaptureFixture[str]
):
    assert command(*arguments) == code
    assert says in capsys.readouterr().err
