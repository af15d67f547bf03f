"""The forward pass through a ViT with LoRAs, on selected patches, with tokens dropped on the way.

Only the block in which tokens are dropped re-implements timm's forward pass; everything else uses hooks, which are
removed when the pass ends, also after an error.
Axes: n images, t tokens (class token first), k kept patches, d width.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from freeshot.basics.errors import ContractError, OptionError
from freeshot.contracts.strategy import EfficiencyStrategy
from freeshot.contracts.tensors import LayerView
from freeshot.engine.vit.bf16 import autocast
from freeshot.ops.tokens import gather_patches


class Network(Protocol):
    """A vision transformer and the normalisation before it: a `Backbone` or an `EpisodeBackbone`."""

    @property
    def vit(self) -> nn.Module:
        """The module that maps normalised images to features."""

    @property
    def computing(self) -> nn.Module:
        """`vit`, or its bfloat16 copy if that is to compute."""

    @property
    def normalize(self) -> nn.Module:
        """The module that normalises images from 0…1."""


class AdditiveAdapter(Protocol):
    """An additive adapter of linear layers: a `LoraBank`, or a mixture of LoRAs."""

    @property
    def modules_touched(self) -> tuple[str, ...]:
        """Names of the linear layers that it modifies."""

    def delta(self, module: str, inputs: Tensor, width: int) -> Tensor:
        """Return the addition to a layer's output: inputs [n, t, i] → [n, t, width]."""


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
    [g, p, d] are tokens appended to the others, the same for all images of a group; n is ordered by group. A
    backbone of precision bf16 computes in bfloat16; features have the images' dtype.
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
    normalized, vit = backbone.normalize(images), backbone.computing
    halved = vit is not backbone.vit
    with ExitStack() as stack:
        if halved:
            stack.enter_context(autocast(images.device.type, enabled=False))
            normalized = normalized.bfloat16()
        if bank is not None:
            for name in bank.modules_touched:
                hook = partial(_add_delta, bank, name, halved=halved)
                stack.enter_context(vit.get_submodule(name).register_forward_hook(hook))
        if kept is not None:  # the first block's input comes after position embedding and pre-norm
            first = vit.get_submodule("blocks.0")
            stack.enter_context(first.register_forward_pre_hook(partial(_gather_tokens, kept)))
        if registers is not None:
            first = vit.get_submodule("blocks.0")
            stack.enter_context(first.register_forward_pre_hook(partial(_append_registers, registers)))
        if strategy is not None:
            blocks = list(vit.get_submodule("blocks").children())
            for layer in {layer % len(blocks) for layer in strategy.layers(len(blocks))}:
                block, where = blocks[layer], (layer, len(blocks), progress)
                block.forward = partial(_block_with_selection, block, where, strategy, state)
                stack.callback(vars(block).pop, "forward")  # restores the forward pass of its class
        features: Tensor = vit(normalized)  # [n, d]
    state.check()
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
    """Require a network whose feature is not pooled over all tokens, which would include registers; OptionError."""
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

    def require(self, condition: Tensor, otherwise: str) -> None:
        """Record a bool [] that is checked after the forward pass, which avoids a GPU synchronisation."""
        self._conditions.append((condition, otherwise))

    def check(self) -> None:
        """Raise ContractError with the message of the first condition that is false."""
        if self._conditions and not bool(torch.stack([condition for condition, _ in self._conditions]).all()):
            raise ContractError(next(otherwise for condition, otherwise in self._conditions if not bool(condition)))


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
    qkv = attention.qkv(tokens).reshape(n, t, 3, attention.num_heads, -1)  # [n, t, 3, heads, d / heads]
    q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # [n, heads, t, d / heads] each
    q, k = attention.q_norm(q), attention.k_norm(k)
    scores = q * attention.scale @ k.mT  # [n, heads, t, t]
    if sizes is not None:
        scores = scores + sizes.log()[:, None, None]  # [n, heads, t, t]
    weights = scores.softmax(-1)
    mixed = (weights @ v).transpose(1, 2).reshape(n, t, -1)  # [n, t, d]
    if hasattr(attention, "norm"):
        mixed = attention.norm(mixed)
    return Attended(attention.proj(mixed), weights, k)


