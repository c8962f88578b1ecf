"""Frontends: each turns one protocol's bytes into calls, and results into its answers."""
