"""The types that the parts of the engine share. This package imports only the link."""
