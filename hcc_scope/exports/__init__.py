"""What leaves a store for other programs: pictures, tables, outlines, and a description of how it was made.

=================  ================================================================================================
`~.target`         where an export is written: beside its place, and renamed when it is whole
=================  ================================================================================================
"""
