"""Official SDKs × the wires of upstreams: cells.py says what there is, test_matrix.py plays it, one file speaks one SDK."""
