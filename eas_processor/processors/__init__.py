"""Custom processors: their code, copied to this machine, and the interpreter that runs it."""
