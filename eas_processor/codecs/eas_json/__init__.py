"""
The JSON codec of the EAS routes.

`request.py` decodes the structure of a request, `inputs.py` decodes the values, and `answer.py`
encodes answers. Large bodies are parsed in pieces (`pieces.py`), one body at a time (`turns.py`),
within limits of depth and memory (`limits.py`).
"""
