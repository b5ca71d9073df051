"""The vocabulary of log events and metrics: every name that an operator may search for."""
