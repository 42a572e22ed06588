"""Labelled images and the tiles that are cut from them. Imports no torch.

========================  =====================================================================================
`~.labelled`              what a labelled image and a set of them is
`~.manifest`              `read_manifest`: the list of images, checked line by line (`~.rows`)
`~.images`                `read_pixels`: TIFF, PNG and our own stores as raw counts
`~.check`                 `check_dataset`: everything that would spoil a training, before it (`~.dataset_report`)
`~.cache`                 `cut_tiles`: the usable tiles, cut once and kept on disk
`~.tiles`                 the usable tiles of a set, as training and evaluation see them
`~.cohort`                `write_cohort`: phantom animals whose effects are known (`~.cohort_plan`)
`~.steps`                 long work told step by step
========================  =====================================================================================
"""
