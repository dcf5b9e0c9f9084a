"""Charts and the written report of an experiment, from plain tables and arrays."""
