"""How fast it is, and against what: one module a question, one command for them all (`make bench`).

Every figure is a ratio of two things measured in turns within one run, on one machine. Seconds are shown to be looked
at; they are worth nothing elsewhere.
"""
