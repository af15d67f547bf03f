"""What takes long and shows that nothing is lost and nobody let in: `make soak` writes results/reliability.md."""
