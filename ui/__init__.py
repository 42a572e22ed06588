"""The desktop app of HCC-Scope: PySide6 and pyqtgraph, the only place where Qt is imported.

Widgets are given plain values of `hcc_scope.types` and tell what a person did by signals; none of them touches a
device, a store or a model. What takes time runs off the Qt thread (`ui.jobs`); other threads never emit a signal.
"""
