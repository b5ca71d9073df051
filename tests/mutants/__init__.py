"""Bugs planted on purpose, as data, and the command that shows which test turns red for each."""
