"""A gRPC client for load: it writes and reads HTTP/2 frames itself."""
