"""Tell observers what happens. One that raises is told nothing more; the run goes on."""

from __future__ import annotations

import sys
from typing import Any

from ticketbench.plugin.loading import Plugins


def notify(plugins: Plugins, hook: str, **facts: Any) -> None:
    """Call a hook's implementations one by one, each with the arguments it asks for."""
    for implementation in getattr(plugins.manager.hook, hook).get_hookimpls():
        try:
            implementation.function(*(facts[name] for name in implementation.argnames))
        except Exception as error:
            name = implementation.plugin_name
            reason = f"{type(error).__name__}: {error}"
            print(
                f"ticketbench: warning: observer '{name}' failed in {hook} and is told no more: {reason}",
                file=sys.stderr,
            )
            plugins.manager.unregister(name=name)
