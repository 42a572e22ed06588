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
from hcc_scope.cli.interrupt import wait_for_imports
wait_for_imports()
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


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "interrupted_module.py").write_text(_SLOW)
    path = os.pathsep.join([str(folder), *sys.path])
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip


def test_an_import_is_finished_before_ctrl_c_strikes(tmp_path: Path):
    done = run(_IMPORTS_IT, tmp_path)
    assert done.stdout == "imported True\ninterrupted True\n", done.stderr
    assert done.returncode == 0


def test_a_command_that_is_interrupted_before_it_began_says_so(tmp_path: Path):
    done = run(_IN_A_COMMAND, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Error: interrupted\n")
