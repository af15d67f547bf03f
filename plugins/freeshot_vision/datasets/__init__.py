"""Published data sets, in the order of the documentation."""

from __future__ import annotations

from freeshot_vision.datasets.cifar_fs import CifarFs
from freeshot_vision.datasets.cross_domain import ChestX, CropDiseases, EuroSat, Isic
from freeshot_vision.datasets.further_domains import Aircraft, Dtd, Omniglot, TrafficSigns
from freeshot_vision.datasets.in_domain import Cub, MiniImageNet, VggFlower
from freeshot_vision.datasets.published_dataset import PublishedDataset
from freeshot_vision.datasets.quick_draw import QuickDraw
from freeshot_vision.datasets.reduced_copies import EuroSat500, Isic300, MiniImageNet60, VggFlower64

DATASETS: list[type[PublishedDataset]] = [
    CifarFs,
    MiniImageNet,
    VggFlower,
    Cub,
    ChestX,
    Isic,
    EuroSat,
    CropDiseases,
    Dtd,
    Omniglot,
    QuickDraw,
    Aircraft,
    TrafficSigns,
    MiniImageNet60,
    VggFlower64,
    EuroSat500,
    Isic300,
]
