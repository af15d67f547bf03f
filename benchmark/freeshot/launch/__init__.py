"""From a request to finished cells: plan, preflight, runner, worker, event log, launchers."""
