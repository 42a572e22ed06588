"""Fixtures for every test, and the checks that a test leaves nothing behind."""

from __future__ import annotations

import functools
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
import typer.main

import hcc_scope.inference  # noqa: F401 - sets how torch's threads wait, before any test imports torch
from hcc_scope.inference import loading
from hcc_scope.resources import hardware_configs_dir, models_dir
from hcc_scope.system_check import qt_obstacle

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from hcc_scope.yaml_file import FileKind, YamlFile

# The same examples on every run, and as much time for each as a busy computer takes
hypothesis.settings.register_profile(
    "hcc-scope", deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("hcc-scope")

# A shell ignores SIGINT for what it runs in the background, and programs started from there inherit that: a test of
# Ctrl-C would then reach no process
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Threads that libraries keep for the whole process, by the beginning of their names
LIBRARY_THREADS = ("zarr_io", "asyncio_", "fsspecIO", "tqdm", "pymmcore", "pydevd", "Dask-Offload")
GRACE_S = 3.0
MOST_BUFFER_MB = 128
"""Sixteen frames of the demo camera's full size."""


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Run without pytest-qt where Qt cannot start: it imports Qt for every test. ``tests/ui`` then skips itself."""
    del parser
    if qt_obstacle() is not None:
        pluginmanager.unregister(name="pytest-qt")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Import the tests without looking for garbage, and leave what is imported out of every later search for it.

    That is half a million objects that live to the end, and a full search takes a fifth of a second. Libraries that
    are imported later add as many; so full searches come less often.
    """
    gc.disable()
    gc.set_threshold(*gc.get_threshold()[:2], 40)
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


def _ours() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if not thread.name.startswith(LIBRARY_THREADS)}


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    """Fail the test that leaves a thread behind."""
    before = _ours()
    yield
    deadline = time.monotonic() + GRACE_S
    while (left := _ours() - before) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not left, f"threads left behind: {sorted(thread.name for thread in left)}"


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the user's engine choices and models out of all tests, here and in subprocesses."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HCC_SCOPE_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("HCC_SCOPE_MODELS_DIR", str(tmp_path_factory.mktemp("models")))
        yield


@pytest.fixture(scope="session", autouse=True)
def parser_once() -> Iterator[None]:
    """Make the parser of the command line once: typer makes it anew for each of the thousands of commands run here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.main, "get_command", functools.cache(typer.main.get_command))
        yield


_load = loading._loaded


@pytest.fixture(scope="session", autouse=True)
def shipped_model_once() -> Iterator[None]:
    """Read and self-test the shipped model once: nearly every run here needs it, and its files do not change.

    What is loaded is immutable, and its engine takes calls from several threads. A model elsewhere is loaded each time.
    """
    once = functools.cache(_load)
    shipped = models_dir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loading, "_loaded", lambda folder: (once if folder.parent == shipped else _load)(folder))
        yield


@pytest.fixture
def shipped_model_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Load the shipped model anew, as a start of the program does."""
    monkeypatch.setattr(loading, "_loaded", _load)


@pytest.fixture(scope="session", autouse=True)
def shipped_card_once() -> Iterator[None]:
    """Parse the shipped model's card once: that takes 25 ms, and hundreds of commands here read it.

    Other cards, and this one if its bytes should change, are parsed each time.
    """
    from hcc_scope.inference import card

    read = card.read_yaml

    @functools.cache
    def once(path: Path, kind: FileKind, content: bytes) -> YamlFile:
        del content  # it is part of the key
        return read(path, kind)

    shipped = models_dir()

    def read_yaml(path: Path, kind: FileKind) -> YamlFile:
        return once(path, kind, path.read_bytes()) if path.parent.parent == shipped else read(path, kind)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(card, "read_yaml", read_yaml)
        yield


@pytest.fixture(scope="session", autouse=True)
def phantoms_kept() -> Iterator[None]:
    """Keep more of the phantom's tissues, sprites and textures than a run of the program needs.

    The tests go from one section and pixel size to the next and back: each would be grown anew, for half a second.
    """
    from hcc_scope.phantom import specimen

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(specimen, "_tissue", functools.lru_cache(maxsize=24, typed=True)(specimen._tissue.__wrapped__))
        for name in ("sprite_bank", "textures"):
            patch.setattr(specimen, name, functools.lru_cache(maxsize=6)(getattr(specimen, name).__wrapped__))
        yield


@pytest.fixture(scope="session", autouse=True)
def small_camera_buffer() -> Iterator[None]:
    """Open every rig in this process with a camera buffer of 128 MiB at most.

    The core fills the buffer with zeros whenever a rig is opened: half a second of a processor for the usual GiB.
    """
    from hcc_scope.microscope.micromanager import MicroManager

    start = MicroManager.start

    @functools.wraps(start)
    def with_small_buffer(cfg: str | Path, *, buffer_size_mb: int = MOST_BUFFER_MB, **more: object) -> MicroManager:
        return start(cfg, buffer_size_mb=min(buffer_size_mb, MOST_BUFFER_MB), **more)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MicroManager, "start", with_small_buffer)
        yield


@pytest.fixture(scope="session")
def adapters_dir() -> Path:
    """Folder of the demo device adapters."""
    from hcc_scope.rig.adapters import test_adapters_dir

    return test_adapters_dir()


@pytest.fixture
def demo_cfg(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes the shipped demo configuration with other startup settings of its devices.

    ``demo_cfg(OnCameraCCDXSize=64)`` changes what is there already and adds (to the camera) what is not.
    """

    def write(name: str = "rig.cfg", **settings: object) -> Path:
        lines = (hardware_configs_dir() / "demo.cfg").read_text(encoding="utf-8").splitlines()
        left = dict(settings)
        for i, line in enumerate(lines):
            fields = line.split(",")
            if fields[:3] == ["ConfigGroup", "System", "Startup"] and fields[4] in left:
                lines[i] = ",".join([*fields[:5], str(left.pop(fields[4]))])
        lines += [f"ConfigGroup,System,Startup,Camera,{key},{value}" for key, value in left.items()]
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


CLUSTER = """
import sys
from distributed import LocalCluster
with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50) as cluster:
    print(cluster.scheduler_address, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="session")
def dask_cluster() -> Iterator[str]:
    """The scheduler's address of a Dask cluster of two workers, in processes of their own."""
    root = Path(__file__).parents[1]
    with subprocess.Popen(
        [sys.executable, "-c", CLUSTER],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        cwd=root, env={**os.environ, "PYTHONPATH": str(root)},
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.stdin.close()
