"""The forward pass through a ViT with LoRAs, on selected patches, with tokens dropped on the way.

Only the block in which tokens are dropped re-implements timm's forward pass; everything else uses hooks, which are
removed when the pass ends, also after an error.
Axes: n images, t tokens (class token first), k kept patches, d width.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

from freeshot.basics.errors import ContractError, OptionError
from freeshot.contracts.tensors import LayerView
from freeshot.engine.vit.bf16 import autocast, bf16_copy_under_autocast
from freeshot.ops.tokens import gather_patches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from freeshot.contracts.efficiency import EfficiencyStrategy


class Network(Protocol):
    """A vision transformer and the normalisation before it: a `Backbone` or a `EpisodeBackbone`."""

    @property
    def vit(self) -> nn.Module:
        """The module that maps normalised images to features."""
        ...

    @property
    def normalize(self) -> nn.Module:
        """The module that normalises images from 0…1."""
        ...


class AdditiveAdapter(Protocol):
    """An additive adapter of linear layers: a `LoraBank`, or a mixture of LoRAs."""

    @property
    def modules_touched(self) -> tuple[str, ...]:
        """Names of the linear layers that it modifies."""
        ...

    def delta(self, module: str, inputs: Tensor, width: int) -> Tensor:
        """Return the addition to a layer's output: inputs [n, t, i] → [n, t, width]."""
        ...


@dataclass(frozen=True, eq=False)
class ForwardOutput:
    """The output of a forward pass: features, and the patches that remained at the end."""

    features: Tensor
    """[n, d]."""
    kept: Tensor | None
    """[n, k]; None if no patch was dropped."""


def forward(
    backbone: Network,
    images: Tensor,
    bank: AdditiveAdapter | None = None,
    kept: Tensor | None = None,
    strategy: EfficiencyStrategy | None = None,
    progress: float = 1.0,
    registers: Tensor | None = None,
) -> ForwardOutput:
    """Map images [n, 3, h, w] in 0…1 to features; differentiable in images, bank and registers.

    Patch embedding processes all patches, and kept ones carry their own position; only the blocks are sparse. Registers
    [g, p, d] are tokens appended to the others, the same for all images of a group; n is ordered by group. Under
    bfloat16 autocast a frozen network runs in bfloat16; features have the images' dtype.
    """
    assert registers is None or strategy is None, "a strategy would treat registers as patches"
    if kept is not None or strategy is not None:
        require_class_token(backbone.vit)
    if registers is not None:
        _require_token_pooling(backbone.vit)
    if strategy is not None and kept is None:
        kept = strategy.patches(progress, images)
        kept = None if kept is None else kept.sort(dim=1).values  # searchsorted below needs sorted indices
    state = TokenState(kept)
    normalized, vit = backbone.normalize(images), bf16_copy_under_autocast(backbone.vit)
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
            stack.enter_context(_pruning_blocks(vit, strategy, progress, state))
        features: Tensor = vit(normalized)  # [n, d]
    state.require_sound()
    return ForwardOutput(features.to(images) if halved else features, state.kept)


def require_class_token(vit: nn.Module) -> None:
    """Require a network with exactly one class token before the patches; OptionError otherwise."""
    before = int(getattr(vit, "num_prefix_tokens", 1))
    if before != 1:
        raise OptionError(
            f"Patch selection needs exactly one class token, but this network has {before} tokens before its patches. "
            "Choose strategy=none, an inversion that uses logits only, or another backbone."
        )


def _require_token_pooling(vit: nn.Module) -> None:
    """Require a network whose feature is not pooled over all tokens, which would include registers.

    OptionError otherwise.
    """
    pooling = getattr(vit, "global_pool", "token")
    if pooling not in ("token", ""):
        raise OptionError(
            f"Register tokens require class-token pooling, but this network pools by "
            f"'{pooling}'. Choose another backbone, or a method without registers."
        )


@dataclass
class TokenState:
    """The remaining patches and token sizes during a forward pass."""

    kept: Tensor | None
    sizes: Tensor | None = None
    """[n, t], the number of patches that each token represents; None until the first merge."""
    _conditions: list[tuple[Tensor, str]] = field(default_factory=list)
    """Conditions, with the error message if one is false."""

    def promise(self, truth: Tensor, otherwise: str) -> None:
        """Record a bool [] that is checked after the forward pass, which avoids a GPU synchronisation."""
        self._conditions.append((truth, otherwise))

    def require_sound(self) -> None:
        """Raise ContractError with the message of the first condition that is false."""
        if self._conditions and not bool(torch.stack([truth for truth, _ in self._conditions]).all()):
            raise ContractError(next(otherwise for truth, otherwise in self._conditions if not bool(truth)))


@dataclass(frozen=True, eq=False)
class _InAutocast:
    """Adds a full-precision adapter to a network in bfloat16."""

    inner: AdditiveAdapter

    @property
    def modules_touched(self) -> tuple[str, ...]:
        return self.inner.modules_touched

    def delta(self, module: str, inputs: Tensor, width: int) -> Tensor:
        with autocast(inputs.device.type, enabled=True):
            return self.inner.delta(module, inputs, width).to(inputs)


@dataclass(frozen=True, eq=False)
class Attended:
    """The output of an attention layer with its attention weights."""

    mixed: Tensor
    """[n, t, d]."""
    weights: Tensor
    """[n, heads, t, t]."""
    keys: Tensor
    """[n, heads, t, d / heads]."""


