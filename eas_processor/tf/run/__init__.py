"""Resolve the names in requests to tensors, join requests, and run the graph."""
