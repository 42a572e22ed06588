"""A section in napari: fields at their places, tiles in the colours of their probabilities, the score beside them.

napari finds the plugin by ``napari.yaml`` in this folder, and calls `~.reader`. Nothing here imports napari: it takes
plain values and arrays.

=================  ================================================================================================
`~.reader`         what napari calls with the path of a store
`~.picture`        all fields as one picture of several resolutions, read where napari shows it
=================  ================================================================================================
"""
