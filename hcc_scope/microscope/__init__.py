"""The source of live frames: Micro-Manager, driven by one thread of ours.

- `hcc_scope.microscope.micromanager`: start or attach to Micro-Manager, and the source of frames.
- `hcc_scope.microscope.phantom_scene`: what the demo camera sees.
"""
