"""Labelled images and the tiles that are cut from them. Imports no torch.

- `hcc_scope.datasets.labelled`: what a labelled image and a set of them is.
- `hcc_scope.datasets.tiles`: the usable tiles of a set, as training and evaluation see them.
"""
