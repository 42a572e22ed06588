"""Ctrl-C while the program starts, and while it imports: in processes of their own, as signals are a process's."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="os.kill ends a process there")

_SLOW = """
import os, signal
os.kill(os.getpid(), signal.SIGINT)
for _ in range(1000):  # the handler is called between two of these
    pass
whole = True
"""
_IMPORTS_IT = """
import sys, time
from hcc_scope.cli.interrupt import heed_interrupts
heed_interrupts()
try:
    import interrupted_module
    print("imported", interrupted_module.whole)
    time.sleep(30)
except KeyboardInterrupt:
    print("interrupted", sys.modules["interrupted_module"].whole)
"""
_IN_A_COMMAND = """
import sys
import hcc_scope.cli.models as models
def list_models(**_):
    import interrupted_module
    import time
    time.sleep(30)
models.run_list = list_models
sys.argv = ["hcc-scope", "models", "list"]
from hcc_scope.cli import main
main()
"""
_PRESS = """
import os, signal, sys, time
import hcc_scope.cli.interrupt as interrupt
import hcc_scope.cli.models as models

def press(times=5):
    for _ in range(times):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000):  # the handler is called between two of these
            pass

def list_models(**_):
    COMMAND

models.run_list = list_models
sys.argv = ["hcc-scope", "models", "list"]
from hcc_scope.cli import main
BEFORE
main()
"""
_WHILE_CLEANING_UP = """try:
        press(1)
    finally:
        press()
        print("cleaned up")"""
_WHILE_AN_ERROR_IS_HANDLED = """from hcc_scope.cli.runs import interruptible
    with interruptible("nothing was done"):
        try:
            press(1)
        except KeyboardInterrupt:
            press()
            print("cleaned up")
            raise"""
_WHILE_IT_HANGS = """try:
        press(1)
    finally:
        print("cleaned up", flush=True)
        interrupt.PATIENCE_S = 0.0
        press(1)
        time.sleep(60)"""
_WHILE_THE_INTERPRETER_ENDS = """import atexit
    class Last:
        def __del__(self, press=press):
            press()
    sys.modules["the last"] = Last()  # goes when signals have their defaults again
    atexit.register(press)
    print("cleaned up")
    press(1)"""


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "interrupted_module.py").write_text(_SLOW)
    path = os.pathsep.join([str(folder), *sys.path])
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip


def test_an_import_is_finished_before_ctrl_c_takes_effect(tmp_path: Path):
    done = run(_IMPORTS_IT, tmp_path)
    assert done.stdout == "imported True\ninterrupted True\n", done.stderr
    assert done.returncode == 0


def test_a_command_that_is_interrupted_before_it_began_reports_it(tmp_path: Path):
    done = run(_IN_A_COMMAND, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Error: interrupted\n")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (_WHILE_CLEANING_UP, "interrupted"),
        (_WHILE_AN_ERROR_IS_HANDLED, "interrupted: nothing was done"),
        (_WHILE_IT_HANGS, "interrupted"),
        (_WHILE_THE_INTERPRETER_ENDS, "interrupted"),
    ],
    ids=["cleaning-up", "handling", "hanging", "ending"],
)
def test_more_of_them_change_nothing(command: str, words: str, tmp_path: Path):
    done = run(_PRESS.replace("COMMAND", command).replace("BEFORE", ""), tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (130, "cleaned up\n", f"Error: {words}\n")


def test_ctrl_c_while_the_program_itself_is_imported(tmp_path: Path):
    before = """class Press:
    def find_spec(self, name, *_):
        if name == "hcc_scope.cli.program":
            press(1)
sys.meta_path.insert(0, Press())"""
    done = run(_PRESS.replace("COMMAND", "time.sleep(60)").replace("BEFORE", before), tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Error: interrupted\n")


def test_ctrl_c_is_sent_again_if_it_did_not_end_a_system_call(tmp_path: Path):
    # as when it arrives between the main thread's last instruction and the call that then waits
    before = """class Press:
    def find_spec(self, name, *_):
        if name == "hcc_scope.cli.program":
            press(1)
sys.meta_path.insert(0, Press())
send, sent = signal.pthread_kill, []
def lose_the_first(thread, number):
    sent.append(number)
    if len(sent) > 1:
        send(thread, number)
signal.pthread_kill = lose_the_first"""
    done = run(_PRESS.replace("COMMAND", "time.sleep(60)").replace("BEFORE", before), tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Error: interrupted\n")


def test_nothing_slow_is_imported_before_ctrl_c_is_handled(tmp_path: Path):
    done = run("import sys, hcc_scope.cli; print(*sorted(sys.modules))", tmp_path)
    assert not {"dataclasses", "importlib.metadata", "inspect", "typer", "traceback"} & set(done.stdout.split())
