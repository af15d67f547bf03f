"""A meta-learner: classify by the angle to the class mean."""

from dataclasses import dataclass

from freeshot import GradientMetaLearner, hookimpl


@dataclass(frozen=True)
class Angle(GradientMetaLearner):
    """Turn queries towards the mean of their own class."""

    name = "angle"

    def loss(self, model, task):
        from torch.nn.functional import cross_entropy, normalize

        from freeshot.ops.prototypes import class_means

        support = model.embed(task.support.images, task.support.kept)  # [n, d]
        query = model.embed(task.query.images, task.query.kept)  # [q, d]
        means = class_means(support, task.support.labels, task.way)  # [c, d]
        return cross_entropy(10 * normalize(query, dim=1) @ normalize(means, dim=1).mT, task.query.labels)


@hookimpl
def freeshot_meta_learners():
    return [Angle]
