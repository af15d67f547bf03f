"""The method: cluster the pool, meta-train a LoRA on each cluster, weight them by how they separate the support."""

from __future__ import annotations

from dataclasses import dataclass

from freeshot import Choice, InversionBasedMethod, Learner, Workbench
from freeshot.basics.validators import require_positive


@dataclass(frozen=True)
class RecLora(InversionBasedMethod):
    """Meta-train a LoRA on each cluster of the pool, and weight them by how well each separates the support set.

    Re-implementation of an idea from recommendation: parallel meta-LoRAs, mixed per user by a learned gate. A few-shot
    task has no user profile and nothing to learn a gate from, so the gate here is a rule without weights: a softmax
    over the distance of support images to their own class relative to the others, each image excluded from its class
    mean; with one image per class its mirror image is used instead. LoRAs are clustered by the cosines of their weight
    updates (B·A); features of an episode are the weighted concatenation of those of all meta-LoRAs, so that the nearest
    class mean remains the classifier and full weight on one gives that meta-LoRA itself.
    """

    name = "rec-lora"
    citation = "Zhu et al., Lifelong Personalized Low-Rank Adaptation of LLMs for Recommendation, 2024 (2408.03533)"
    learner: Choice = Choice("meta-learner", "prototype")
    """Meta-learner that trains each of the LoRAs."""
    inversion: Choice = Choice("inversion", "lora-inversion")
    strategy: Choice = Choice("strategy", "cls-attention")
    clusters: int = 4
    """Maximal number of groups of LoRAs, and thus of meta-LoRAs; ours."""
    temperature: float = 0.1
    """Temperature of the softmax over meta-LoRAs: with smaller values the best one dominates; ours."""

    def __post_init__(self) -> None:
        require_positive(self, "temperature")

    def prepare(self, bench: Workbench) -> Learner:
        """Invert every LoRA once, and train on each cluster's surrogates."""
        from freeshot_baselines.rec_lora.clusters import clusters, similarities
        from freeshot_baselines.rec_lora.router import RoutedLearner

        surrogates = bench.surrogates(*self.inversion_and_strategy(), self.per_class, self.batch)
        learners = []
        for members in clusters(similarities(bench.pool().entries), self.clusters):
            of_cluster = [surrogates[index] for index in members]
            classes = {class_id for lora in of_cluster for class_id in lora.class_ids}
            few = len(classes) < (self.train_way or bench.way)
            tasks = self.tasks_of(bench, of_cluster, 1.0 if few else None)  # few: no task across LoRAs
            learners.append(bench.adapted(bench.meta_learn(self.learner, tasks, self.rank, self.targets)))
        return RoutedLearner(learners, self.temperature)
