"""A backbone: any vision transformer of timm, with weights from a local file."""

from dataclasses import dataclass

from freeshot import BackboneProvider, hookimpl


@dataclass(frozen=True)
class SmallVit(BackboneProvider):
    """A small ViT for 32 px; weights from a file, or random ones."""

    name = "small-vit"
    weights: str = ""
    """File in safetensors format; empty for random weights."""

    def build(self):
        import timm
        import torch
        from safetensors.torch import load_file

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # the same weights at every call: their hash names the network
            vit = timm.create_model("vit_tiny_patch16_224", img_size=32, patch_size=8, depth=4, num_classes=0)
        if self.weights:
            vit.load_state_dict(load_file(self.weights))
        return vit

    def image_size(self):
        return 32


@hookimpl
def freeshot_backbones():
    return [SmallVit]
