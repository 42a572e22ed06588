"""Load a model from its folder and check it: card, checksum, parse, self-test, in that order.

Nothing of ``model.pt`` is parsed before its sha256 is known to be the card's.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from hcc_scope.errors import (
    ModelAlteredError,
    ModelFormatError,
    ModelSelfTestError,
)
from hcc_scope.inference.base import AUTO, ENGINES, REFERENCE
from hcc_scope.inference.card import MODEL_FILE, read_card
from hcc_scope.inference.catalogue import find_model
from hcc_scope.inference.engines import candidates, check_engine, default_threads, make_engine
from hcc_scope.inference.model_files import read_npy, read_regular
from hcc_scope.inference.output_checks import TWO_LOGITS_HINT, are_probabilities
from hcc_scope.inference.user_cache import remember_folder
from hcc_scope.resources import models_dir
from hcc_scope.workers import interruptible

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import torch
    from numpy.typing import NDArray

    from hcc_scope.inference.agreement import Agreement
    from hcc_scope.inference.base import Engine
    from hcc_scope.inference.card import ModelCard
    from hcc_scope.types import RunSpec

__all__ = ["MODEL_FILE", "TEST_INPUT_FILE", "TEST_OUTPUT_FILE", "LoadedModel", "load_model"]

TEST_INPUT_FILE = "test_input.npy"
TEST_OUTPUT_FILE = "test_output.npy"
_OTHER_OUTPUT_HINT = (
    "Do not use its scores. In a model of your own, test_output.npy must hold what the saved model.pt returns for "
    "test_input.npy, tile by tile, in evaluation mode."
)


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model whose checksum and self-test were right on this machine."""

    folder: Path
    card: ModelCard
    module: torch.jit.ScriptModule
    """Parsed, on the CPU, neither frozen nor optimised."""
    test_input: NDArray[np.uint16]
    """(k, tile, tile) raw counts."""
    test_output: NDArray[np.float32]
    """(k, 2) what the graph has to return for `test_input`: logits, or probabilities if the card names them."""
    reference: Engine
    """The reference engine that passed the self-test."""
    reference_threads: int
    """Its threads within one operation."""

    def classifier(
        self, engine: str = REFERENCE, *, threads: int | None = None, note: Callable[[str], None] | None = None
    ) -> Engine:
        """Return the model on an engine, warmed up and self-tested.

        The reference engine is made already (`reference`), and shared: calls from several threads take turns. Every
        other engine, and the reference with another number of threads, is made anew.

        Parameters
        ----------
        engine : {"torchscript", "openvino", "openvino-bf16", "cuda", "auto"}
            What runs it; ``"auto"`` takes the fastest that can be used here (`hcc_scope.inference.auto_engine`).
        threads : int, optional
            Threads within one operation; `reference_threads` if not given.
        note : callable, optional
            With ``"auto"``: takes a sentence on what was chosen, and on each engine that cannot be used.

        Raises
        ------
        ModelError
            If there is no such engine, or it cannot run the model here.
        ModelFormatError
            If the model does not return two logits for a tile.
        ModelSelfTestError
            If the reference engine does not reproduce the model's own test output, or another one the reference's
            probabilities, within the card's tolerances.
        """
        n_threads = threads or self.reference_threads
        if engine == AUTO:
            return self._fastest(n_threads, note or _ignore)
        check_engine(engine)
        name = next(name for name in ENGINES if name == engine)
        if name == REFERENCE:
            if n_threads == self.reference_threads:
                return self.reference
            return _tested_reference(self.module, self.card, n_threads, self.test_input, self.test_output)
        classifier = make_engine(name, self.module, self.card, n_threads)
        self.agreement(n_threads).check(classifier)
        return classifier

    def agreement(self, threads: int | None = None) -> Agreement:
        """Return what an engine has to agree with: the reference's probabilities, computed here and now."""
        from hcc_scope.inference.agreement import Agreement

        return Agreement.with_reference(
            self.classifier(threads=threads),
            self.test_input,
            temperature=self.card.temperature,
            tolerance=self.card.probability_tolerance,
            unlike_beyond=1.0 if self.card.unlike_training is None else self.card.unlike_training.threshold,
        )

    def _fastest(self, threads: int, note: Callable[[str], None]) -> Engine:
        from hcc_scope.inference.auto_engine import cache_file, choice_key, choose

        names = candidates(note)
        makers = {
            name: partial(self.classifier, threads=threads)
            if name == REFERENCE
            else partial(make_engine, name, self.module, self.card, threads)
            for name in names
        }
        key = choice_key(self.card.sha256, self.card.probability_tolerance, threads, tuple(names))
        choice = choose(makers, self.agreement(threads), cache=cache_file(), key=key)
        for sentence in (*choice.notes, choice.sentence):
            note(sentence)
        return choice.engine

    def check_matches(self, spec: RunSpec) -> None:
        """Refuse frames that are unlike those the model was trained on (`ModelCard.check_matches`)."""
        self.card.check_matches(spec)

    def saliency(self, tile: NDArray[np.uint16], smooth: int = 0) -> NDArray[np.float32]:
        """Return how strongly the class score depends on each pixel of a raw tile, (h, w) float32.

        See `hcc_scope.inference.saliency.saliency`; takes about as long as classifying the tile three times, and
        `smooth` times as long with smoothing. Safe from any thread.

        Raises
        ------
        ModelError
            If the model fails, or gives no gradient.
        """
        from hcc_scope.inference.saliency import saliency

        card = self.card
        return saliency(
            self.module,
            tile,
            smooth,
            external_scale=card.count_scale if card.normalisation == "external" else None,
            probabilities=card.output == "probabilities",
            what=f"the model {card.name}",
        )

    def difference_to_test_output(self, classifier: Engine) -> float:
        """Return the largest difference between an engine's answer for the test tiles and the stored output."""
        return _difference(classifier.classify(self.test_input).logits, self.test_output, self.card)


