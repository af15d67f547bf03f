"""Resolve verbs, built-in ones and those of plugins, and report errors as one sentence without a traceback."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

import rich_click as click
from click import Command, Context
from click.exceptions import Abort, ClickException, Exit

from freeshot.basics.errors import FreeshotError
from freeshot.basics.suggestions import unknown_name
from freeshot.cli.console import print_error, print_warning
from freeshot.cli.context import Session, session_of
from freeshot.plugin.host import PluginInfo

VERBS = {
    "run": "freeshot.cli.commands.run",
    "leaderboard": "freeshot.cli.commands.leaderboard",
    "view": "freeshot.cli.commands.view",
    "compare": "freeshot.cli.commands.compare",
    "power": "freeshot.cli.commands.power",
    "results": "freeshot.cli.commands.results",
    "reproduce": "freeshot.cli.commands.reproduce",
    "list": "freeshot.cli.commands.list_",
    "show": "freeshot.cli.commands.show",
    "plugin": "freeshot.cli.commands.plugin",
    "pool": "freeshot.cli.commands.pool",
    "data": "freeshot.cli.commands.data",
    "recycle": "freeshot.cli.commands.recycle",
    "evaluate": "freeshot.cli.commands.evaluate",
    "predict": "freeshot.cli.commands.predict",
    "cache": "freeshot.cli.commands.cache",
}
"""Verb → module with its `command`, which is imported when the verb is called or listed."""
HOOK = "freeshot_commands"


def plugin_commands(session: Session) -> dict[str, Command]:
    """Collect the commands of plugins, once; a built-in or duplicate name is left out and reported."""
    if session.plugin_commands is None:
        claims: dict[str, list[tuple[PluginInfo, Command]]] = {}
        for info in session.host.loaded:
            group = click.RichGroup(name="freeshot")
            for _ in session.host.results(HOOK, plugin=info.name, cli=group) if HOOK in info.hooks else ():
                for name, command in group.commands.items():
                    claims.setdefault(name, []).append((info, command))
        problems = {name: problem for name in claims if (problem := _problem(name, [i for i, _ in claims[name]]))}
        for name, problem in problems.items():
            for info, _ in claims[name]:
                session.host.note(info, problem, HOOK)
        session.plugin_commands = {name: made[0][1] for name, made in claims.items() if name not in problems}
    return session.plugin_commands


def _problem(name: str, providers: list[PluginInfo]) -> str:
    if name in VERBS:
        return f"Its command '{name}' has the name of a built-in command. Rename it."
    if len(providers) > 1:
        origins = " and ".join(info.origin for info in providers)
        return f"Its command '{name}' is defined by several plugins ({origins}). Use --no-plugin for all but one."
    return ""


class HelpfulGroup(click.RichGroup):
    """A group that suggests the nearest verb for a mistyped one."""

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command | None, list[str]]:
        """Return the verb; raise UnknownNameError with the nearest name otherwise."""
        if args and self.get_command(ctx, args[0]) is None:
            raise unknown_name("command", args[0], self.list_commands(ctx))
        return super().resolve_command(ctx, args)


class VerbGroup(HelpfulGroup):
    """The built-in verbs, then those of plugins, which are loaded only for other names."""

    def list_commands(self, ctx: Context) -> list[str]:
        """List the built-in verbs in reading order, then those of plugins."""
        return [*VERBS, *sorted(plugin_commands(session_of(ctx)))]

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        """Import a built-in verb, or look for one among the plugins."""
        if cmd_name in VERBS:
            command: Command = import_module(VERBS[cmd_name]).command
            return command
        return plugin_commands(session_of(ctx)).get(cmd_name)

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Parse the arguments; `--help` loads plugins, which may fail."""
        try:
            return super().parse_args(ctx, args)
        except FreeshotError as error:
            print_error(str(error))
            ctx.exit(error.exit_code)

    def invoke(self, ctx: Context) -> Any:
        """Run the verb; every user error ends in one sentence and an exit code."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()  # here, where a closed pipe can still be handled
        except FreeshotError as error:
            session_of(ctx).warn()
            print_error(str(error))
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            print_warning("Interrupted. Finished work is kept; rerun the command to continue.")
            ctx.exit(130)
        except BrokenPipeError:
            # so that the interpreter's last flush does not fail on the closed pipe
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(1)
        except (Abort, ClickException, Exit):
            raise
        except Exception as error:
            from freeshot.cli.failures import print_plugin_error

            if not print_plugin_error(error, session_of(ctx).host.packages):
                raise  # no plugin is involved, so this is an error of FreeShot
            ctx.exit(1)
        finally:
            session_of(ctx).warn()
        return result
