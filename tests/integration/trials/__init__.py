"""Trials: what was done to whole workers in the field, done again on real servers; a file each."""
