"""One flow a file: composition only, readable top to bottom, no I/O of its own.

Each flow is a Prefect flow over a plain coroutine of the same steps: stages are tasks, and flows that need an artifact
ask for it by composing these coroutines, so that a release is one flow run with a task a stage.
"""
