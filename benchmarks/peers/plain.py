"""The same tasks as a user would write them with the libraries alone: the pipeline is compared with these.

`hcc_scope.inference` is not imported here, since that alone changes how torch's threads wait for one another.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pycromanager import Acquisition, Core, multi_d_acquisition_events, start_headless

from benchmarks.peers.zarr_array import create_zarr_array
from hcc_scope.bench.demo_camera import show_texture
from hcc_scope.bench.scenes import make_scenes
from hcc_scope.bench.timing import timed
from hcc_scope.errors import CameraError
from hcc_scope.rig.adapters import test_adapters_dir
from hcc_scope.rig.rigfile import load_rig

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hcc_scope.bench.figures import JsonObject

__all__ = ["PlainClassifier", "PlainLive", "PlainTrainer"]

_TILE_PX = 512
_BATCH = 16
_MAPS = {"meng2019": (16, 16, 16, 8, 8), "compact": (16, 16, 32, 48, 64)}
"""Of the networks in `hcc_scope.training.network`."""


def _load(model_file: str) -> torch.jit.ScriptModule:
    module: torch.jit.ScriptModule = torch.jit.load(model_file)  # type: ignore[no-untyped-call]  # torch.jit has no types
    module.eval()
    return module


def _tiles(frame: NDArray[np.uint16]) -> torch.Tensor:
    """Return a frame (y, x) as a batch of tiles (n, 1, 512, 512) float32."""
    rows, cols = frame.shape[0] // _TILE_PX, frame.shape[1] // _TILE_PX
    tiles = frame.reshape(rows, _TILE_PX, cols, _TILE_PX).swapaxes(1, 2).reshape(-1, 1, _TILE_PX, _TILE_PX)
    return torch.from_numpy(tiles.astype(np.float32))


class PlainClassifier:
    """``torch.jit.load``, and the model called on a frame's tiles: as one batch, or tile by tile. Torch's threads."""

    def __init__(self, tilewise: bool, model_file: str, side_px: int) -> None:
        (self._frame,) = make_scenes(side_px, 1)
        self._module = _load(model_file)
        self._tilewise = tilewise

    @property
    def facts(self) -> JsonObject:
        """What runs."""
        return {"engine": f"torch.jit.load, torch {torch.__version__}, {torch.get_num_threads()} threads"}

    def round(self, request: JsonObject) -> JsonObject:
        """Classify ``frames`` frames."""
        n = int(request["frames"])
        with timed() as taken, torch.no_grad():
            for _ in range(n):
                tiles = _tiles(self._frame)
                for batch in tiles.unsqueeze(1) if self._tilewise else (tiles,):
                    self._module(batch)
        return taken.account(n)

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


class PlainLive:
    """pycromanager's `Acquisition` with an ``image_process_fn`` that stores by zarr-python and classifies by torch.

    Its camera's buffer is the demo rig's, unless another size is asked for.
    """

    def __init__(self, model_file: str, folder: str, buffer_size_mb: int | None = None) -> None:
        self._folder = Path(folder)
        self._module = _load(model_file)
        rig = load_rig("demo")
        start_headless(
            str(test_adapters_dir()),
            str(rig.config),
            python_backend=True,
            buffer_size_mb=buffer_size_mb or rig.buffer_size_mb,
        )
        self._core = Core()

    @property
    def facts(self) -> JsonObject:
        """What runs."""
        return {"composition": "pycromanager.Acquisition, image_process_fn, zarr-python, torch.jit.load, one batch"}

    def round(self, request: JsonObject) -> JsonObject:
        """Acquire, store and classify ``frames`` frames of ``side_px``, exposed for ``exposure_ms`` each.

        Raises
        ------
        CameraError
            If not every frame arrived: pycromanager returns as if nothing had happened when something fails.
        """
        n, side_px = int(request["frames"]), int(request["side_px"])
        show_texture(self._core, side_px, float(request["exposure_ms"]))
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            array = create_zarr_array(Path(folder) / "plain.zarr", n, side_px)
            scores: list[float] = []

            def process(image: NDArray[np.uint16], _metadata: dict[str, Any]) -> None:
                array[len(scores)] = image
                with torch.no_grad():
                    logits = self._module(_tiles(image))[0]
                scores.append(float(torch.softmax(logits, dim=1)[:, 1].mean()))

            process(np.zeros((side_px, side_px), np.uint16), {})  # the first call compiles
            scores.clear()
            acquisition = Acquisition(image_process_fn=process)
            with timed() as taken:
                acquisition.acquire(multi_d_acquisition_events(num_time_points=n, time_interval_s=0))
                acquisition.mark_finished()
                acquisition.await_completion()
        if len(scores) != n:
            raise CameraError(f"the plain composition delivered {len(scores)} of {n} frames")
        return taken.account(n)

    def close(self) -> None:
        """Unload the devices."""
        self._core.unload_all_devices()


class PlainTrainer:
    """A training loop as one writes it first: a `torch.nn.Sequential`, float32, NCHW, batches of 16, Adam."""

    def __init__(self, network: str) -> None:
        self._network = network
        normalised = network == "compact"
        layers: list[torch.nn.Module] = []
        n_in = 1
        for n_out in _MAPS[network]:
            layers.append(torch.nn.Conv2d(n_in, n_out, 3, padding=1))
            if normalised:
                layers.append(torch.nn.BatchNorm2d(n_out))
            layers += [torch.nn.ReLU(), torch.nn.MaxPool2d(2)]
            n_in = n_out
        if normalised:
            layers += [torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(n_in, 2)]
        else:
            layers += [torch.nn.Flatten(), torch.nn.Linear(n_in * 16 * 16, 2)]
        self._module = torch.nn.Sequential(*layers)
        self._optimiser = torch.optim.Adam(self._module.parameters())
        self._tiles = np.stack(make_scenes(_TILE_PX, _BATCH))

    @property
    def facts(self) -> JsonObject:
        """What runs."""
        how = f"float32, batch {_BATCH}, {torch.get_num_threads()} threads"
        return {"engine": f"torch {torch.__version__}, {self._network}, {how}"}

    def round(self, request: JsonObject) -> JsonObject:
        """Train on ``tiles`` tiles, which lie ready in memory and are not changed."""
        n_steps = max(1, int(request["tiles"]) // _BATCH)
        labels = torch.arange(_BATCH) % 2
        with timed() as taken:
            for _ in range(n_steps):
                counts = torch.from_numpy(self._tiles.astype(np.float32))[:, None]
                stretched = (counts - counts.mean(dim=(2, 3), keepdim=True)) / counts.std()
                loss = torch.nn.functional.cross_entropy(self._module(stretched), labels)
                self._optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]  # torch has no type for it
                self._optimiser.step()
        return taken.account(n_steps * _BATCH)

    def close(self) -> None:
        """Do nothing: there is nothing to release."""
