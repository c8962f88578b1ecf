"""The load generator: loads one endpoint and counts the answers. It does not import numpy."""