def load_model(name_or_path: str | Path) -> LoadedModel:
    """Find, check, parse and self-test a model.

    Parameters
    ----------
    name_or_path : str or Path
        Name of a model that travels with the program or lies in the user's models folder, or the path of a model's
        folder.

    Raises
    ------
    ModelError
        If there is no such model.
    ModelFormatError
        If card, test tensors or artefact cannot be read, or the output has the wrong shape, or is probabilities where
        the card names logits.
    ModelAlteredError
        If the sha256 of ``model.pt`` is not the card's.
    ModelSelfTestError
        If the model does not reproduce its test output.
    """
    folder = find_model(name_or_path)
    # unknown code runs here for the first time, and may never end
    model = interruptible(lambda: _loaded(folder))
    if folder.parent != models_dir():
        remember_folder(model.card.sha256, folder)  # the user has named it: its own sections can be replayed
    return model


def _loaded(folder: Path) -> LoadedModel:
    card = read_card(folder)
    path = folder / MODEL_FILE
    data = read_regular(path, f"the model file {path}")
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 != card.sha256:
        raise ModelAlteredError(
            f"the model file {path} is not the one its card describes: sha256 {sha256[:12]}..., "
            f"card {card.sha256[:12]}...",
            hint="Install the model again; a model that was changed on purpose needs a new card.",
        )
    from hcc_scope.inference.torchscript import parse

    module = parse(data, str(path))
    test_input = read_npy(folder / TEST_INPUT_FILE, np.dtype(np.uint16), (card.tile_px, card.tile_px))
    test_output = read_npy(folder / TEST_OUTPUT_FILE, np.dtype(np.float32), (2,), hint=TWO_LOGITS_HINT)
    if len(test_input) != len(test_output) or len(test_input) == 0:
        raise ModelFormatError(
            f"the model {card.name} has {len(test_input)} test tiles but {len(test_output)} test outputs in {folder}"
        )
    threads = default_threads()
    reference = _tested_reference(module, card, threads, test_input, test_output)
    model = LoadedModel(folder, card, module, test_input, test_output, reference, threads)
    if card.output == "logits":
        _refuse_probabilities(model)
    return model


def _tested_reference(
    module: torch.jit.ScriptModule,
    card: ModelCard,
    threads: int,
    test_input: NDArray[np.uint16],
    test_output: NDArray[np.float32],
) -> Engine:
    """Return the reference engine, warmed up and strictly compared with the stored test output."""
    from hcc_scope.inference.torchscript import WARM_UP_RUNS

    classifier = make_engine(REFERENCE, module, card, threads)
    for _ in range(WARM_UP_RUNS):
        found = classifier.classify(test_input).logits
    if not np.array_equal(classifier.classify(test_input).logits, found, equal_nan=True):
        raise ModelSelfTestError(
            f"the model {card.name} gives another answer to the same tile each time, so its scores cannot be replayed",
            hint="It may keep a state, or have dropout or batch normalisation in training mode: save it in "
            "evaluation mode.",
        )
    worst = _difference(found, test_output, card)
    if not worst <= card.engine_tolerance:  # also if it is not a number
        raise ModelSelfTestError(
            f"the model {card.name} does not reproduce its own test output on this machine: a logit differs by "
            f"{worst:.3g}, tolerance {card.engine_tolerance:g}",
            hint=_OTHER_OUTPUT_HINT,
        )
    return classifier


def _difference(logits: NDArray[np.float32], test_output: NDArray[np.float32], card: ModelCard) -> float:
    """Return the largest difference from the stored test output, compared in the form in which it is stored."""
    # not as logits: the logarithm of a tiny probability differs by much
    found = np.exp(logits) if card.output == "probabilities" else logits
    return float(np.abs(found - test_output).max())


def _refuse_probabilities(model: LoadedModel) -> None:
    """Refuse a model whose card names logits although its last operation is a softmax or a sigmoid.

    Taken for logits, probabilities of 0 and 1 are a log-odds of 1: every score would come out between .27 and .73.
    """
    from hcc_scope.inference.agreement import comparison_tiles
    from hcc_scope.inference.torchscript import last_squashing

    stored = model.test_output
    if not ((stored >= 0) & (stored <= 1)).all():
        return
    squashing = last_squashing(model.module)
    if squashing is None and not are_probabilities(stored):
        return
    found = model.reference.classify(comparison_tiles(model.test_input)).logits
    if squashing == "softmax" or are_probabilities(found):
        raise ModelFormatError(
            f"the model {model.card.name} returns probabilities (two numbers from 0 to 1 with the sum 1 for every "
            f"tile), and its card names logits: its scores would be wrong",
            hint="Write 'output: probabilities' into its card.yaml, or save it without its softmax.",
        )
    if squashing == "sigmoid":
        raise ModelFormatError(
            f"the model {model.card.name} returns a sigmoid for each class, and its card names logits: its scores "
            "would be wrong",
            hint="Save it without its sigmoid.",
        )


def _ignore(_sentence: str) -> None:
    """Take a note and drop it."""
