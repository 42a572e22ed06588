"""The docks on the left: camera, light, objective, stage, presets and the property browser.

Every panel takes frozen values (`RigState`), shows them, and reports by signals what a person wants; it never asks a
device itself. Colours follow the palette: a change of theme needs no call.
"""
