"""``hcc-scope app``: it starts, it ends, and where there is no display it reports so in one sentence."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hcc_scope.errors import ModelError
from hcc_scope.resources import models_dir
from tests.commands import COMMAND, cli, small_rig_file
from ui.control.settings import FOLDER_VARIABLE


def app_process(folder: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    env = {**os.environ, FOLDER_VARIABLE: str(folder), "XDG_DATA_HOME": str(folder / "data"), **environment}
    env = {name: value for name, value in env.items() if value != ""}
    return subprocess.Popen(
        [*COMMAND, "app", *arguments], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a display")
def test_a_missing_display_is_one_sentence_and_an_exit_code(tmp_path: Path):
    process = app_process(tmp_path, QT_QPA_PLATFORM="xcb", DISPLAY="", WAYLAND_DISPLAY="")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert out == ""
    assert len(err.strip().splitlines()) == 1
    assert err.startswith("Error: the window cannot be opened: ")
    assert "DISPLAY" in err


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_it_opens_the_demo_rig_and_a_polite_signal_closes_it(tmp_path: Path):
    own = Path(shutil.copytree(models_dir() / "phantom-meng2019", tmp_path / "own"))
    rig = small_rig_file(tmp_path / "demo.rig.yaml")
    process = app_process(tmp_path, "--rig", str(rig), "--model", str(own), QT_QPA_PLATFORM="offscreen")
    settings = tmp_path / "settings.json"
    deadline = time.monotonic() + 60
    while not (settings.exists() and "demo.rig.yaml" in settings.read_text()):  # written once the rig is open
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    assert out == ""
    remembered = json.loads(settings.read_text())
    assert (remembered["model"], remembered["model_folders"]) == (str(own), [str(own)])


def test_it_is_in_the_help():
    assert " app " in cli("--help").out
    assert "--rig" in cli("app", "--help").out


def test_a_model_that_is_not_there_is_refused_before_a_window_is_made():
    done = cli("app", "--model", "liver-9")
    assert done.code == ModelError.exit_code
    assert done.err.startswith("Error: there is no model 'liver-9'")
