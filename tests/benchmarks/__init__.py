"""Measurements on real servers; run by hand (``make bench``), never by the test suite."""
