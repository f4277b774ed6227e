"""The command palette: what the keys do, found by name."""

from collections.abc import Iterator

from textual.command import DiscoveryHit, Hit, Hits, Provider

from agentbatch.tui.keys import Key, keys_of
from agentbatch.tui.screens.sized import SizedScreen


def keys_on(screen: object) -> list[Key]:
    """The keys that work on a screen."""
    own = keys_of(screen.place, control=screen.control) if isinstance(screen, SizedScreen) else []
    return [*own, *keys_of("everywhere")]


class KeyCommands(Provider):
    """A command for each key of the screen."""

    async def discover(self) -> Hits:
        for key in self._keys():
            yield DiscoveryHit(key.label, self._doing(key), help=f"{key.text} ({key.shown})")

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for key in self._keys():
            score = max(matcher.match(key.label), matcher.match(key.text))
            if score > 0:
                yield Hit(
                    score, matcher.highlight(key.label), self._doing(key), help=f"{key.text} ({key.shown})"
                )

    def _keys(self) -> Iterator[Key]:
        return (key for key in keys_on(self.screen) if not key.action.startswith("search_"))

    def _doing(self, key: Key):  # type: ignore[no-untyped-def]
        async def do() -> None:
            await self.screen.run_action(key.action)

        return do
