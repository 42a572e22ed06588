"""Sections on disk: OME-Zarr 0.5 with a journal of committed frames and a table of predictions (``docs/store.md``).

Import the submodules by name: this package loads none of them, so that the command line can check an id or name a
store without loading tensorstore or pyarrow.

========================  =============================================================================================
`~.naming`                ids and paths; standard library only
`~.place`                 `place_of`: a folder, or an address of object storage; standard library only
`~.space`                 `check_out_dir`, `check_free_space`: whether a folder can take a run; standard library only
`~.writer`                `create_store`: a new store
`~.section_writer`        `SectionWriter`: frames in, each one committed and journalled
`~.reader`                `open_store`: frames out, each one checked
`~.source`                `StoreSource`: a store as a source of frames
`~.predictions`           `PredictionWriter`, `read_predictions`
`~.notes`                 `NotesWriter`, `read_notes`: what a person wrote about a section or a field
`~.section_labels`        `label_section`, `section_label`: low, high or leave out, for training
`~.recover`               `recover`: an interrupted store made valid again
`~.packing`               `pack_store`, `unpack_store`: many frames in a file, for archives and viewers
========================  =============================================================================================
"""
