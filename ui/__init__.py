"""The desktop app of HCC-Scope: PySide6 and pyqtgraph, the only place where Qt is imported.

Widgets take plain values of `hcc_scope.types` and report by signals what a person did; none of them touches a
device, a store or a model. What takes time runs off the Qt thread (`ui.kit.jobs`); other threads never emit a signal.

The root only connects. One folder for each thing that the operator sees (`ui.live`, `ui.map`, `ui.tiles`,
`ui.replay`, `ui.shell`), which do not know each other; below them pictures (`ui.canvas`), result docks (`ui.score`),
device docks (`ui.devices`) and objects without widgets (`ui.control`); at the bottom what all of them are built from
(`ui.kit`).
"""
