"""The commands of `python -m pipelines`, a file each: `command` is what the front door calls.

A module here imports at its head only what is there at once; Dagster, pandas and what needs them are imported inside.
"""
