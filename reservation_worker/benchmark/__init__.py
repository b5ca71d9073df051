"""Measures the worker on real servers, beside what the servers could do at most."""
