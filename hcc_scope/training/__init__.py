"""Train and export models. Importing this package imports no torch.

- `hcc_scope.training.network`: the paper's network.
- `hcc_scope.training.dataset`: tiles of phantom sections, rendered, exposed and checked like real ones.
- `hcc_scope.training.loop`: one plain loop, calibration, validation by animal.
- `hcc_scope.training.export`: the one door to TorchScript's ``save``, and the model's folder.
"""
