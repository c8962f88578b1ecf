"""Modules that processors written for the vendor import by their own names."""
