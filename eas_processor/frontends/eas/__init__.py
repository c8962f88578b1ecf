"""The routes, tokens and statuses of PAI-EAS."""
