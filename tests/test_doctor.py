"""``hcc-scope doctor``: how each check judges, that devices stay as they were, and what a crash means."""

from __future__ import annotations

import errno
import json
import re
import shlex
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import hcc_scope.session as sessions
from hcc_scope.cli import doctor as command
from hcc_scope.doctor import computer, devices, disk, pipeline, reaction
from hcc_scope.doctor.checks import CHECKS, find_check
from hcc_scope.doctor.examination import examine
from hcc_scope.doctor.results import exit_code, failed, not_tried, passed, result_from_json, summary, warned, worst
from hcc_scope.doctor.subject import Options, Subject
from hcc_scope.errors import CameraError, ConfigError, DeviceError, DiskFullError, FramesLost
from hcc_scope.shading.freshness import ReferencesState, ReferenceState
from hcc_scope.types import Counts
from tests.commands import cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hcc_scope.doctor.results import Result
    from hcc_scope.doctor.subject import Picture
    from hcc_scope.shading.freshness import Freshness

    MakeCfg = Callable[..., Path]

ROOT = Path(__file__).resolve().parent.parent
SMALL = {"OnCameraCCDXSize": 512, "OnCameraCCDYSize": 512, "Exposure": 5}
FEW = ("versions", "adapters", "configuration", "devices", "camera", "as_found", "clock")


# --- results ---


def test_the_first_failure_decides_the_exit_code_then_a_warning() -> None:
    fine, odd = passed("fine"), warned("odd", "look")
    broken, worse = failed(ConfigError("no file")), failed(CameraError("dark", hint="Open the shutter."))
    assert exit_code([fine, not_tried("no rig")]) == 0
    assert exit_code([fine, odd]) == 3
    assert exit_code([odd, broken, worse]) == ConfigError.exit_code
    assert [worst(some) for some in ([], [fine], [fine, odd], [odd, broken])] == ["pass", "pass", "warn", "fail"]
    assert (worse.words, worse.advice) == ("Dark.", "Open the shutter.")
    assert summary([fine, odd, broken, not_tried("no rig")]) == "4 checks: 1 failed, 1 warning, 1 passed, 1 not tried."


def test_results_survive_the_way_between_processes() -> None:
    found = replace(
        warned("odd", "look", mb_per_s=1.5, engine=None), name="disk_speed", title="Disk speed", seconds=0.1
    )
    assert result_from_json(json.loads(json.dumps(found.as_json()))) == found


def test_the_order_of_checks_follows_what_they_rest_on() -> None:
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    for place, check in enumerate(CHECKS):
        assert set(check.needs) <= set(names[:place]), check.name


# --- judgements ---


@pytest.mark.parametrize(
    ("pixels", "verdict", "words"),
    [
        (np.full((8, 8), 7), "fail", "every pixel of the picture is 7"),
        (np.arange(64).reshape(8, 8) + 100, "pass", "100 to 163 of 4095 counts"),
        (np.where(np.arange(64).reshape(8, 8) < 2, 4095, 200), "warn", "3.1 % of the pixels saturated"),
    ],
)
def test_a_picture(pixels: np.ndarray[Any, Any], verdict: str, words: str) -> None:
    found = devices.judge_picture(pixels.astype(np.uint16), 12, 0.1)
    assert found.verdict == verdict
    assert words.lower() in found.words.lower()


@pytest.mark.parametrize(
    ("now", "other", "reported", "means", "verdict"),
    [
        (10, 20, 20.0, (100, 200), "pass"),
        (10, 20, 20.0, (100, 100), "warn"),  # no light, or a value that never reaches the sensor
        (10, 20, 10.0, (100, 200), "warn"),
        (10, 20, 10.0, (100, 100), "fail"),
        (10, 20, None, (100, 101), "fail"),
        (20, 10, 20.0, (200, 100), "warn"),
        (20, 10, 20.0, (100, 200), "fail"),  # the wrong way is no reaction
    ],
)
def test_a_reaction(now: float, other: float, reported: float | None, means: tuple[float, float], verdict: str) -> None:
    found = reaction.judge_reaction("exposure", now, other, reported, means, lambda a, b: a == b, " ms")
    assert found.verdict == verdict
    assert found.exit_code == (CameraError.exit_code if verdict == "fail" else 0)


