"""
Encodings of requests and answers: bytes to named arrays, and arrays to bytes. numpy only.

`codec.py` says what a codec is, `registry.py` which there are. They know no processor.
"""
