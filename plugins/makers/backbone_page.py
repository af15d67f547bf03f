"""The table of docs/reference/backbones.md, from the classes: `python -m makers.backbone_page`."""

from __future__ import annotations

from freeshot.contracts.component import describe_type, options_of
from freeshot_vision.backbones.providers import NUMBERS, PROVIDERS, TimmProvider, TimmVit


def networks() -> str:
    """List the networks by name."""
    lines = ["| name | network of timm | side | normalised by | what it is |", "|---|---|---|---|---|"]
    for provider in PROVIDERS:
        default = provider()
        chosen = "timm's numbers" if isinstance(default, TimmVit) else _numbers(default)
        network = "any, `model=…`" if isinstance(default, TimmVit) else f"`{default.architecture}`"
        lines.append(f"| `{provider.name}` | {network} | {default.side} | {chosen} | {provider.summary()} |")
    return "\n".join(lines)


def options() -> str:
    """List the options, shared ones first."""
    lines = ["| option | of | values | default | meaning |", "|---|---|---|---|---|"]
    seen: set[str] = set()
    for provider in (TimmProvider, *PROVIDERS):
        for option in options_of(provider).values():
            if option.name in seen:
                continue
            seen.add(option.name)
            whose = [p for p in PROVIDERS if option.name in options_of(p)]
            of = "all" if len(whose) == len(PROVIDERS) else ", ".join(f"`{p.name}`" for p in whose)
            values = describe_type(option.type).replace("|", "\\|")
            default = f"`{option.default}`" if option.default != "" else ""
            lines.append(f"| `{option.name}` | {of} | {values} | {default} | {option.help} |")
    return "\n".join(lines)


def numbers() -> str:
    """List the available normalisations."""
    lines = ["| name | mean | standard deviation |", "|---|---|---|"]
    for name, (mean, deviation) in NUMBERS.items():
        lines.append(f"| `{name}` | {', '.join(map(str, mean))} | {', '.join(map(str, deviation))} |")
    return "\n".join(lines)


def _numbers(provider: TimmProvider) -> str:
    own = f"its own, `{provider.own}`" if provider.normalize == "own" else f"`{provider.normalize}`"
    return own if provider.normalize == "own" else f"{own} (its own: `{provider.own}`)"


if __name__ == "__main__":
    print(networks(), options(), numbers(), sep="\n\n")
