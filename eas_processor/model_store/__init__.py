"""Fetches models: downloads, unpacks and stores them."""
