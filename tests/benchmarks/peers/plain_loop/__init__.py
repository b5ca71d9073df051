"""Peer: a plain loop with confluent-kafka and Redis, one message at a time.

Does: read a message, call one script, produce what it says, flush, commit the message's offset;
then the next. Nothing is committed before it is published, and a message that is read again is a
repeat to the script.

Does not: publish what a call said before a crash. The script's state has moved on, so the message
read again is a repeat and says nothing: its events are lost. Mending that takes an outbox.
"""
