"""User tasks other than running cells: reproduce, export an adapter, add a data set, predict, estimate costs."""
