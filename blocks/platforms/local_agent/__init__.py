"""The agent of the local platform: one small daemon per target, which outlives the command that started it.

It imports neither Prefect nor the rest of the project but `domain`: it must start at once and stay small.

    guardian   starts the agent again when it dies   front      the public port: HTTP/1.1 reverse proxy
    control    the verbs, over loopback TCP          fleet      the releases that run, and their leaving
    arbiter    what is decided, one thing at a time  running    one release: its copies, its share, its counts
    ledger     what survives a kill -9               copies     one process: started, watched, probed, restarted
"""