def _add_delta(
    bank: AdditiveAdapter, name: str, _: nn.Module, inputs: tuple[Tensor, ...], output: Tensor, *, halved: bool
) -> Tensor:
    """Add an adapter's part to a layer's output [n, t, o]; in a bfloat16 network it is computed under autocast."""
    if not halved:
        return output + bank.delta(name, inputs[0], output.shape[-1])
    with autocast(output.device.type, enabled=True):
        return output + bank.delta(name, inputs[0], output.shape[-1]).to(output)


def _gather_tokens(kept: Tensor, _: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    tokens, *others = inputs
    return gather_patches(tokens, kept), *others  # [n, 1 + k, d]


def _append_registers(registers: Tensor, _: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    tokens, *others = inputs
    added = registers.repeat_interleave(len(tokens) // len(registers), dim=0).to(tokens)  # [n, p, d]
    return torch.cat([tokens, added], dim=1), *others  # [n, t + p, d]


def _block_with_selection(
    block: Any,
    where: tuple[int, int, float],
    strategy: EfficiencyStrategy,
    state: TokenState,
    tokens: Tensor,
    *_: object,
    **__: object,
) -> Tensor:
    """Run a block whose strategy selects tokens [n, t, d] between attention and MLP; `where` starts a LayerView."""
    attended = attend(block.attn, block.norm1(tokens), state.sizes)
    tokens = tokens + block.ls1(attended.mixed)
    before = state.kept if state.kept is not None else _all_patches(tokens)  # [n, t − 1]
    view = LayerView(*where, attended.weights, attended.keys, before)
    choice = strategy.select(view)
    if choice is not None:
        state.kept, indices = _checked_choice(choice, before, strategy.name, state)  # [n, k] each
        tokens = reduce_tokens(tokens, view, indices, strategy, state)  # [n, 1 + k, d]
    normed = block.norm2(tokens)
    out: Tensor = strategy.residual(tokens, normed) + block.ls2(block.mlp(normed))
    return out


def _all_patches(tokens: Tensor) -> Tensor:
    n, t, _ = tokens.shape
    return torch.arange(t - 1, device=tokens.device).expand(n, -1).contiguous()  # [n, t − 1]


def _checked_choice(choice: Tensor, before: Tensor, name: str, state: TokenState) -> tuple[Tensor, Tensor]:
    """Sort a strategy's choice [n, k] and return it with its indices in `before`, which must contain it."""
    choice = choice.sort(dim=1).values  # [n, k]
    if choice.shape[1] == 0:
        raise ContractError(f"Efficiency strategy '{name}' kept no patch. It must keep at least one per image.")
    indices = torch.searchsorted(before, choice).clamp(max=before.shape[1] - 1)  # [n, k]
    gone = f"Efficiency strategy '{name}' chose patches that were already dropped. Choose from view.kept."
    state.require((before.gather(1, indices) == choice).all(), gone)
    return choice, indices


def reduce_tokens(
    tokens: Tensor, view: LayerView, indices: Tensor, strategy: EfficiencyStrategy, state: TokenState
) -> Tensor:
    """Keep the patches at `indices` [n, k] of tokens [n, t, d]; a strategy's matrix merges the others into them."""
    matrix = strategy.merging(view, indices)
    if matrix is None:
        if state.sizes is not None:
            state.sizes = gather_patches(state.sizes.unsqueeze(-1), indices).squeeze(-1)  # [n, 1 + k]
        return gather_patches(tokens, indices)  # [n, 1 + k, d]
    sizes = torch.ones_like(tokens[..., 0]) if state.sizes is None else state.sizes  # [n, t]
    mass = matrix.to(tokens) * sizes.unsqueeze(1)  # [n, 1 + k, t]
    state.sizes = mass.sum(-1)  # [n, 1 + k]
    nothing = f"Efficiency strategy '{strategy.name}' merged no token into one. Include each token itself."
    state.require((state.sizes > 0).all(), nothing)
    return mass @ tokens / state.sizes.unsqueeze(-1)  # [n, 1 + k, d]