def test_an_em_gain_that_only_reads_back_is_a_warning_where_there_is_light() -> None:
    def judge(means: tuple[float, float], signal: float | None, unseen: str) -> str:
        same = lambda a, b: a == b  # noqa: E731
        return reaction.judge_reaction("EM gain", 100, 50, 50.0, means, same, "", signal=signal, unseen=unseen).verdict

    assert judge((1000, 1000), 500, "") == "warn"
    assert judge((1000, 960), 80, "") == "pass", "most of the mean is the camera's offset"
    assert judge((500, 500), None, "no light") == "pass"


def test_another_exposure_lies_within_all_limits() -> None:
    assert reaction.other_exposure_ms(10, (None, None), bright=False) == 20
    assert reaction.other_exposure_ms(10, (None, None), bright=True) == 5
    assert reaction.other_exposure_ms(10, ((1, 100), (1, 15)), bright=False) == 5
    assert reaction.other_exposure_ms(10, ((8, 12), None), bright=False) is None


def test_another_gain_is_lower_if_it_can_be_and_never_above_the_limit() -> None:
    assert reaction.other_gain(300, (2, 1000), 300) == 150
    assert reaction.other_gain(2, (2, 1000), 300) == 4
    assert reaction.other_gain(2, (2, 1000), 3) is None
    assert reaction.other_gain(1, None, None) == 2
    assert reaction.other_gain(0, (-5, 8), None) == 1


@pytest.mark.parametrize(
    ("here", "span", "target"),
    [(0, None, 50), (0, (-60, 60), 50), (0, (-60, 40), -50), (0, (-40, 40), None), (100, (-40, 60), 50)],
)
def test_a_small_way_stays_within_the_limits(
    here: float, span: tuple[float, float] | None, target: float | None
) -> None:
    assert devices.small_way(here, 50, span) == target


@pytest.mark.parametrize(
    ("found", "wanted", "verdict"),
    [(-70, -70, "pass"), (-69, -70, "pass"), (-20, -70, "warn"), (None, -70, "not tried"), (-20, None, "not tried")],
)
def test_a_temperature(found: float | None, wanted: float | None, verdict: str) -> None:
    assert devices.judge_temperature(found, wanted).verdict == verdict


def test_the_disk_is_compared_with_the_pace_of_the_camera() -> None:
    frame = 8_000_000
    assert disk.judge_speed(100e6, frame, 0.2).verdict == "pass"
    assert disk.judge_speed(30e6, frame, 0.2).verdict == "warn"
    assert disk.judge_speed(30e6, frame, None).verdict == "pass"
    assert disk.judge_speed(10e6, frame, None).verdict == "warn"


def test_little_room_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for free, verdict in ((30e9, "pass"), (3e9, "warn")):
        usage = SimpleNamespace(free=free)
        monkeypatch.setattr(disk.shutil, "disk_usage", lambda _folder, usage=usage: usage)
        assert disk.room(tmp_path / "not" / "there").verdict == verdict


def test_a_disk_that_is_full_is_a_failure_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, _data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(disk, "create_file", full)
    subject = Subject(Options(out_dir=str(tmp_path), scratch_dir=str(tmp_path)))
    found = find_check("disk_speed").run(subject)
    assert (found.verdict, found.exit_code) == ("fail", DiskFullError.exit_code)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("free", "verdict"), [(None, "pass"), (4096, "pass"), (1500, "warn")])
def test_the_memory_must_hold_more_than_the_buffer(free: int | None, verdict: str) -> None:
    assert computer.judge_memory(free, 1024, 8 * 2**20).verdict == verdict


