"""Whole runs put together of their parts, for the command line and the app alike.

The one floor where rigs, sources, stores, models and sessions meet. Import the submodules by name; none of them loads
anything heavy before it is called.

====================  =========================================================================================
`~.scoring_model`           `ScoringModel`, `load_scoring_model`: a checked model on an engine
`~.rigs`              `open_rig`, `attach_rig`: a microscope, ready
`~.section`           `start_section`: a section into a new store, classified live
`~.replay`            `start_replay`: a store through the same pipeline; what was recorded with it
`~.comparison`        how two analyses of the same frames differ
`~.plan_options`      `plan_of_options`: the plan of a few options, where there is no plan file
`~.phantoms`          a phantom section in place of a specimen, for the demo
====================  =========================================================================================
"""
