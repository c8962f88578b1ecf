"""What the parts of the engine share: calls, settings and counters. It imports the link alone."""
