"""Scenario files, and what runs them."""
