"""ICM-LoRA: a conditional autoencoder of LoRA weights that generates a LoRA for a support set."""