def test_a_clock() -> None:
    now = datetime(2026, 11, 29, 12, tzinfo=timezone(timedelta(hours=1)))
    written = datetime(2026, 11, 1, tzinfo=UTC)
    assert computer.judge_clock(now, written, 0.001, None).verdict == "pass"
    assert computer.judge_clock(now, written, -3.0, None).verdict == "warn"
    behind = computer.judge_clock(now.replace(year=2012), written, 0.0, None)
    assert behind.verdict == "fail"
    assert "days before this program was installed" in behind.words


def test_a_rate() -> None:
    outcome: Any = SimpleNamespace(
        counts=Counts(acquired=40, classified=40),
        rates={"end_to_end_fps": 2.0},
        latency_ms={"p95": 400.0},
        cause=None,
        degraded=None,
    )
    assert pipeline.judge_rate(outcome).verdict == "pass"
    outcome.rates = {"end_to_end_fps": 0.5}
    assert pipeline.judge_rate(outcome).verdict == "warn"
    outcome.cause = FramesLost(3, "the buffer overflowed")
    assert pipeline.judge_rate(outcome).exit_code == FramesLost.exit_code


# --- devices ---


@pytest.fixture
def subject(demo_cfg: MakeCfg, tmp_path: Path) -> Iterator[Subject]:
    """Return the demo rig with small frames, drawn only once, and every role of the shipped one."""
    cfg = demo_cfg(**SMALL)
    text = (ROOT / "hardware_configs" / "demo.rig.yaml").read_text(encoding="utf-8")
    rig = tmp_path / "small.rig.yaml"
    rig.write_text(text.replace("config: demo.cfg", f"config: {cfg.name}"), encoding="utf-8")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    options = Options(rig=str(rig), out_dir=str(tmp_path), scratch_dir=str(scratch), seconds=0.4, engine="torchscript")
    with Subject(options) as made:
        yield made


def run(subject: Subject, name: str) -> Result:
    return find_check(name).run(subject)


