"""The benchmark of the service against floors and other servers, in one run: `make bench`."""
