"""Running one cell from spec to record: plan, environment, workbench, stages, cache, launchers."""
