"""What leaves a store for other programs: pictures, tables, outlines, and a description of how it was made.

=================  ================================================================================================
`~.kinds`          the table of all kinds: what command and window offer
`~.fields`         one OME-Zarr image for each field, at its place
`~.frames`         all frames as one OME-TIFF
`~.qupath`         tiles as GeoJSON for QuPath
`~.table`          tiles as Parquet, CSV, and as WSInfer writes them
`~.provenance`     how a section came about, as an RO-Crate
`~.section_tiles`  the results of these three: which tiles count, and why others do not
`~.ome_xml`        the OME-XML of both
`~.outcome`        what an export reports when it is done
`~.geometry`       where each field of a section lies in a picture of all of them
`~.target`         where an export is written: beside its place, and renamed when it is whole
=================  ================================================================================================
"""
