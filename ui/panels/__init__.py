"""What stands around the pictures: the devices on the left, score and quality on the right, the strip at the bottom.

Every panel is a plain widget. It is given frozen values (`RigState`, `Snapshot`, `FrameResult`), shows them, and says
by signals what a person wants; it never asks a device itself. Colours follow the palette: a change of theme needs no
call.
"""
