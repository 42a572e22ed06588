"""Dark and flat references, and the correction of frames by them.

- `hcc_scope.shading.correction`: the one function that makes what is classified of a raw frame.
- `hcc_scope.shading.making`: references from shots, or the tile that shows why there is none.
- `hcc_scope.shading.estimate`: a flat field from stored fields of tissue, for rigs without a reference.
- `hcc_scope.shading.reference`: what a reference is, and which settings of a rig it holds for.
- `hcc_scope.shading.files`: the folder that keeps references.
- `hcc_scope.shading.freshness`: the rule which reference counts: fresh, stale or missing.

Nothing here drives a device or reads a store.
"""
