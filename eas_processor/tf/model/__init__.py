"""Find a model, load it, and read its signatures."""
