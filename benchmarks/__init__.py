"""What the service costs beside floors and peers, measured in one run: `make bench`."""
