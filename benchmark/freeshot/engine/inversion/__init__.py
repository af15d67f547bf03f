"""Components that inversion methods share: teachers, pixel optimisation, priors, generators."""
