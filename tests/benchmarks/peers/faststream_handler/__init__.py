"""Peer: a FastStream subscriber, one message at a time, one Redis script call each.

Does: what the framework's first pages show: a handler of all five topics that awaits one script
call and awaits the delivery of what it publishes; the default acknowledgement (``ACK_FIRST``: the
client commits in the background what has been handed to the handler).

Does not: publish what a call said before a crash (as the plain loop), nor hold back the commit of
a message until it is handled. FastStream adds a ``correlation_id`` header to all it publishes.
"""
