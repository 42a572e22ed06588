"""What leaves a store for other programs: pictures, tables, outlines, and a description of how it was made.

=================  ================================================================================================
`~.geometry`       where each field of a section lies in a picture of all of them
`~.target`         where an export is written: beside its place, and renamed when it is whole
=================  ================================================================================================
"""
