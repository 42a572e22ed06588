"""What leaves a store for other programs: pictures, tables, outlines, and a description of how it was made.

=================  ================================================================================================
`~.kinds`          the table of all kinds: what command and window offer
`~.fields`         one OME-Zarr image for each field, at its place
`~.frames`         all frames as one OME-TIFF
`~.mosaic`         all fields as one picture with smaller levels, and the probabilities of their tiles as another
`~.qupath`         tiles as GeoJSON for QuPath
`~.table`          tiles as Parquet, CSV, and as WSInfer writes them
`~.provenance`     how a section came about, as an RO-Crate
`~.section_tiles`  the results of these three: which tiles count, and why others do not
`~.ome_xml`        the OME-XML of both
`~.outcome`        what an export reports when it is done
`~.geometry`       where each field of a section lies in a picture of all of them
`~.blocks`         a mosaic block by block: which fields show, when they are read, how they are drawn
`~.pyramid`        a mosaic and its smaller levels in one pass
`~.pyramid_tiff`   where these become a TIFF (those of OME-Zarr: `hcc_scope.storage.pyramid_array`)
`~.target`         where an export is written: beside its place, and renamed when it is whole
=================  ================================================================================================
"""
