"""Whole runs, put together of their parts for the command line and the window.

The one floor where rigs, sources, stores, models and sessions meet. Import the submodules by name; none of them loads
torch or Micro-Manager before it is called.

=====================  =========================================================================================
`~.scoring_model`      `ScoringModel`, `load_scoring_model`: a checked model on an engine
`~.rigs`               `open_rig`, `attach_rig`: a microscope, ready
`~.section`            `start_section`: a section into a new store, classified live
`~.replay`             `start_replay`: a store through the same pipeline
`~.section_analyses`   a stored section and the analyses of its frames, recorded or made again
`~.reclassify`         a replay with its progress, for a window
`~.comparison`         `compare`: whether two analyses are equal, and where they differ
`~.tile_differences`   the same tile by tile
`~.replay_check`       `check_replay`: whether a replay gives what its store recorded
`~.animal_sections`    the other sections of an animal
`~.unfinished`         find unfinished sections, recover them
`~.phantoms`           a phantom section in place of a specimen, for the demo
=====================  =========================================================================================
"""
