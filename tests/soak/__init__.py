"""Long tests of robustness to interruptions and invalid files: `make soak` writes results/reliability.md."""
