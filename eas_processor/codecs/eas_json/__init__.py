"""
JSON as the EAS routes take it.

`request.py` reads what a body names, `inputs.py` its values; `answer.py` writes. Large bodies are
parsed in pieces (`pieces.py`), one at a time (`turns.py`), within limits (`limits.py`).
"""
