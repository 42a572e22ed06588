"""How fast this machine is, beside what people would write themselves: ``hcc-scope bench``.

Every comparison runs side by side: each contender is a process of its own (`~.worker`), made ready before anything is
timed, and the contenders take turns, so that a machine that gets slower meanwhile slows all of them. What is timed ends
when everything is on disk and closed. Nothing here decides whether a figure is good enough: `~.ratios` says what was
wanted and what was reached.

======================  =======================================================================================
`~.suite`               the parts, one after another, and the result as one JSON object
`~.scale`               how much is measured
`~.machine`             what the figures were measured on
`~.processes`           a contender as its own process, seen from the suite
`~.worker`              the same, seen from inside
`~.engines`             classify: our engines
`~.writers`             store: ours and its peers
`~.live`                end to end and latency: our pipeline on Micro-Manager's demo camera
`~.plain`               the same tasks as a user would write them with the libraries alone
`~.replay`              a stored section classified again
`~.training`            training: our loop
`~.gemm`                roofline: the arithmetic peak, and what the network asks for
`~.ratios`              the ratios that are wanted
`~.page`, `~.plots`     the figures as a page
======================  =======================================================================================
"""
