"""How far a training or an evaluation is, read from its folder: under way, finished, stopped or killed.

Only what stands in the folder is read, and nothing is written, so that a run on the command line is not disturbed. The
figures of an unfinished evaluation are those of its finished networks; the final ones are in its report.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
import zlib
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pydantic

from hcc_scope.errors import TrainingError
from hcc_scope.evaluation.filenames import EVALUATION_FILE, PLAN_FILE
from hcc_scope.formatting import counted
from hcc_scope.small_files import read_small_file
from hcc_scope.storage.files import lock
from hcc_scope.training.config import CONFIG_FILE, MODEL_FOLDER
from hcc_scope.training.fit_result import Epoch
from hcc_scope.training.folder_lock import LOCK_FILE
from hcc_scope.training.metrics import roc_auc
from hcc_scope.training.records import EpochRecord, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["NetworkProgress", "ProtocolProgress", "TrainingProgress", "follow_training"]

_METRICS, _REPORT = "metrics.jsonl", "report.md"
_PART = ".part"
_MOST_BYTES = 256 << 20
_PROTOCOLS = {
    "paper": "over images",
    "by_animal": "by animal",
    "by_site": "by site",
    "permuted": "control with permuted classes",
}
_WITH_FIGURES = ("paper", "by_animal", "by_site")
NetworkState = Literal["finished", "under way", "broken off", "unfinished"]
ProgressState = Literal["under way", "finished", "stopped", "not known"]


@dataclass(frozen=True, slots=True)
class NetworkProgress:
    """One network: that of a training, or one start of a fold."""

    protocol: str
    """``paper``, ``by_animal`` ...; empty for a training."""
    fold: int
    """1, 2, ..."""
    start: int
    attempt: int
    state: NetworkState
    steps: tuple[tuple[int, float], ...]
    """Steps so far, and the mean loss of the epoch until there."""
    epochs: tuple[Epoch, ...]
    epoch_ends: tuple[int, ...] = ()
    """Steps until the end of each epoch."""

    @property
    def name(self) -> str:
        """Which one, as text."""
        if not self.protocol:
            return "network" if self.attempt == 1 else f"network, attempt {self.attempt}"
        words = _PROTOCOLS.get(self.protocol, self.protocol)
        again = f", attempt {self.attempt}" if self.attempt > 1 else ""
        return f"{words}, fold {self.fold}, network {self.start}{again}"

    def describe(self) -> str:
        """Return how far it is.

        Examples
        --------
        >>> NetworkProgress("paper", 1, 2, 1, "under way", ((10, 0.69), (20, 0.66)), ()).describe()
        'under way: 20 steps, loss 0.660'
        """
        parts = []
        if self.epochs:
            last = self.epochs[-1]
            parts.append(f"{counted(len(self.epochs), 'epoch')}, loss {last.loss:.3f}")
            if last.held_out_loss is not None:
                parts.append(f"loss on held-out tiles {last.held_out_loss:.3f}")
            if last.held_out_auc is not None:
                parts.append(f"their AUC {last.held_out_auc:.3f}")
        elif self.steps:
            parts.append(f"{counted(self.steps[-1][0], 'step')}, loss {self.steps[-1][1]:.3f}")
        else:
            parts.append("no step yet")
        return f"{self.state}: {', '.join(parts)}"


@dataclass(frozen=True, slots=True)
class ProtocolProgress:
    """One way of splitting: how far it is, and what its finished networks reach."""

    protocol: str
    networks: tuple[int, int]
    """Finished, and begun."""
    aucs: tuple[tuple[int, int, float], ...]
    """Fold, how many networks its figure rests on, and AUC of the tiles that they have not learnt from."""

    def describe(self) -> str:
        """Return it as a sentence.

        Examples
        --------
        >>> ProtocolProgress("by_animal", (3, 4), ((1, 2, 0.81), (2, 1, 0.77))).describe()
        'By animal: 3 networks finished, 1 not yet; AUC of tiles so far 0.810 (fold 1), 0.770 (fold 2).'
        """
        finished, begun = self.networks
        words = _PROTOCOLS.get(self.protocol, self.protocol)
        text = f"{words[:1].upper()}{words[1:]}: {counted(finished, 'network')} finished"
        if begun > finished:
            text += f", {begun - finished} not yet"
        if self.aucs:
            text += "; AUC of tiles so far " + ", ".join(f"{auc:.3f} (fold {fold})" for fold, _n, auc in self.aucs)
        return f"{text}."


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """What stands in a folder."""

    folder: Path
    kind: Literal["training", "evaluation"]
    state: ProgressState
    about: str
    """Network, recipe and budget, as a sentence."""
    networks: tuple[NetworkProgress, ...]
    protocols: tuple[ProtocolProgress, ...]
    report: Path | None
    """To be read at the end: the report of an evaluation, the card of a model."""
    problems: tuple[str, ...] = ()

    def describe(self) -> str:
        """Return the state as a sentence."""
        what = f"The {self.kind} in {self.folder}"
        match self.state:
            case "under way":
                return f"{what} is under way."
            case "finished":
                return f"{what} is finished."
            case "stopped":
                return f"{what} was stopped or killed before its end; --resume continues it."
            case "not known":
                return f"{what} is not finished; whether it is under way is not known, as its lock cannot be opened."


def follow_training(folder: Path, before: TrainingProgress | None = None) -> TrainingProgress:
    """Return how far the training or evaluation in a folder is.

    Parameters
    ----------
    folder : Path
        Given to ``hcc-scope train`` or ``evaluate`` as ``--out``.
    before : TrainingProgress, optional
        What it was before: networks that had finished are not read again.

    Raises
    ------
    TrainingError
        If it is no such folder, or cannot be read.
    """
    problems: list[str] = []
    known = (
        {} if before is None else {(n.protocol, n.fold, n.start): n for n in before.networks if n.state == "finished"}
    )
    try:
        held = _is_held(folder)
        if (folder / CONFIG_FILE).is_file():
            return _training(folder, held, problems)
        if (folder / PLAN_FILE).is_file() or (folder / EVALUATION_FILE).is_file():
            return _evaluation(folder, held, known, problems)
    except OSError as error:
        raise TrainingError(f"{folder} cannot be read: {one_line(error)}", hint="Choose the folder again.") from error
    if held:
        about = "Its tiles are cut; the first network has not begun."
        return TrainingProgress(folder, "evaluation", "under way", about, (), (), None)
    raise TrainingError(
        f"{folder} holds no training and no evaluation",
        hint="Choose the folder that hcc-scope train or evaluate was given as --out.",
    )


def _is_held(folder: Path) -> bool | None:
    """Return whether a training or an evaluation is at work in a folder: it holds its lock. None: not known.

    Where the file system knows no locks (some network drives), it is never held.
    """
    try:
        with (folder / LOCK_FILE).open("rb+") as file:
            return not lock(file.fileno())
    except FileNotFoundError:
        return False
    except OSError:  # another user's, or on a disk that is only read
        return None


def _state(held: bool | None, *, finished: bool) -> ProgressState:
    if held:
        return "under way"
    if finished:
        return "finished"
    return "not known" if held is None else "stopped"


def _unfinished(held: bool | None) -> NetworkState:
    if held is None:
        return "unfinished"
    return "under way" if held else "broken off"


def _training(folder: Path, held: bool | None, problems: list[str]) -> TrainingProgress:
    config = _json(folder / CONFIG_FILE, problems)
    finished = (folder / MODEL_FOLDER / "card.yaml").is_file()
    of_network = "finished" if finished else _unfinished(held)
    networks = [_network(folder, "", 1, 1, 1, of_network, problems)]
    networks += [
        _network(part, "", 1, 1, _last_number(part.name) or 2, of_network, problems)
        for part in sorted(folder.glob("attempt-*"))
    ]
    asked = config.get("asked")
    card = folder / MODEL_FOLDER / "README.md"
    return TrainingProgress(
        folder,
        "training",
        _state(held, finished=finished),
        _about(asked if isinstance(asked, dict) else {}),
        tuple(networks),
        (),
        card if finished and card.is_file() else None,
        tuple(problems),
    )


def _evaluation(
    folder: Path, held: bool | None, known: Mapping[tuple[str, int, int], NetworkProgress], problems: list[str]
) -> TrainingProgress:
    plan = _json(folder / PLAN_FILE, problems) if (folder / PLAN_FILE).is_file() else {}
    finished = (folder / EVALUATION_FILE).is_file()
    networks, protocols = [], []
    of_protocol: defaultdict[str, list[tuple[int, Path]]] = defaultdict(list)
    for path in (folder / "folds").glob("*-*") if (folder / "folds").is_dir() else ():
        protocol, _, number = path.name.rpartition("-")
        if number.isdecimal() and path.is_dir():
            of_protocol[protocol].append((int(number), path))
    order = list(_PROTOCOLS)
    for protocol in sorted(of_protocol, key=lambda name: (order.index(name) if name in order else len(order), name)):
        n_finished, begun, aucs = 0, 0, []
        for fold, path in sorted(of_protocol[protocol]):
            done: list[Path] = []
            for start_folder in sorted(path.glob("start-*"), key=lambda one: _last_number(one.stem) or 0):
                is_part = start_folder.name.endswith(_PART)
                start = _last_number(start_folder.name.removesuffix(_PART))
                if start is None or not start_folder.is_dir():
                    continue
                begun += 1
                if is_part:
                    attempts = sorted(start_folder.glob("attempt-*"))
                    newest = attempts[-1] if attempts else start_folder
                    attempt = (_last_number(newest.name) if attempts else None) or 1
                    networks.append(_network(newest, protocol, fold, start, attempt, _unfinished(held), problems))
                    continue
                done.append(start_folder)
                n_finished += 1
                network = known.get((protocol, fold, start))
                networks.append(network or _network(start_folder, protocol, fold, start, 1, "finished", problems))
            auc = _auc(done, problems) if protocol in _WITH_FIGURES else None
            if auc is not None:
                aucs.append((fold, len(done), auc))
        protocols.append(ProtocolProgress(protocol, (n_finished, begun), tuple(aucs)))
    config = plan.get("config")
    about = _about(config if isinstance(config, dict) else {})
    if isinstance(plan.get("folds"), int) and isinstance(plan.get("starts"), int) and not plan.get("leave_one_out"):
        about += f" {plan['folds']} folds, {counted(plan['starts'], 'network')} each."
    report = folder / _REPORT
    return TrainingProgress(
        folder,
        "evaluation",
        _state(held, finished=finished),
        about,
        tuple(networks),
        tuple(protocols),
        report if finished and report.is_file() else None,
        tuple(problems),
    )


def _about(config: Mapping[str, Any]) -> str:
    network, recipe = config.get("network"), config.get("recipe")
    if not isinstance(network, str) or not isinstance(recipe, str):
        return ""
    stated = [(config[name], name[:-1]) for name in ("steps", "epochs") if isinstance(config.get(name), int)]
    budget = "".join(f", {counted(n, what)}" for n, what in stated)
    return f"Network {network}, recipe {recipe}{budget}."


def _last_number(name: str) -> int | None:
    number = name.rpartition("-")[2]
    return int(number) if number.isdecimal() else None


def _json(path: Path, problems: list[str]) -> dict[str, Any]:
    try:
        found = json.loads(read_small_file(path, _MOST_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        problems.append(f"{path} cannot be read: {one_line(error)}")
        return {}
    return found if isinstance(found, dict) else {}


def _network(
    folder: Path,
    protocol: str,
    fold: int,
    start: int,
    attempt: int,
    state: NetworkState,
    problems: list[str],
) -> NetworkProgress:
    """Return a network from its metrics; a line that is being written is left for the next look."""
    steps: list[tuple[int, float]] = []
    epochs: list[Epoch] = []
    ends: list[int] = []
    latest = 0
    for line in _lines(folder / _METRICS, problems):
        try:
            value = json.loads(line)
            if "step" in value:
                latest = (ends[-1] if ends else 0) + int(value["step"])
                loss = float(value["mean_loss"])
                if math.isfinite(loss):
                    steps.append((latest, loss))
            else:
                epochs.append(Epoch(**dict(EpochRecord.model_validate(value))))
                ends.append(latest)
        except (ValueError, KeyError, TypeError, RecursionError, pydantic.ValidationError) as error:
            problems.append(f"a line of {folder / _METRICS} is unreadable: {one_line(error)}")
    return NetworkProgress(protocol, fold, start, attempt, state, tuple(steps), tuple(epochs), tuple(ends))


def _lines(path: Path, problems: list[str]) -> Iterable[bytes]:
    try:
        *lines, _torn = read_small_file(path, _MOST_BYTES).split(b"\n")
    except FileNotFoundError:
        return ()
    except OSError as error:
        problems.append(f"{path} cannot be read: {one_line(error)}")
        return ()
    return lines


def _auc(folders: Iterable[Path], problems: list[str]) -> float | None:
    """Return the AUC of a fold's tiles by the mean log-odds of its finished networks."""
    odds: list[NDArray[np.float64]] = []
    labels: NDArray[np.int64] | None = None
    for folder in folders:
        path = folder / "predictions.npz"
        try:
            with np.load(io.BytesIO(read_small_file(path, _MOST_BYTES)), allow_pickle=False) as kept:
                logits, labels = kept["logits"].astype(np.float64), kept["labels"]
            odds.append(logits[:, 1] - logits[:, 0])
        except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            problems.append(f"{path} cannot be read: {one_line(error)}")
            return None
    if labels is None or any(len(one) != len(labels) for one in odds):
        return None
    return roc_auc(np.mean(odds, axis=0), labels)
