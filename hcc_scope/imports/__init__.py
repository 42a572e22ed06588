"""Images that other programs stored, as the frames of a section: what is in them, which are chosen, how they are read.

=================  ================================================================================================
`~.collection`     what every reader of a format gives: planes with their facts, read one at a time
`~.images`         opens TIFF and PNG: a file, files given together, a folder, a dataset of Micro-Manager
`~.ndtiff`         opens a dataset of NDTiff
`~.ome_zarr`       opens an OME-Zarr of other programs
`~.opening`        which of them reads a source
`~.selection`      which images a person chooses, and `~.conversion` how their numbers become counts
`~.source`         the chosen images as a `hcc_scope.protocols.FrameSource`
=================  ================================================================================================
"""
