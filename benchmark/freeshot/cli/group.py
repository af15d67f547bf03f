"""How verbs are found and how they fail: in one sentence, without a traceback."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import rich_click as click

from freeshot.basics.errors import FreeshotError
from freeshot.basics.names import unknown_name
from freeshot.cli.console import tell_error, tell_warning
from freeshot.cli.session import session_of

if TYPE_CHECKING:
    from click import Command, Context

VERBS = {
    "run": "freeshot.cli.run",
    "leaderboard": "freeshot.cli.leaderboard",
    "compare": "freeshot.cli.compare",
    "plan": "freeshot.cli.plan",
    "results": "freeshot.cli.results",
    "reproduce": "freeshot.cli.reproduce",
    "list": "freeshot.cli.listing",
    "show": "freeshot.cli.show",
    "plugins": "freeshot.cli.plugins",
    "plugin": "freeshot.cli.plugin",
    "pool": "freeshot.cli.pool",
    "data": "freeshot.cli.data",
    "recycle": "freeshot.cli.recycle",
    "predict": "freeshot.cli.predict",
    "cache": "freeshot.cli.cache",
}
"""Our verbs; the module of each holds it as `command` and is imported when it is called or listed."""


class HelpfulGroup(click.RichGroup):
    """A group that answers a mistyped verb with the nearest one."""

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command | None, list[str]]:
        """Find the verb, or raise with the nearest names."""
        if args and self.get_command(ctx, args[0]) is None:
            raise unknown_name("command", args[0], self.list_commands(ctx))
        return super().resolve_command(ctx, args)


class VerbGroup(HelpfulGroup):
    """Our verbs, then those of plugins, which are loaded only for what is not ours."""

    def list_commands(self, ctx: Context) -> list[str]:
        """List ours in reading order, then the plugins'."""
        return [*VERBS, *sorted(session_of(ctx).foreign_commands)]

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        """Import our verb, or ask the plugins."""
        if cmd_name in VERBS:
            command: Command = import_module(VERBS[cmd_name]).command
            return command
        return session_of(ctx).foreign_commands.get(cmd_name)

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Read the arguments; help lists the commands of plugins, which may not be there."""
        try:
            return super().parse_args(ctx, args)
        except FreeshotError as error:
            tell_error(str(error))
            ctx.exit(error.exit_code)

    def invoke(self, ctx: Context) -> Any:
        """Run the verb; every failure a person can cause ends in one sentence and an exit code."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()  # here, where a closed pipe can still be handled
        except FreeshotError as error:
            session_of(ctx).warn()
            tell_error(str(error))
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            tell_warning("Interrupted. Nothing finished is lost; repeat the command to continue.")
            ctx.exit(130)
        except BrokenPipeError:
            _close_quietly()
            ctx.exit(1)
        finally:
            session_of(ctx).warn()
        return result


def _close_quietly() -> None:
    """Point stdout nowhere, so that the interpreter's last flush does not complain about the closed pipe."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
