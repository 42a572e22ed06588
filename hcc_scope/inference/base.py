"""The engines by name, what each of them guarantees, and the model that is used unless another one is named.

Importing this module imports neither torch nor OpenVINO nor numpy: the options of the command line and the window's
top bar list the engines from here.
"""

from __future__ import annotations

from typing import Literal, Protocol, get_args

from hcc_scope.protocols import Classifier

__all__ = ["AUTO", "DEFAULT_MODEL", "ENGINES", "REFERENCE", "Engine", "EngineName"]

EngineName = Literal["torchscript", "openvino", "openvino-bf16", "cuda"]
ENGINES: tuple[EngineName, ...] = get_args(EngineName)
REFERENCE: EngineName = "torchscript"
"""Reproduces the model's own test output; the others have to agree with it."""
AUTO = "auto"
"""The fastest of the engines that agree with the reference on this machine; see `hcc_scope.inference.auto_engine`."""
DEFAULT_MODEL = "phantom-meng2019"
"""The shipped model."""


class Engine(Classifier, Protocol):
    """A classifier with the name by which users choose it."""

    @property
    def name(self) -> EngineName:
        """Short name; `engine` is the long one, with versions, kernels and threads."""
