"""HTTP/2 for gRPC: bytes into streams, and answers into bytes. It knows no service."""
