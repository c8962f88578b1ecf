"""From the names in a request to a run of the graph, alone or joined with others."""
