"""Calls of gRPC as the load sends them: frames of HTTP/2, and what comes back."""
