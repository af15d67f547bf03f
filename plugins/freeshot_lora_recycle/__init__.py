"""The method of the paper, in parts that others can reuse."""
