"""A data set: pictures of dots, classified by their number."""

from dataclasses import dataclass

from freeshot import FewShotDataset, hookimpl

SPLITS = {"base": range(1, 7), "validation": range(7, 12), "novel": range(12, 17)}


@dataclass(frozen=True)
class Dots(FewShotDataset):
    """Pictures of 1 to 16 dots; the class is the number of dots."""

    name, domain, license = "dots", "dots", "CC0-1.0"

    def load(self, split, root):
        return DotsImages(SPLITS[split])


@dataclass(frozen=True)
class DotsImages:
    """Thirty pictures of each number."""

    numbers: range

    @property
    def classes(self):
        return tuple(f"{number} dots" for number in self.numbers)

    @property
    def labels(self):
        import numpy as np

        return np.repeat(np.arange(len(self.numbers)), 30)

    @property
    def sha256(self):
        return f"dots-{self.numbers.start}-{self.numbers.stop}"

    def __len__(self):
        return 30 * len(self.numbers)

    def read(self, indices):
        import torch

        images = torch.zeros(len(indices), 3, 16 * 16, dtype=torch.uint8)
        for image, index in zip(images, indices, strict=True):
            places = torch.randperm(256, generator=torch.Generator().manual_seed(int(index)))
            image[:, places[: self.numbers[index // 30]]] = 255
        return images.view(-1, 3, 16, 16)


@hookimpl
def freeshot_datasets():
    return [Dots]
