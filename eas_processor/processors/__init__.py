"""Custom processors: what a service file names, brought here, with an interpreter to run it."""
