"""Independent tasks on the cores of this machine or on a Dask cluster, through one seam.

A task is a function of a module, a key and an argument. An executor takes tasks one by one from an iterable, keeps a
few of them in flight, and gives the end of each as it comes: a value, or a failure with its reason. A million tasks
never stand in memory, and nothing here knows what a task is about.

>>> from hcc_scope.executors.choice import open_executor
>>> from hcc_scope.executors.tasks import Task
>>> with open_executor(workers=2) as executor:  # doctest: +SKIP
...     for end in executor.each(Task(str(n), work, n) for n in range(1_000_000)):
...         print(end.key, end.value if end.failure is None else end.failure.text)

==================  ==================================================================================================
`~.tasks`           `Task`, `TaskEnd`, `Setup`, and the protocol `Executor`
`~.setup`           what a worker needs once, such as a model: checked by sha256, prepared once
`~.this_process`    one task after the other in this very process
`~.local`           processes of this machine
`~.dask`            the workers of a Dask cluster; with `~.dask_worker`, the door to `distributed` (extra ``cluster``)
`~.choice`          which of them two options ask for
`~.versions`        the versions that results may depend on, and whether workers differ in them
==================  ==================================================================================================
"""
