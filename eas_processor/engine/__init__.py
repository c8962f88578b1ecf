"""
The process that owns the sockets: HTTP, token, admission, deadlines, and the workers' lives.

It imports neither numpy nor TensorFlow: what it carries between client and worker is opaque bytes.
"""
