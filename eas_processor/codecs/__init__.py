"""
Codecs: they decode request bodies into named arrays, and encode arrays as answers.

`codec.py` defines the interface, and `registry.py` holds the codecs by number. Codecs know nothing
of processors, and do not need TensorFlow.
"""
