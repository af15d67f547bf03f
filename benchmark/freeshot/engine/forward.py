"""One look at images through a ViT: with LoRAs, through chosen patches, leaving tokens out on the way.

Nothing of timm's forward pass is copied but the block in which tokens are left out; the rest are hooks,
which are gone when the look is over, whatever happens.

Axes: n images, t tokens (class token first), k kept patches, d width.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

from freeshot.basics.errors import ContractError, OptionError
from freeshot.basics.tokens import gather_patches
from freeshot.contracts.flow import LayerView
from freeshot.engine.half import autocast, network_in_use

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from freeshot.contracts.efficiency import EfficiencyStrategy


class Network(Protocol):
    """A vision transformer and the normalisation before it: a `Backbone` or a `Trunk`."""

    @property
    def vit(self) -> nn.Module:
        """What maps normalised images to features."""
        ...

    @property
    def normalize(self) -> nn.Module:
        """What brings images from 0…1 to what the transformer was trained on."""
        ...


class Adding(Protocol):
    """What adds to the outputs of linear layers: a `LoraBank`, or whatever mixes LoRAs."""

    @property
    def modules_touched(self) -> tuple[str, ...]:
        """Names of the linear layers it acts on."""
        ...

    def delta(self, module: str, inputs: Tensor, width: int) -> Tensor:
        """Return what is added to a layer's output: inputs [n, t, i] → [n, t, width]."""
        ...


@dataclass(frozen=True, eq=False)
class Seen:
    """What a look gives: features, and the patches that were still there at the end."""

    features: Tensor
    """[n, d]."""
    kept: Tensor | None
    """[n, k]; None if no patch was left out."""


def look(
    backbone: Network,
    images: Tensor,
    bank: Adding | None = None,
    kept: Tensor | None = None,
    strategy: EfficiencyStrategy | None = None,
    progress: float = 1.0,
    registers: Tensor | None = None,
) -> Seen:
    """Map images [n, 3, h, w] in 0…1 to features; differentiable in the images, the bank and the registers.

    Patch embedding sees all patches, and kept ones carry their own position: only what follows is sparse. Registers
    [g, p, d] are tokens that stand behind the others, the same for all images of a group; n is ordered by group.
    Inside of autocast to bfloat16 a frozen network runs in bfloat16; features are of the images' type.
    """
    assert registers is None or strategy is None, "a strategy would take registers for patches"
    if kept is not None or strategy is not None:
        require_class_token(backbone.vit)
    if registers is not None:
        _require_token_pooling(backbone.vit)
    if strategy is not None and kept is None:
        kept = strategy.patches(progress, images)
        kept = None if kept is None else kept.sort(dim=1).values  # what follows searches in it
    trail = _Trail(kept)
    normalized, vit = backbone.normalize(images), network_in_use(backbone.vit)
    halved = vit is not backbone.vit
    with ExitStack() as stack:
        if halved:
            stack.enter_context(autocast(images.device.type, enabled=False))
            normalized = normalized.bfloat16()
        if bank is not None:
            stack.enter_context(_lora_hooks(vit, _InAutocast(bank) if halved else bank))
        if kept is not None:
            stack.enter_context(_gather_hook(vit, kept))
        if registers is not None:
            stack.enter_context(_register_hook(vit, registers))
        if strategy is not None:
            stack.enter_context(_pruning_blocks(vit, strategy, progress, trail))
        features: Tensor = vit(normalized)
    trail.require_sound()
    return Seen(features.to(images) if halved else features, trail.kept)


def require_class_token(vit: nn.Module) -> None:
    """Refuse a network whose patches do not begin behind one class token; OptionError says what to choose."""
    before = int(getattr(vit, "num_prefix_tokens", 1))
    if before != 1:
        raise OptionError(
            f"Patches can be told apart only behind one class token, but this network has {before} tokens before them. "
            "Choose strategy=none, an inversion that looks at logits alone, or another backbone."
        )


def _require_token_pooling(vit: nn.Module) -> None:
    """Refuse a network whose feature is pooled over all tokens, registers among them; OptionError."""
    pooling = getattr(vit, "global_pool", "token")
    if pooling not in ("token", ""):
        raise OptionError(
            f"Registers are read by nobody only where the class token is the feature, but this network pools by "
            f"'{pooling}'. Choose another backbone, or a method without registers."
        )


@dataclass
class _Trail:
    """The patches that are still there, as the forward pass goes on."""

    kept: Tensor | None
    sizes: Tensor | None = None
    """[n, t], how many tokens each token stands for; None until the first are merged."""
    _promises: list[tuple[Tensor, str]] = field(default_factory=list)
    """What has to be true, and what is to be said where it is not."""

    def promise(self, truth: Tensor, otherwise: str) -> None:
        """Note a bool [] that is looked at when the look is over: a graphics card must not wait for it on the way."""
        self._promises.append((truth, otherwise))

    def require_sound(self) -> None:
        """Raise ContractError with the first sentence whose promise was broken."""
        if self._promises and not bool(torch.stack([truth for truth, _ in self._promises]).all()):
            raise ContractError(next(otherwise for truth, otherwise in self._promises if not bool(truth)))


@dataclass(frozen=True, eq=False)
class _InAutocast:
    """Adds to a network in bfloat16 what is kept in full precision."""

    inner: Adding

    @property
    def modules_touched(self) -> tuple[str, ...]:
        return self.inner.modules_touched

    def delta(self, module: str, inputs: Tensor, width: int) -> Tensor:
        with autocast(inputs.device.type, enabled=True):
            return self.inner.delta(module, inputs, width).to(inputs)


