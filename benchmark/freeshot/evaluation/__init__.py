"""Episodes from frozen lists, images embedded once, accuracies per episode."""
