"""HTTP/1.1: connections, the order of answers, flow control, limits and TLS."""
