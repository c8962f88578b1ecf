"""Composition: from configuration to a running engine, and the signals that it obeys."""
