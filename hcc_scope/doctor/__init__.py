"""Examine a computer and its microscope before sections depend on them: ``hcc-scope doctor``.

Each check is a small function that returns a `~.results.Result`: pass, warn, fail or not tried, with what to do. They
run in a process of their own (`~.worker`), one after the other as `~.examination` asks: a driver that crashes or hangs
ends that process and not the program, and the checks that do not depend on the broken one go on in a new one.

======================  =======================================================================================
`~.results`             what a check found, and which exit code follows from all of them
`~.subject`             what is examined: the rig, the model, the folder for sections
`~.computer`            versions, models, engine, memory, clock
`~.disk`                free space, and how fast the disk takes frames that must be on it
`~.devices`             camera, cooling, stage
`~.reaction`            whether exposure and EM gain do what they are set to
`~.pipeline`            how many frames a second are acquired, stored and classified, for a while
`~.checks`              the list of all checks, and which ones others depend on
`~.worker`              the process that runs them
`~.examination`         the other side: one check after the other, with what a crash means
`~.redaction`           names of persons, computers and animals, taken out of texts
`~.problem_report`      everything that a problem report needs, in one zip
======================  =======================================================================================
"""
