"""Tests of probes and metrics over HTTP."""
