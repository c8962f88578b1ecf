"""
HTTP/2 for gRPC: turns bytes into streams, and answers into bytes. It knows no service.

docs/decisions/grpc-listener.md says why the engine has an HTTP/2 of its own.
"""