def test_every_check_of_the_devices_passes_on_the_demo_rig_and_changes_nothing(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []
    session = sessions.Session
    monkeypatch.setattr(sessions, "Session", lambda *parts, **more: made.append(more) or session(*parts, **more))
    names = [check.name for check in CHECKS if check.of_rig]
    found = {name: run(subject, name) for name in names}
    assert found["frame_rate"].facts["frames"]
    waiting_bytes = made[0]["session_limits"].analyse_queue_bytes
    assert waiting_bytes <= 8 * 2 * 512 * 512, "few frames wait, so that the check ends soon after its time"
    assert found.pop("frame_rate").verdict in ("pass", "warn")  # a busy computer is slow
    assert {name: one.words for name, one in found.items() if one.verdict not in ("pass", "not tried")} == {}
    assert {name for name, one in found.items() if one.verdict == "not tried"} == {"stage", "references"}
    assert "--move" in found["stage"].words
    assert found["exposure"].facts["mean_after"] == pytest.approx(
        2 * float(found["exposure"].facts["mean_before"]), rel=0.1
    )  # type: ignore[arg-type]  # a number
    assert "the demo camera draws the same picture" in found["em_gain"].words
    assert subject.signal_counts == pytest.approx(float(found["exposure"].facts["mean_before"]), rel=0.1)  # type: ignore[arg-type]  # a number
    assert subject.property_value("Camera", "FastImage") == "1"
    assert subject.property_value("Camera", "Mode") == "Artificial Waves"
    assert list(Path(str(subject.options.scratch_dir)).iterdir()) == []


def test_the_stage_moves_only_if_it_may_and_comes_back(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[dict[str, float]] = []
    go = devices._go
    monkeypatch.setattr(devices, "_go", lambda one, place: (sent.append(dict(place)), go(one, place)))
    subject.controls.move_to_um(59_990, 0)
    assert run(subject, "stage").verdict == "not tried"
    assert sent == []
    while subject.controls.read().busy:
        pass
    subject.options = replace(subject.options, move=True)
    found = run(subject, "stage")
    assert found.verdict == "pass", found.words
    out, home = sent
    assert out["x"] == pytest.approx(59_940, abs=1), "towards the middle, as the limit is near"
    assert (abs(out["y"] - home["y"]), abs(out["z"] - home["z"])) == (devices.WAY_XY_UM, devices.WAY_Z_UM)
    state = subject.controls.read()
    assert state.xy_um == pytest.approx((home["x"], home["y"]), abs=0.1)
    assert state.z_um == pytest.approx(home["z"], abs=0.1)


def test_settings_come_back_after_an_error(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(subject, "camera").verdict == "pass"
    snap = subject.snap
    pictures: list[object] = []

    def fail_on_the_second() -> Picture:
        pictures.append(None)
        if len(pictures) % 2 == 0:
            raise CameraError("no picture came", hint="Look at the cable.")
        return snap()

    monkeypatch.setattr(subject, "snap", fail_on_the_second)
    for name in ("exposure", "em_gain"):
        found = run(subject, name)
        assert (found.verdict, found.exit_code) == ("fail", CameraError.exit_code)
        assert found.line() == f"{found.title}: No picture came. Look at the cable."
    assert run(subject, "as_found").verdict == "pass"
    assert subject.property_value("Camera", "FastImage") == "1"


def test_settings_beyond_the_limits_of_the_rig_file_come_back_too(subject: Subject, demo_cfg: MakeCfg) -> None:
    demo_cfg(**{**SMALL, "Gain": 5})
    with Path(str(subject.options.rig)).open("a", encoding="utf-8") as file:
        file.write("limits: {em_gain: 2, exposure_ms: [1, 4]}\nlight: {auto_shutter: false}\n")
    subject.options = replace(subject.options, move=True)
    for name in ("exposure", "em_gain", "stage"):
        found = run(subject, name)
        assert found.verdict == "pass", found.words
    assert run(subject, "model_fits").words.startswith("An exposure of 5 ms is beyond"), "a section would be refused"
    assert run(subject, "as_found").words == "Every setting is as it was found."
    state = subject.controls.read()
    assert (state.camera.exposure_ms, state.camera.em_gain, state.auto_shutter) == (5, 5, True)


def test_a_setting_that_does_not_come_back_is_reported(subject: Subject) -> None:
    assert run(subject, "devices").verdict == "pass"
    subject.controls.set_exposure_ms(7)
    found = run(subject, "as_found")
    assert found.verdict == "fail"
    assert "exposure_ms was 5.0 and is 7.0" in found.words


@pytest.mark.parametrize(("dark", "flat", "verdict"), [("fresh", "fresh", "pass"), ("fresh", "stale", "warn")])
def test_references_must_both_be_fresh(dark: Freshness, flat: Freshness, verdict: str) -> None:
    state = ReferencesState(ReferenceState("dark", dark, "taken today"), ReferenceState("flat", flat, "too old"))
    found = devices.judge_references(state)
    assert found.verdict == verdict
    assert "too old" in found.words


def test_missing_references_are_a_warning(subject: Subject) -> None:
    with Path(str(subject.options.rig)).open("a", encoding="utf-8") as file:
        file.write("references_dir: references\n")
    found = run(subject, "references")
    assert found.verdict == "warn"
    assert "Dark field missing: none was taken" in found.words


def test_what_contradicts_the_rig_file_is_a_warning(subject: Subject) -> None:
    with Path(str(subject.options.rig)).open("a", encoding="utf-8") as file:
        file.write("stand: manual\nwarnings: [Mind the lamp.]\n")
    found = run(subject, "devices")
    assert found.verdict == "warn"
    assert "the stand is manual" in found.words
    assert "lamp" not in found.words, "what a person wrote is no fault"


@pytest.mark.parametrize(
    "text", [None, "config: demo.cfg\ncamera: odd\n", "config: demo.cfg\nadapters_dir: <folder: look>\n"]
)
def test_a_rig_file_that_cannot_be_used_is_reported_once(tmp_path: Path, text: str | None) -> None:
    rig = tmp_path / "rig.yaml"
    if text is not None:
        rig.write_text(text, encoding="utf-8")
    subject = Subject(Options(rig=str(rig), out_dir=str(tmp_path)))
    found = {name: run(subject, name) for name in ("adapters", "configuration", "memory")}
    assert [one.verdict for one in found.values()] == ["not tried", "fail", "pass"]
    assert found["configuration"].exit_code == ConfigError.exit_code


def test_a_file_keeps_its_name_at_the_start_of_a_finding() -> None:
    assert failed(ConfigError("my.rig.yaml:2: no such key")).words == "my.rig.yaml:2: no such key."
    assert failed("/data: no space").words == "/data: no space."
    assert failed("every pixel is 7").words == "Every pixel is 7."


def test_the_buffer_of_the_open_rig_is_counted_once(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(computer, "free_memory", lambda: SimpleNamespace(mib=1500, where="this machine has free"))
    held = int(run(subject, "memory").facts["buffer_mib"])  # type: ignore[arg-type]  # a number
    subject.rig  # noqa: B018 - opens it
    assert run(subject, "memory").facts["free_mib"] == 1500 + held


def test_a_bug_in_a_check_is_its_result(subject: Subject) -> None:
    broken = replace(find_check("clock"), examine=lambda _subject: 1 / 0)  # type: ignore[arg-type,return-value]  # a bug
    found = broken.run(subject)
    assert (found.verdict, found.exit_code) == ("fail", 70)
    assert "ZeroDivisionError" in found.words


# --- the process of the checks ---


def test_a_driver_that_crashes_is_a_sentence_and_the_rest_goes_on(
    demo_cfg: MakeCfg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg = demo_cfg(**SMALL, SimulateCrash="Dereference Null Pointer")
    few = tuple(find_check(name) for name in FEW)
    monkeypatch.setattr(command, "examine", partial(examine, checks=few))
    out = tmp_path / "out"
    done = cli("doctor", "--rig", cfg, "--out", out, "--seconds", "1", "--json")
    assert done.code == DeviceError.exit_code
    assert "ended the process of this check (SIG" in done.err
    assert "Traceback" not in done.err
    verdicts = {check["name"]: check["verdict"] for check in done.json["checks"]}
    assert verdicts == {
        "versions": "pass",
        "adapters": "pass",
        "configuration": "pass",
        "devices": "fail",
        "camera": "not tried",
        "as_found": "not tried",
        "clock": "pass",
    }
    assert done.json["verdict"] == "fail"
    assert not out.exists()
    assert not list(tmp_path.glob(".hcc-scope*"))


def test_a_check_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hcc_scope.doctor import examination

    hangs = replace(find_check("clock"), limit_s=0.05)  # the process cannot even start within that
    monkeypatch.setattr(examination, "find_check", lambda _name: hangs)
    (found,) = examine(Options(out_dir=str(tmp_path), seconds=0.0), lambda _result: None, checks=(hangs,))
    assert found.verdict == "fail"
    assert "did not answer within" in found.words


def test_without_a_rig_only_the_computer_is_examined(tmp_path: Path) -> None:
    few = tuple(find_check(name) for name in ("versions", "devices", "camera"))
    found = examine(Options(out_dir=str(tmp_path)), lambda _result: None, checks=few)
    assert [one.verdict for one in found] == ["pass", "not tried", "not tried"]
    assert found[1].words == "No rig was given."


def test_the_commands_of_the_page_are_right(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Options] = []
    monkeypatch.setattr(command, "run_doctor", lambda options, **_more: asked.append(options))
    page = (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8")
    blocks = "".join(re.findall(r"```sh\n(.*?)```", page, re.DOTALL))
    lines = [line.split(" #")[0] for line in blocks.splitlines() if line.startswith("hcc-scope doctor")]
    for line in lines:
        assert cli(*shlex.split(line)[1:], cwd=tmp_path).code == 0, line
    assert len(asked) == len(lines) > 0


def test_the_page_names_every_check() -> None:
    page = (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| ([^|]+) \|", page.split("## What is checked", 1)[1], re.MULTILINE)[1:]
    assert named[: len(CHECKS)] == [check.title for check in CHECKS]
