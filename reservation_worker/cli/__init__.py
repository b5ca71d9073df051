"""The command ``reservation-worker``: one module per group of commands.

Data goes to stdout, progress to stderr. What a command needs is imported when it runs, so that
``--help`` is instant.
"""

from reservation_worker.cli.entry import main

__all__ = ["main"]
