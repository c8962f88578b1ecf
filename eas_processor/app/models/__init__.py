"""Models of numbered versions: found, loaded beside each other, and unloaded again."""
