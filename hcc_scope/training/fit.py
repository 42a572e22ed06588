"""Fit a network to labelled tiles: one flat loop that can be stopped, killed and continued to the same bytes.

What decides the weights: the tiles, the labels, the rows, the settings, the kind of device, the precision, and the
versions of torch and of the processor's kernels. Not the number of threads, and not whether the run was interrupted.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.torch import save

from hcc_scope.errors import DivergedError, ResumeError, StoreExistsError, TrainingError
from hcc_scope.phantom.effects import stable_rng
from hcc_scope.progress import Progress, ignore_progress
from hcc_scope.storage.files import explain
from hcc_scope.training.checkpoint import (
    CHECKPOINT,
    HowFar,
    check_identity,
    read_checkpoint,
    write_bytes,
    write_checkpoint,
)
from hcc_scope.training.compute import Gradients, Place, choose_place, measure_moments, single_threaded
from hcc_scope.training.config import LOOP, TRAINING_STAGES, Stopped
from hcc_scope.training.first_weights import standardise_stages, tiles_to_begin_with
from hcc_scope.training.fit_result import Epoch, FitResult
from hcc_scope.training.metrics import roc_auc
from hcc_scope.training.network import make_network
from hcc_scope.training.predict import predict
from hcc_scope.training.prefetch import Prefetch
from hcc_scope.training.recipes import (
    augmented,
    begin_undecided,
    is_silent,
    loss_sum,
    make_optimiser,
    order_of_tiles,
    other_density,
    rate_factor,
    settings_for,
    shorten_gradient,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from hcc_scope.progress import OnProgress
    from hcc_scope.training.fit_task import FitTask
    from hcc_scope.training.recipes import Settings

__all__ = ["METRICS_FILE", "WEIGHTS_FILE", "fit"]

METRICS_FILE = "metrics.jsonl"
WEIGHTS_FILE = "weights.safetensors"
CHECKPOINT_S = 60.0
"""How much work a killed run may lose."""
_STEPS_PER_LINE = 10
_SILENT_STEPS = 10
"""After so many in a row a network is given up."""
_MEASUREMENTS = 12
"""Of the held-out tiles, at most, at ends of epochs and spread evenly: after each epoch of a small set they would cost
as much as the training."""
TRAIN, VALIDATE = TRAINING_STAGES


def fit(
    task: FitTask,
    *,
    folder: Path | None = None,
    resume: bool = False,
    on_progress: OnProgress | None = None,
    stop: Callable[[], bool] | None = None,
    checkpoint_s: float = CHECKPOINT_S,
) -> FitResult:
    """Fit a network.

    Parameters
    ----------
    task : FitTask
        Decides the weights.
    folder : Path, optional
        Where metrics, checkpoints and weights are written; nothing is written if not given.
    resume : bool
        Continue the run in `folder`, or begin it if it has no checkpoint yet.
    on_progress : callable, optional
        Takes a `Progress` every few steps.
    stop : callable, optional
        Asked before each step.
    checkpoint_s : float
        At most so many seconds of work are lost when the run is killed; 0 writes a checkpoint after each step.

    Returns
    -------
    FitResult

    Raises
    ------
    TrainingError
        If there is no tile to train on, or not of each class.
    DivergedError
        If the loss or a weight is no finite number: names epoch, step, and the last good checkpoint.
    ResumeError
        If the run in `folder` was started with another configuration or other data.
    StoreExistsError
        If `folder` holds a run and `resume` is not asked for.
    DiskFullError, StoreUnwritableError
        If `folder` cannot be written.
    Stopped
        If `stop` asked for it; the checkpoint is written.
    """
    config = task.config
    settings = settings_for(config, whole_budget=task.whole_budget)
    place = choose_place(config.device, config.precision, config.threads)
    missing = [label for label in range(task.n_outputs) if label not in task.labels[task.train_rows]]
    if missing:
        raise TrainingError(
            f"the {len(task.train_rows)} tiles to train on have none of class number {missing[0]}",
            hint="Check the split, and how many tiles pass quality ('hcc-scope dataset check').",
        )
    run = _Run(task, settings, place, folder, checkpoint_s)
    run.begin(resume)
    if not run.how_far.finished:
        with Gradients(run.network, settings, place) as gradients:
            run.train(gradients, on_progress or ignore_progress, stop or _never)
    return run.result()


def _never() -> bool:
    return False


class _Run:
    """The loop's state."""

    def __init__(
        self, task: FitTask, settings: Settings, place: Place, folder: Path | None, checkpoint_s: float
    ) -> None:
        self._tiles, self._labels = task.tiles, task.labels
        self._train_rows, self._held_out_rows = task.train_rows, task.held_out_rows
        self._settings, self._place = settings, place
        self._folder, self._checkpoint_s = folder, checkpoint_s
        n_tiles = len(task.train_rows)
        self._steps, self._steps_per_epoch = settings.steps_of(n_tiles), settings.steps_per_epoch(n_tiles)
        self._epochs = math.ceil(self._steps / self._steps_per_epoch)
        self._patience = settings.patience_of(n_tiles) if len(task.held_out_rows) else None
        n_outputs, bit_depth = task.n_outputs, task.tiles.images[0].bit_depth if task.tiles.images else 16
        self.network = make_network(settings.network, n_outputs=n_outputs, bit_depth=bit_depth, seed=settings.seed)
        begin_undecided(settings, self.network)
        if settings.standardised:
            with single_threaded():  # the last bits of a mean depend on how many threads share it
                standardise_stages(self.network, tiles_to_begin_with(task.tiles, task.train_rows, settings.seed))
        self.network.to(place.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
        self._optimiser = make_optimiser(settings, self.network)
        self._best: dict[str, torch.Tensor] = {}
        self.how_far = HowFar()
        self._identity = {
            "loop": LOOP,
            **asdict(settings),
            "n_outputs": n_outputs,
            "bit_depth": bit_depth,
            "device": place.device,
            "precision": place.precision,
            "torch": torch.__version__,
            "training tiles": len(task.train_rows),
            "held-out tiles": len(task.held_out_rows),
            "data": _fingerprint(task),
        }

    # -- the folder --------------------------------------------------------------------------------------------------

    @property
    def _checkpoint(self) -> Path | None:
        return None if self._folder is None else self._folder / CHECKPOINT

    def begin(self, resume: bool) -> None:
        """Load the checkpoint, or write the first one."""
        if self._folder is None or self._checkpoint is None:
            return
        found = read_checkpoint(self._checkpoint)
        if found is not None and not resume:
            raise StoreExistsError(
                f"{self._folder} holds a training run", hint="Continue it with --resume, or give another folder."
            )
        if found is None:
            self._cut_metrics()
            self._save()
            return
        check_identity(found.identity, self._identity, self._folder)
        found.check(self.network, self._optimiser, self._checkpoint)
        self._check_how_far(found.how_far)
        self.network.load_state_dict(found.network)
        found.restore_optimiser(self._optimiser)
        self._best = found.best
        self.how_far = found.how_far
        self._cut_metrics()

    def _check_how_far(self, how_far: HowFar) -> None:
        """Raise `ResumeError` if a checkpoint is further than its run can be."""
        end = how_far.epoch == self._epochs + 1
        if (
            how_far.epoch > self._epochs + 1
            or how_far.step > self._steps_of(how_far.epoch)
            or (how_far.finished and how_far.step > 0)
            or (end and not how_far.finished)
        ):
            raise ResumeError(
                f"the checkpoint {self._checkpoint} is in epoch {how_far.epoch}, step {how_far.step}, of "
                f"{self._steps} steps, {self._steps_per_epoch} an epoch",
                hint="Start the training again in another folder.",
            )

    def _cut_metrics(self) -> None:
        """Drop the lines that were written after the checkpoint: they will be written again."""
        assert self._folder is not None
        path = self._folder / METRICS_FILE
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.truncate(min(self.how_far.metrics_bytes, path.stat().st_size))
        except OSError as error:
            raise explain(error, f"{path} cannot be written") from error

    def _line(self, values: dict[str, object]) -> None:
        if self._folder is None:
            return
        path = self._folder / METRICS_FILE
        try:
            with path.open("ab") as file:
                file.write((json.dumps(values, allow_nan=False) + "\n").encode())
                self.how_far.metrics_bytes = file.tell()
        except OSError as error:
            raise explain(error, f"{path} cannot be written") from error

    def _save(self) -> None:
        """Write a checkpoint, if the weights are worth it."""
        for name, value in self.network.state_dict().items():
            if not bool(torch.isfinite(value).all()):
                raise self._diverged(f"the weight {name} is no finite number", self.how_far.step)
        if self._checkpoint is not None:
            write_checkpoint(
                self._checkpoint, self._identity, self.how_far, self.network.state_dict(), self._best, self._optimiser
            )
        self._saved_s = time.monotonic()

    def _diverged(self, what: str, step: int) -> DivergedError:
        kept = "" if self._checkpoint is None else f" The last good checkpoint is kept: {self._checkpoint}."
        return DivergedError(
            f"training diverged in epoch {self.how_far.epoch}, step {step}: {what}",
            hint=f"Use a lower learning rate than {self._settings.learning_rate:g}.{kept}",
        )

    # -- the loop ----------------------------------------------------------------------------------------------------

    def train(self, gradients: Gradients, on_progress: OnProgress, stop: Callable[[], bool]) -> None:
        """Go on from where the run is to its end."""
        self._saved_s = time.monotonic()
        while not self.how_far.finished:
            self._epoch(gradients, on_progress, stop)
            measured = self._end_epoch(on_progress)
            if measured or time.monotonic() - self._saved_s >= self._checkpoint_s:
                self._save()

    def _steps_of(self, epoch: int) -> int:
        """Return how many steps an epoch 1, 2, ... has: the last one may end within a pass over the tiles."""
        return min(self._steps_per_epoch, max(0, self._steps - (epoch - 1) * self._steps_per_epoch))

    @property
    def _done(self) -> int:
        """How many steps are done, over all epochs."""
        return (self.how_far.epoch - 1) * self._steps_per_epoch + self.how_far.step

    def _rate(self, step: int) -> float:
        """Return the learning rate of a step 0, 1, ... of the run."""
        return self._settings.learning_rate * rate_factor(self._settings, step, self._steps)

    def _epoch(self, gradients: Gradients, on_progress: OnProgress, stop: Callable[[], bool]) -> None:
        settings, now = self._settings, self.how_far
        rng = stable_rng("training order", settings.seed, now.epoch)
        order = order_of_tiles(settings, self._train_rows, self._labels[self._train_rows], rng)
        batches = [order[i : i + settings.batch] for i in range(0, len(order), settings.batch)]
        epoch, steps = now.epoch, self._steps
        del batches[self._steps_of(epoch) :]

        def prepare(tile: NDArray[np.uint16], row: int) -> NDArray[np.float32]:
            changed = tile.astype(np.float32)
            if settings.augment_od:  # before the light: a stain is in the section, whatever lamp is behind it
                changed = other_density(changed, tile, stable_rng("density", settings.seed, epoch, row))
            if not settings.augment:
                return changed
            return augmented(changed, stable_rng("augmentation", settings.seed, epoch, row), settings.crop_px)

        self.network.train()
        with Prefetch(self._tiles.reader, batches[now.step :], prepare) as ready:
            began_s = time.perf_counter()
            for batch in ready:
                if stop():
                    self._save()
                    raise Stopped
                done = self._done
                for group in self._optimiser.param_groups:
                    group["lr"] = self._rate(done) * group.get("rate", 1.0)
                loss = gradients.compute(batch.counts, self._labels[batch.rows])
                if not math.isfinite(loss):
                    raise self._diverged("the loss is no finite number", now.step + 1)
                norm = shorten_gradient(settings, self._optimiser)
                if norm is not None and not math.isfinite(norm):
                    raise self._diverged("the gradient is no finite number", now.step + 1)
                now.silent_steps = now.silent_steps + 1 if is_silent(self.network) else 0
                self._optimiser.step()
                now.step += 1
                now.loss_sum += loss
                ended_s = time.perf_counter()
                now.seconds, began_s = now.seconds + ended_s - began_s, ended_s
                if now.step % _STEPS_PER_LINE == 0 or now.step == len(batches) or self._given_up:
                    mean = now.loss_sum / now.step
                    rate = settings.batch * now.step / now.seconds
                    line: dict[str, object] = {"epoch": epoch, "step": now.step, "loss": loss, "mean_loss": mean}
                    self._line({**line, "learning_rate": self._rate(done)})
                    message = f"epoch {epoch}, loss {mean:.3f}, {rate:.0f} tiles/s"
                    seen = settings.tiles_of(len(self._train_rows), done + 1)
                    on_progress(Progress(TRAIN, seen, settings.tiles_of(len(self._train_rows), steps), message))
                if self._given_up:
                    return
                if self._folder is not None and time.monotonic() - self._saved_s >= self._checkpoint_s:
                    self._save()

    @property
    def _given_up(self) -> bool:
        return self.how_far.silent_steps >= _SILENT_STEPS

    def _end_epoch(self, on_progress: OnProgress) -> bool:
        """Record the epoch; return whether it is the last one or one of those after which held-out tiles are asked."""
        now = self.how_far
        loss = now.loss_sum / now.step
        measured = (
            self._given_up or now.epoch == self._epochs or now.epoch % math.ceil(self._epochs / _MEASUREMENTS) == 0
        )
        held_out_loss, held_out_auc = self._held_out() if measured else (None, None)
        rate = self._rate(self._done - 1)  # the optimiser has another one if it was restored after its last step
        epoch = Epoch(now.epoch, loss, held_out_loss, held_out_auc, rate, round(now.seconds, 3))
        now.history.append(epoch)
        self._line(asdict(epoch))
        better = held_out_loss is not None and (now.best_loss is None or held_out_loss < now.best_loss)
        early = self._patience is not None
        if better or not early:
            now.best_epoch, now.best_loss = now.epoch, held_out_loss
        if better and early:
            self._best = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
        out_of_patience = self._patience is not None and measured and now.epoch - now.best_epoch >= self._patience
        now.finished = self._given_up or now.epoch >= self._epochs or out_of_patience
        message = f"epoch {now.epoch}: loss {loss:.3f}"
        message += "" if held_out_loss is None else f", held out {held_out_loss:.3f}"
        message += "" if held_out_auc is None else f", tile AUC {held_out_auc:.3f}"
        on_progress(Progress(VALIDATE, now.epoch, self._epochs, message))
        now.epoch, now.step, now.loss_sum, now.seconds = now.epoch + 1, 0, 0.0, 0.0
        return measured

    def _held_out(self) -> tuple[float | None, float | None]:
        """Return loss and tile AUC on the held-out tiles, in float32; None where there are none."""
        rows = self._held_out_rows
        if len(rows) == 0:
            return None, None
        found = predict(self.network, self._tiles, rows, threads=self._place.threads, device=self._place.device)
        labels = self._labels[rows]
        loss = float(loss_sum(self._settings, torch.from_numpy(found.logits).double(), torch.from_numpy(labels)))
        if not math.isfinite(loss):
            raise self._diverged("the loss on the held-out tiles is no finite number", self.how_far.step)
        two = found.logits.shape[1] == 2
        area = roc_auc(found.logits[:, 1] - found.logits[:, 0], labels) if two else None
        return loss / len(rows), area

    def result(self) -> FitResult:
        """Return the network with its best weights, and write them."""
        network = self.network.to("cpu").eval()
        if self._best:
            network.load_state_dict(self._best)
        if self._settings.crop_px is not None:
            measure_moments(network, self._settings.network, self._tiles.reader, self._train_rows)
        if self._folder is not None:
            weights = {name: value.detach().contiguous() for name, value in network.state_dict().items()}
            write_bytes(self._folder / WEIGHTS_FILE, save(weights))
        return FitResult(network, self.how_far.best_epoch, tuple(self.how_far.history))


def _fingerprint(task: FitTask) -> str:
    """Return a hash of what is trained on: which tiles of which images, their labels, and their role."""
    found = hashlib.sha256()
    tiles = task.tiles
    if tiles.digests:
        digests = list(tiles.digests)
    else:  # a table in memory has none
        digests = [hashlib.sha256(tiles.reader.read([row]).tobytes()).hexdigest() for row in range(len(tiles))]
    found.update(json.dumps(digests).encode())
    for values in (tiles.image_index, tiles.tile_index, task.labels, task.train_rows, task.held_out_rows):
        found.update(np.ascontiguousarray(values, dtype="<i8").tobytes())
        found.update(b"|")
    return found.hexdigest()
