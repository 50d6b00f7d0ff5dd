"""One module a tool: composes argv, parses its report. Nothing in here executes anything.

A module's file name is its name in configuration. Adding a tool is adding a file.
"""
