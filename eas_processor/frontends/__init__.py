"""Protocols: each turns bytes into calls, and the result of a call into its own answer."""
