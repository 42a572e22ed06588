"""Benchmarks of this machine, next to plain scripts for the same tasks: ``hcc-scope bench``.

Every comparison runs side by side: each contender is a separate process (`~.worker`), made ready before anything is
timed, and the contenders take turns, so that a machine that gets slower meanwhile slows all of them. What is timed ends
when everything is on disk and closed. Nothing here decides whether a figure is good enough: `~.ratios` states what was
aimed at and what was reached. What we are compared with, and the page with its plots, are in ``benchmarks/peers`` of a
checkout; an installed wheel measures our own side.

======================  =======================================================================================
`~.suite`               the parts, one after another, and the result as one JSON object
`~.scale`               how much is measured
`~.machine`             what the figures were measured on
`~.processes`           a contender as its own process, seen from the suite
`~.worker`              the same, seen from inside
`~.peers`               finds the other side
`~.engines`             classify: our engines
`~.writers`             store: our writer
`~.live`                end to end and latency: our pipeline on Micro-Manager's demo camera
`~.replay`              a stored section classified again
`~.training`            training: our loop
`~.tracking`            tracking: our step from one live frame of a hand-moved stage to its position
`~.ratios`              the targets for ratios
======================  =======================================================================================
"""