@dataclass(frozen=True, eq=False)
class Attended:
    """What an attention layer gives when its weights are wanted too."""

    mixed: Tensor
    """[n, t, d]."""
    weights: Tensor
    """[n, heads, t, t]."""
    keys: Tensor
    """[n, heads, t, d / heads]."""


def attend(attention: Any, tokens: Tensor, sizes: Tensor | None = None) -> Attended:
    """Run a timm attention layer on tokens [n, t, d] and keep its weights.

    Fused attention returns no weights, so layers in which tokens are chosen compute them in full. A token
    of size s is attended to as s equal tokens would be (ToMe's proportional attention).
    """
    n, t, _ = tokens.shape
    q, k, v = attention.qkv(tokens).reshape(n, t, 3, attention.num_heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
    q, k = attention.q_norm(q), attention.k_norm(k)  # [n, heads, t, d / heads]
    scores = q * attention.scale @ k.mT  # [n, heads, t, t]
    if sizes is not None:
        scores = scores + sizes.log()[:, None, None]
    weights = scores.softmax(-1)
    mixed = (weights @ v).transpose(1, 2).reshape(n, t, -1)
    if hasattr(attention, "norm"):
        mixed = attention.norm(mixed)
    return Attended(attention.proj(mixed), weights, k)


@contextmanager
def _lora_hooks(vit: nn.Module, bank: Adding) -> Iterator[None]:
    def hook_for(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]:
        return lambda _, inputs, output: output + bank.delta(name, inputs[0], output.shape[-1])

    handles = [vit.get_submodule(name).register_forward_hook(hook_for(name)) for name in bank.modules_touched]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _gather_hook(vit: nn.Module, kept: Tensor) -> Iterator[None]:
    """Thin the tokens out before the first block, after position and pre-norm."""
    first = vit.get_submodule("blocks.0")
    handle = first.register_forward_pre_hook(lambda _, inputs: (gather_patches(inputs[0], kept), *inputs[1:]))
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _register_hook(vit: nn.Module, registers: Tensor) -> Iterator[None]:
    """Put tokens behind those of the images before the first block."""

    def lengthened(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        tokens, *others = inputs
        added = registers.repeat_interleave(len(tokens) // len(registers), dim=0).to(tokens)  # [n, p, d]
        return torch.cat([tokens, added], dim=1), *others

    handle = vit.get_submodule("blocks.0").register_forward_pre_hook(lengthened)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _pruning_blocks(vit: nn.Module, strategy: EfficiencyStrategy, progress: float, trail: _Trail) -> Iterator[None]:
    """Give the layers that the strategy names a forward pass that asks it between attention and MLP."""
    blocks = list(vit.get_submodule("blocks").children())
    chosen = [layer % len(blocks) for layer in strategy.layers(len(blocks))]
    for layer in chosen:
        blocks[layer].forward = _asking_forward(blocks[layer], layer, len(blocks), strategy, progress, trail)
    try:
        yield
    finally:
        for layer in chosen:
            blocks[layer].__dict__.pop("forward", None)


def _asking_forward(
    block: Any, layer: int, layers: int, strategy: EfficiencyStrategy, progress: float, trail: _Trail
) -> Callable[..., Tensor]:
    def forward(tokens: Tensor, *_: object, **__: object) -> Tensor:
        attended = attend(block.attn, block.norm1(tokens), trail.sizes)
        tokens = tokens + block.ls1(attended.mixed)
        there = trail.kept if trail.kept is not None else _all_patches(tokens)
        view = LayerView(layer, layers, progress, attended.weights, attended.keys, there)
        choice = strategy.select(view)
        if choice is not None:
            choice, positions = _placed(choice, there, strategy.name, trail)
            tokens = _thinned(tokens, view, positions, strategy, trail)
            trail.kept = choice
        normed = block.norm2(tokens)
        out: Tensor = strategy.residual(tokens, normed) + block.ls2(block.mlp(normed))
        return out

    return forward


def _thinned(tokens: Tensor, view: LayerView, positions: Tensor, strategy: EfficiencyStrategy, trail: _Trail) -> Tensor:
    """Leave the tokens at `positions` [n, k], and merge the others into them if the strategy says how."""
    matrix = strategy.merging(view, positions)
    if matrix is None and trail.sizes is None:
        return gather_patches(tokens, positions)
    sizes = torch.ones_like(tokens[..., 0]) if trail.sizes is None else trail.sizes
    if matrix is None:
        trail.sizes = gather_patches(sizes.unsqueeze(-1), positions).squeeze(-1)
        return gather_patches(tokens, positions)
    mass = matrix.to(tokens) * sizes.unsqueeze(1)  # [n, 1 + k, t]
    trail.sizes = mass.sum(-1)
    nothing = f"Efficiency strategy '{strategy.name}' made a token of nothing. Keep each token itself."
    trail.promise((trail.sizes > 0).all(), nothing)
    return mass @ tokens / trail.sizes.unsqueeze(-1)


def _all_patches(tokens: Tensor) -> Tensor:
    n, t, _ = tokens.shape
    return torch.arange(t - 1, device=tokens.device).expand(n, -1).contiguous()


def _placed(choice: Tensor, there: Tensor, name: str, trail: _Trail) -> tuple[Tensor, Tensor]:
    """Sort a strategy's choice [n, k], say where its patches lie among those there are, and that they have to."""
    choice = choice.sort(dim=1).values
    if choice.shape[1] == 0:
        raise ContractError(f"Efficiency strategy '{name}' kept no patch at all. It must keep at least one per image.")
    positions = torch.searchsorted(there, choice).clamp(max=there.shape[1] - 1)
    gone = f"Efficiency strategy '{name}' chose patches that were already gone. Choose from view.kept."
    trail.promise((there.gather(1, positions) == choice).all(), gone)
    return choice, positions
