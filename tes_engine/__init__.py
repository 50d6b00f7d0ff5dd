"""Runs a project's pytest suite on several workers, inside the project's own interpreter.

Nothing here but the standard library and pytest, Python 3.9 or newer, pytest 7.4 or newer. `boot.py` loads the package
under a private name, so that neither it nor anything installed beside it can be imported by the tests or clash with
what they import.

    boot.py        starts it                      journal.py   what happened, appended and never rewritten
    main.py        options, and pytest's own run  board.py     who does what: memory that all workers share
    controller.py  collects down to files, plans  gather.py    the test files, with the tree above them
    foreman.py     forks workers, watches them    crash.py     a worker that died, and in which case
    worker.py      claims files and cases         batch.py     the cases of one file, and what stays together
    recorder.py    reports into the journal       afterfork.py what a forked process must put right
    clock.py       the time, whatever a test does to it
    plugins.py     what the project's plugins do to its cases
    replay.py      the journal into pytest's own reporters

The parent configures pytest and collects down to files; then it forks. A worker claims a file, imports it and runs
its cases, and helps with another's file when none is left. Each result is in the journal before anybody is told.
"""
