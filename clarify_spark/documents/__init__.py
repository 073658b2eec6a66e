"""The two JSON documents of a run, its local values and its closing lines, made from results."""
