"""Composition: makes a running engine from its configuration, and handles its signals."""
