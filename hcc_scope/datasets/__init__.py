"""Labelled images and the tiles that are cut from them. Imports no torch.

========================  =====================================================================================
`~.labelled_image`              what a labelled image and a set of them is
`~.manifest`              `read_manifest`: the list of images, checked line by line (`~.manifest_rows`)
`~.images`                `read_pixels`: TIFF, PNG and our own stores as raw counts (`~.tiffs`, `~.ome`, `~.pngs`)
`~.check`                 `check_dataset`: everything that would spoil a training, before it (`~.dataset_report`)
`~.depth`, `~.spelling`   bit depths, pixel sizes and ids that cannot be right
`~.landmarks`             images that share pixels, wherever these lie (`~.duplicate_images`: what that means)
`~.cache`                 `cut_tiles`: the usable tiles, cut once and kept on disk
`~.tiles`                 the usable tiles of a set, as training and evaluation see them
`~.cohort`                `write_cohort`: phantom animals whose effects are known (`~.cohort_plan`)
`~.parallel`                 long work over many images, on several cores
========================  =====================================================================================
"""
