"""Judge bioimage.io packages with the makers' own validator and runner, without a network; a program of its own.

Prints one line of JSON. See `test_bioimageio`.
"""

from __future__ import annotations

import inspect
import json
import socket
import sys
import textwrap
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from types import FunctionType


def refuse(*_arguments: object, **_keywords: object) -> NoReturn:
    raise OSError("there is no network in this test")


def repair(function: FunctionType) -> None:
    """Leave out an argument too many.

    bioimageio.core 0.11 insists on bioimageio.spec 0.5.12, which hands pydantic's serializers the `info` that they gave
    it; up to 2.13 they ignored it. Later versions of bioimageio.spec leave it out as well.
    """
    lines = textwrap.dedent(inspect.getsource(function)).splitlines()
    left = [line for line in lines if not line.strip().startswith("info,  # pyright: ignore[reportArgumentType]")]
    repaired: dict[str, Any] = {}
    exec("\n".join(left), function.__globals__, repaired)
    function.__code__ = repaired[function.__name__].__code__


def judge(package: str) -> dict[str, Any]:
    from bioimageio.core import predict, test_model
    from bioimageio.spec import load_description
    from bioimageio.spec.model.v0_5 import ModelDescr
    from bioimageio.spec.utils import load_array

    model = load_description(package, perform_io_checks=True)
    summary = model.validation_summary
    found: dict[str, Any] = {
        "model": isinstance(model, ModelDescr),
        "format": summary.status,
        "errors": [str(error) for detail in summary.details for error in detail.errors],
    }
    if found["model"]:
        tested = test_model(model, weight_format="torchscript", devices=["cpu"])
        found["test"] = tested.status
        found["test_errors"] = [str(error) for detail in tested.details for error in detail.errors]
        counts = load_array(model.inputs[0].test_tensor).astype("uint16")  # as a camera gives them
        output = predict(model=model, inputs={"counts": counts}).members["probability"]
        found["axes"] = list(output.data.dims)
        found["probability"] = output.data.values.tolist()
    return found


def main() -> None:
    socket.socket.connect = socket.socket.connect_ex = refuse  # type: ignore[assignment,method-assign]
    socket.create_connection = socket.getaddrinfo = refuse  # type: ignore[assignment]

    from bioimageio.spec._internal import io_packaging
    from bioimageio.spec.model import v0_4

    for function in (io_packaging.package_file_descr_serializer, v0_4.package_weights):
        repair(function)
    sys.stdout.write("\n" + json.dumps([judge(package) for package in sys.argv[1:]]) + "\n")


if __name__ == "__main__":
    main()
