"""Load on one endpoint, and what came back. It imports no numpy."""
