"""The self-test of a model on this machine: sha256, test output, an engine, its program, its weights, its packages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = ["ModelTest", "check_model"]


@dataclass(frozen=True, slots=True)
class ModelTest:
    """What a self-test has found; a model that fails one raises instead."""

    model: str
    sha256: str
    engine: str
    engine_in_full: str
    test_tiles: int
    logit_difference: float
    """Largest one from the stored test output."""
    logit_tolerance: float
    """Of the reference engine."""
    comparison_tiles: int
    probability_difference: float
    """Largest one from the reference engine."""
    probability_tolerance: float
    program_difference: float | None
    """Of the torch.export program's logits; None without a program."""
    weights_difference: float | None
    """Of the logits of a network made of its weights; None without weights."""
    packages: dict[str, float]
    """Largest difference of the probabilities of each package, by its path."""

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values, for JSON."""
        return {
            "model": self.model,
            "model_sha256": self.sha256,
            "engine": self.engine,
            "engine_in_full": self.engine_in_full,
            "test_tiles": self.test_tiles,
            "largest_logit_difference": self.logit_difference,
            "tolerance": self.logit_tolerance,
            "comparison_tiles": self.comparison_tiles,
            "largest_probability_difference": self.probability_difference,
            "probability_tolerance": self.probability_tolerance,
            "program_largest_logit_difference": self.program_difference,
            "weights_largest_logit_difference": self.weights_difference,
            "packages_largest_probability_difference": self.packages,
            "passed": True,
        }

    def lines(self) -> list[str]:
        """Return it for people, a sentence each."""
        from hcc_scope.training.torch_export import PROGRAM_FILE

        lines = [
            f"{self.model}: sha256 as in its card; on engine {self.engine_in_full} the logits of its "
            f"{self.test_tiles} test tiles differ by at most {self.logit_difference:.2g} (tolerance of the reference "
            f"engine {self.logit_tolerance:g}), the probabilities of {self.comparison_tiles} tiles from the reference "
            f"engine's by at most {self.probability_difference:.2g} (tolerance {self.probability_tolerance:g}).",
        ]
        if self.program_difference is None:
            lines.append(f"It has no torch.export program ({PROGRAM_FILE}).")
        else:
            lines.append(
                f"Its torch.export program ({PROGRAM_FILE}) gives logits that differ by at most "
                f"{self.program_difference:.2g}."
            )
        if self.weights_difference is not None:
            lines.append(
                f"A network made of its weights gives logits that differ by at most {self.weights_difference:.2g}."
            )
        lines += [
            f"Its package {path} gives probabilities that differ by at most {worst:.2g}."
            for path, worst in self.packages.items()
        ]
        return lines


def check_model(
    folder: Path,
    engine: str,
    *,
    packages: Sequence[Path] = (),
    note: Callable[[str], None],
) -> ModelTest:
    """Load a model with all its checks, and compare engine, program, weights and packages with its test output.

    Parameters
    ----------
    folder : Path
        The model's.
    engine : str
        Name of an engine, or ``"auto"``.
    packages : sequence of Path
        bioimage.io packages beside those in the folder.
    note : callable
        Takes a sentence on the engine.

    Raises
    ------
    ModelError
        If the model may not be used, or not on this engine, or a part of it gives another output.
    """
    from hcc_scope.inference import load_model
    from hcc_scope.training.bioimageio import check_package
    from hcc_scope.training.export import program_difference, weights_difference

    model = load_model(folder)
    classifier = model.classifier(engine, note=note)
    agreement = model.agreement()
    found = [*sorted(model.folder.glob("*.zip")), *packages]
    return ModelTest(
        model=model.card.name,
        sha256=model.card.sha256,
        engine=classifier.name,
        engine_in_full=classifier.engine,
        test_tiles=len(model.test_input),
        logit_difference=model.difference_to_test_output(classifier),
        logit_tolerance=model.card.engine_tolerance,
        comparison_tiles=len(agreement.tiles),
        probability_difference=agreement.largest_difference(classifier),
        probability_tolerance=agreement.tolerance,
        program_difference=program_difference(model),
        weights_difference=weights_difference(model),
        packages={str(path): check_package(path, model) for path in found},
    )
