"""Train and export models. Importing this package imports no torch.

- `hcc_scope.training.config`: the options of a training.
- `hcc_scope.training.network`: the networks.
- `hcc_scope.training.recipes`: losses, optimisers, schedules, changes of tiles.
- `hcc_scope.training.fit`: the loop, which can be stopped, killed and continued.
- `hcc_scope.training.fit_task`: what is fitted; `hcc_scope.training.fit_result`: the result.
- `hcc_scope.training.attempts`: another attempt, if a network has learnt nothing.
- `hcc_scope.training.compute`: where and how gradients are computed.
- `hcc_scope.training.prefetch`: tiles read ahead.
- `hcc_scope.training.checkpoint`: the state between two steps.
- `hcc_scope.training.predict`: what a network makes of many tiles.
- `hcc_scope.training.metrics`: metrics.
- `hcc_scope.training.validation_split`: which images are held out.
- `hcc_scope.training.ood_distance`: how unlike the training tiles a tile is; `hcc_scope.training.ood_tiles`: what it
  is tried on.
- `hcc_scope.training.run_folder`: from a manifest to a finished run.
- `hcc_scope.training.training_result`: what a finished training hands to
  `hcc_scope.runs.build_model`, which makes a model of it.
- `hcc_scope.training.export`: the one door to TorchScript's ``save``, and the model's folder.
"""
