"""The serving core: which call goes to which instance, or waits; it knows no protocol."""
