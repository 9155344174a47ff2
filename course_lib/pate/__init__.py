"""Learning from private data without telling: PATE, the private aggregation of teacher ensembles.

Votes in, labels and a privacy cost out. See `accounting` for what is promised and what is not.
"""
