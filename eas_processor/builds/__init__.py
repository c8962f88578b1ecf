"""Processor builds: which there are, how each is made, kept and checked."""
