"""What lives longer than a configuration: breakers, cursors, requests in flight.

State is keyed by a stable identity and handed to each new Engine unchanged; it goes when the last Engine that holds
it has gone. Nothing here knows how a request is routed.
"""
