"""Resources shared by the cells of a process: opened backbones, pools and images, cache, events."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from freeshot.basics.access_guard import access_allowed
from freeshot.cache.artifacts import Artifacts
from freeshot.cache.pixels import decoded
from freeshot.contracts.backbone import BackboneProvider
from freeshot.contracts.component import build
from freeshot.contracts.dataset import Images, fitted
from freeshot.contracts.events import Event
from freeshot.contracts.pool import LoraPool
from freeshot.contracts.tensors import Episode
from freeshot.contracts.tracks import Track
from freeshot.data.lookup import dataset_by_name
from freeshot.engine.vit.backbone import Backbone, open_backbone
from freeshot.evaluation.episode_lock import require_as_first_met
from freeshot.evaluation.episodes import track_episodes
from freeshot.plugin.catalogue import Catalogue
from freeshot.pool.locate import POOLS, PoolLocation, find_pool
from freeshot.pool.store import numbers_sha256, open_pool
from freeshot.pool.variants import split_name, varied
from freeshot.records.models import ComponentSpec, Precision


@dataclass(eq=False)
class RunContext:
    """Resources that are expensive to open, opened once per process."""

    catalogue: Catalogue
    cache: Path
    data: Path
    device: torch.device
    precision: Precision = "fp32"
    """Of the backbones."""
    pools: Path = POOLS
    """Folder of users' own pools."""
    own_pools: dict[str, Path] = field(default_factory=dict)
    """Pools requested by their folder: name → folder."""
    _backbones: dict[str, Backbone] = field(default_factory=dict)
    _pools: dict[tuple[Path, str], LoraPool] = field(default_factory=dict)
    _pool_numbers: dict[tuple[Path, str], str] = field(default_factory=dict)
    """Hash of each opened pool's tensors."""
    _loaded: dict[tuple[str, str], Images] = field(default_factory=dict)
    _shown: dict[tuple[str, str, int], Images] = field(default_factory=dict)
    _episodes: dict[str, tuple[Episode, ...]] = field(default_factory=dict)

    @property
    def artifacts(self) -> Artifacts:
        """The cache of stage results."""
        return Artifacts(self.cache / "artifacts")

    def emit(self, event: Event) -> None:
        """Send an event to all plugins; a plugin that raises causes a warning only."""
        list(self.catalogue.host.results("freeshot_event", event=event))

    def component(self, spec: ComponentSpec) -> Any:
        """Construct a component from its resolved spec."""
        return build(self.catalogue.component(spec.kind, spec.name), spec.options)

    def backbone(self, spec: ComponentSpec) -> Backbone:
        """Open a backbone, once."""
        key = spec.model_dump_json()
        if key not in self._backbones:
            provider: BackboneProvider = self.component(spec)
            self._backbones[key] = open_backbone(provider, self.device, self.precision)
        return self._backbones[key]

    def forget(self, spec: ComponentSpec) -> None:
        """Close a backbone that may have been modified; it is reopened on the next use."""
        self._backbones.pop(spec.model_dump_json(), None)

    def pool(self, name: str, backbone: Backbone) -> LoraPool:
        """Open a pool, once; 'pocket/sketch' is the part of 'pocket' tuned on 'sketch'.

        'pocket+noise30' is the variant of which 30 % of the LoRAs are noise.
        """
        whole, variant = split_name(name)
        if variant is not None:
            return varied(self.pool(whole, backbone), variant)
        location = self.locate(whole)
        key = (location.folder, backbone.sha256)
        if key not in self._pools:
            with access_allowed():
                opened = self._pools[key] = open_pool(location.folder, backbone.sha256)
            self._pool_numbers[key] = numbers_sha256(opened)
        pool = self._pools[key]
        return replace(pool.part(location.part), name=name) if location.part else pool

    def changed_pools(self) -> list[str]:
        """Close the pools whose tensors were modified since they were opened, and return their names."""
        changed = [key for key, pool in self._pools.items() if numbers_sha256(pool) != self._pool_numbers[key]]
        return [self._pools.pop(key).name for key in changed]

    def locate(self, name: str) -> PoolLocation:
        """Return the location of a pool, for a variant that of its pool."""
        plain = name.partition("+")[0]
        whole, _, part = plain.rpartition("/")
        for pool_name, part_name in ((plain, ""), (whole, part)):
            if pool_name in self.own_pools:
                return PoolLocation(pool_name, self.own_pools[pool_name], part_name, shipped=False)
        return find_pool(plain, self.catalogue, self.pools)

    def images(self, dataset: str, split: str, side: int | None = None) -> Images:
        """Open one split of a data set, once; at the backbone's `side` if its images can be resized.

        A name like 'cub:fit=centre' sets options of the data set.
        """
        if (dataset, split) not in self._loaded:
            dataset_plugin = dataset_by_name(self.catalogue, dataset)
            with access_allowed():
                self._loaded[dataset, split] = dataset_plugin.load(split, self.data)
        loaded = self._loaded[dataset, split]
        if side is None:
            return loaded
        if (dataset, split, side) not in self._shown:
            self._shown[dataset, split, side] = decoded(fitted(loaded, side), dataset, split, self.cache / "pixels")
        return self._shown[dataset, split, side]

    def episodes(self, track: Track) -> tuple[Episode, ...]:
        """Draw a track's frozen list, once."""
        if track.name not in self._episodes:
            images = self.images(track.dataset, track.split)
            episodes = track_episodes(track, images)
            if not track.episodes_sha256 and self._from_data_folder(track.dataset):
                require_as_first_met(track, episodes, images, self.data)
            self._episodes[track.name] = episodes
        return self._episodes[track.name]

    def _from_data_folder(self, dataset: str) -> bool:
        """Return whether a data set's images may come from the user's data folder."""
        return self.data.is_dir() and dataset_by_name(self.catalogue, dataset).is_available(self.data) is not False
