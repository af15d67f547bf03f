"""ICM-LoRA: a conditional autoencoder of LoRA weights, asked for the LoRA that suits a support set."""
