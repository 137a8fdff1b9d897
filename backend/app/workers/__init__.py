"""Who does the jobs: transport and processes here, the work itself in services."""
