"""Answers that are given again: exact and semantic caches, requests that join one in flight, idempotency.

A layer stands around the work that routing does for a request and gives an `Answer` like any other: replayed, followed,
or made now and recorded on its way. What is kept lies in the Store, as msgpack; what of it cannot be read is a miss.
Only routing's own values and the Store are known here, no server and no configuration.
"""
