"""Facts about a microscope without driving it: its configuration, its rig file, the installed adapters.

- `hcc_scope.rig.config`: read and lint Micro-Manager ``.cfg`` files (`cfg_lines`, `linter`, `pixel_sizes`).
- `hcc_scope.rig.rigfile`: the rig file, which states what a ``.cfg`` cannot.
- `hcc_scope.rig.devices`: versions, adapters, and what a configuration contains.
"""
