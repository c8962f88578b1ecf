"""Finding a model, loading it, and what it says of its inputs and outputs."""
