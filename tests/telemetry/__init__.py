"""Tests of what the worker tells of itself."""
