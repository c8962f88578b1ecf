"""Models of numbered versions: finding, loading and unloading versions."""
