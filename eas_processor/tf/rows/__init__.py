"""Which outputs of a graph come by row, so that requests may be joined."""
