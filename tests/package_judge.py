"""Judge bioimage.io packages with the makers' own validator and runner, without a network; a program of its own.

Prints one line of JSON. See `test_bioimageio`.
"""

from __future__ import annotations

import json
import socket
import sys
from typing import Any, NoReturn


def refuse(*_arguments: object, **_keywords: object) -> NoReturn:
    raise OSError("there is no network in this test")


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

    sys.stdout.write("\n" + json.dumps([judge(package) for package in sys.argv[1:]]) + "\n")


if __name__ == "__main__":
    main()
