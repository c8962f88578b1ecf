"""The engine's side of workers: starting, warming up, watching and replacing them."""
