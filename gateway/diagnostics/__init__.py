"""What is wrong with a file, as values: found by anyone, collected, ordered by place, rendered by whoever shows them.

Nothing here knows what router.yaml means.
"""
