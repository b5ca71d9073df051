"""The same job as other frameworks would do it, beside the worker: ``docs/peers.md``."""
