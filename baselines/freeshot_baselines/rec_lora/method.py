"""The method: cluster the pool, meta-train a LoRA on each cluster, weigh them by how well they part the support."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from freeshot import Choice, InvertingMethod
from freeshot.basics.bounds import require_positive

if TYPE_CHECKING:
    from freeshot import Learner, Workbench


@dataclass(frozen=True)
class RecLora(InvertingMethod):
    """Meta-train a LoRA on each cluster of the pool, and weigh them by how well each parts the support set.

    Re-implementation of an idea from recommendation: parallel meta-LoRAs, mixed per user by a learned gate. A few-shot
    task has no user profile and nothing to learn a gate from, so the gate here is a rule without weights: a softmax
    over how near support images lie to their own class, measured against the others, each image being left out of its
    class mean; with one image per class its mirror image is asked instead. LoRAs are clustered by the cosines of what
    they add to the network (B·A); features of an episode are the weighted concatenation of those of all meta-LoRAs, so
    that the nearest class mean stays the classifier and all weight on one is that meta-LoRA itself.
    """

    name = "rec-lora"
    citation = "Zhu et al., Lifelong Personalized Low-Rank Adaptation of LLMs for Recommendation, 2024 (2408.03533)"
    learner: Choice = Choice("meta-learner", "prototype")
    """Meta-learner that trains each of the LoRAs."""
    inversion: Choice = Choice("inversion", "lora-inversion")
    strategy: Choice = Choice("efficiency", "cls-attention")
    clusters: int = 4
    """Groups of LoRAs, at most, and thus meta-LoRAs; ours."""
    temperature: float = 0.1
    """Of the softmax over meta-LoRAs: the smaller, the more the best one decides; ours."""

    def __post_init__(self) -> None:
        require_positive(self, "temperature")

    def prepare(self, bench: Workbench) -> Learner:
        """Recover images from every LoRA once, and train on each cluster's."""
        from freeshot_baselines.composition.clusters import clusters, similarities
        from freeshot_baselines.rec_lora.router import RoutedLearner

        recovered = bench.surrogates(*self.recovery(), self.per_class, self.batch)
        learners = []
        for members in clusters(similarities(bench.pool().entries), self.clusters):
            part = [recovered[place] for place in members]
            classes = {class_id for surrogates in part for class_id in surrogates.class_ids}
            share = self.lora_share if len(classes) >= bench.way else 1.0  # too few to mix
            tasks = bench.surrogate_tasks(part, share, flip=self.flip, held_out=self.held_out)
            learners.append(bench.adapted(bench.meta_learn(self.learner, tasks, self.rank, self.targets)))
        return RoutedLearner(learners, self.temperature)
