"""
Prove which outputs of a graph come by row, so that requests may be joined.

An output comes by row if each of its rows depends only on the same row of the inputs.
"""