def attend(attention: Any, tokens: Tensor, sizes: Tensor | None = None) -> Attended:
    """Run a timm attention layer on tokens [n, t, d] and return its attention weights as well.

    Fused attention returns no weights, so layers in which tokens are selected compute them explicitly. A token of size
    s gets the attention of s equal tokens (ToMe's proportional attention).
    """
    n, t, _ = tokens.shape
    q, k, v = attention.qkv(tokens).reshape(n, t, 3, attention.num_heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
    q, k = attention.q_norm(q), attention.k_norm(k)  # [n, heads, t, d / heads]
    scores = q * attention.scale @ k.mT  # [n, heads, t, t]
    if sizes is not None:
        scores = scores + sizes.log()[:, None, None]
    weights = scores.softmax(-1)
    mixed = (weights @ v).transpose(1, 2).reshape(n, t, -1)  # [n, t, d]
    if hasattr(attention, "norm"):
        mixed = attention.norm(mixed)
    return Attended(attention.proj(mixed), weights, k)


@contextmanager
def _lora_hooks(vit: nn.Module, bank: AdditiveAdapter) -> Iterator[None]:
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
    """Drop tokens before the first block, after position embedding and pre-norm."""
    first = vit.get_submodule("blocks.0")
    handle = first.register_forward_pre_hook(lambda _, inputs: (gather_patches(inputs[0], kept), *inputs[1:]))
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _register_hook(vit: nn.Module, registers: Tensor) -> Iterator[None]:
    """Append register tokens before the first block."""

    def lengthened(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        tokens, *others = inputs
        added = registers.repeat_interleave(len(tokens) // len(registers), dim=0).to(tokens)  # [n, p, d]
        return torch.cat([tokens, added], dim=1), *others  # [n, t + p, d]

    handle = vit.get_submodule("blocks.0").register_forward_pre_hook(lengthened)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _pruning_blocks(vit: nn.Module, strategy: EfficiencyStrategy, progress: float, state: TokenState) -> Iterator[None]:
    """Replace the forward pass of the strategy's layers by one that calls `select` between attention and MLP."""
    blocks = list(vit.get_submodule("blocks").children())
    chosen = [layer % len(blocks) for layer in strategy.layers(len(blocks))]
    for layer in chosen:
        blocks[layer].forward = _asking_forward(blocks[layer], layer, len(blocks), strategy, progress, state)
    try:
        yield
    finally:
        for layer in chosen:
            blocks[layer].__dict__.pop("forward", None)


def _asking_forward(
    block: Any, layer: int, layers: int, strategy: EfficiencyStrategy, progress: float, state: TokenState
) -> Callable[..., Tensor]:
    def forward(tokens: Tensor, *_: object, **__: object) -> Tensor:
        attended = attend(block.attn, block.norm1(tokens), state.sizes)
        tokens = tokens + block.ls1(attended.mixed)
        there = state.kept if state.kept is not None else _all_patches(tokens)
        view = LayerView(layer, layers, progress, attended.weights, attended.keys, there)
        choice = strategy.select(view)
        if choice is not None:
            choice, positions = _placed(choice, there, strategy.name, state)
            tokens = _thinned(tokens, view, positions, strategy, state)
            state.kept = choice
        normed = block.norm2(tokens)
        out: Tensor = strategy.residual(tokens, normed) + block.ls2(block.mlp(normed))
        return out

    return forward


def _thinned(
    tokens: Tensor, view: LayerView, positions: Tensor, strategy: EfficiencyStrategy, state: TokenState
) -> Tensor:
    """Keep the tokens at `positions` [n, k], and merge the others into them if the strategy returns a matrix."""
    matrix = strategy.merging(view, positions)
    if matrix is None and state.sizes is None:
        return gather_patches(tokens, positions)
    sizes = torch.ones_like(tokens[..., 0]) if state.sizes is None else state.sizes
    if matrix is None:
        state.sizes = gather_patches(sizes.unsqueeze(-1), positions).squeeze(-1)
        return gather_patches(tokens, positions)  # [n, 1 + k, d]
    mass = matrix.to(tokens) * sizes.unsqueeze(1)  # [n, 1 + k, t]
    state.sizes = mass.sum(-1)  # [n, 1 + k]
    nothing = f"Efficiency strategy '{strategy.name}' merged no token into one. Include each token itself."
    state.promise((state.sizes > 0).all(), nothing)
    return mass @ tokens / state.sizes.unsqueeze(-1)  # [n, 1 + k, d]


def _all_patches(tokens: Tensor) -> Tensor:
    n, t, _ = tokens.shape
    return torch.arange(t - 1, device=tokens.device).expand(n, -1).contiguous()


# [n, t − 1]


def _placed(choice: Tensor, there: Tensor, name: str, state: TokenState) -> tuple[Tensor, Tensor]:
    """Sort a strategy's choice [n, k] and return it with its positions in `there`, which must contain it."""
    choice = choice.sort(dim=1).values
    if choice.shape[1] == 0:
        raise ContractError(f"Efficiency strategy '{name}' kept no patch. It must keep at least one per image.")
    positions = torch.searchsorted(there, choice).clamp(max=there.shape[1] - 1)  # [n, k]
    gone = f"Efficiency strategy '{name}' chose patches that were already dropped. Choose from view.kept."
    state.promise((there.gather(1, positions) == choice).all(), gone)
    return choice, positions
