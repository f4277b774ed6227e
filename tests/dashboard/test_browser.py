"""The page in Chromium."""

from pathlib import Path

import pytest

from tests.dashboard.browser import browser, needs_chromium
from tests.dashboard.served import gone, running, small_dashboard

pytestmark = [needs_chromium, pytest.mark.slow]

WHY = "document.body.classList.contains('-over') && document.getElementById('why').innerText"


async def test_a_view_in_the_browser(tmp_path: Path) -> None:
    with running(small_dashboard(), tmp_path) as dashboard:
        async with browser() as chromium:
            tab = await chromium.tab()
            await tab.go(dashboard.address)
            screen = await tab.screen_with("hello from the app")
            assert "size 100x" in screen, "900 pixels at 9 a cell"
            await tab.press("k")
            await tab.screen_with("keys: k")
            assert await tab.value("location.href") == f"{dashboard.origin}/", "no token to be seen"
            assert await tab.value("document.cookie") == "", "nor to be read by scripts"
            assert await tab.value("document.fonts.check('16px \"Roboto Mono\"')")
            ours = (dashboard.origin, dashboard.origin.replace("http", "ws"))
            assert all(address.startswith(ours) for address in tab.requested), tab.requested
            assert not [line for line in tab.console if "Content Security Policy" in line or "Error" in line]

            await tab.press("d")
            assert await tab.until(WHY) == (
                "The view ended with exit code 3: something went wrong [bold]here[/]"
            )
            assert await tab.value("document.activeElement.id") == "reload"
            await tab.value("document.getElementById('reload').click()")
            await tab.screen_with("keys:")
            assert "keys: k" not in await tab.screen_with("hello from the app"), "a new view"

            other = await chromium.tab()
            await other.go(dashboard.origin)
            await other.screen_with("hello from the app")
            assert len(dashboard.processes()) == 2
            await chromium.close(other)
            await chromium.close(tab)
            assert await gone(dashboard)


async def test_a_narrow_screen_gets_the_plain_page_and_the_app_when_it_asks(tmp_path: Path) -> None:
    with running(small_dashboard(), tmp_path) as dashboard:
        async with browser() as chromium:
            tab = await chromium.tab()
            await tab.call(
                "Emulation.setDeviceMetricsOverride", width=400, height=800, deviceScaleFactor=1, mobile=True
            )
            await tab.go(dashboard.address)
            assert await tab.until("document.title", lambda title: title == "plain")
            assert await tab.value("location.pathname") == "/plain"
            await tab.go(f"{dashboard.origin}/#full")
            await tab.screen_with("hello from the app")


async def test_ten_browser_tabs_opened_and_closed_at_once(tmp_path: Path) -> None:
    with running(small_dashboard(), tmp_path) as dashboard:
        async with browser() as chromium:
            first = await chromium.tab()
            await first.go(dashboard.address)
            await first.screen_with("hello")
            tabs = [await chromium.tab() for _ in range(10)]
            for tab in tabs:
                await tab.go(dashboard.origin)
            for tab in tabs:
                await chromium.close(tab)
            await first.press("k")
            await first.screen_with("keys: k")
            await chromium.close(first)
            assert await gone(dashboard)


async def test_the_server_goes_while_a_page_is_open(tmp_path: Path) -> None:
    with running(small_dashboard(), tmp_path) as dashboard:
        async with browser() as chromium:
            tab = await chromium.tab()
            await tab.go(dashboard.address)
            await tab.screen_with("hello")
            assert dashboard.end() == 0
            assert not dashboard.processes()
            assert str(await tab.until(WHY)).startswith("The dashboard has stopped.")


async def test_a_page_elsewhere_gets_nothing(tmp_path: Path) -> None:
    """Another server of this machine is the same site to a browser: the cookie is sent, and its Origin tells it."""
    with running(small_dashboard(), tmp_path) as dashboard, running(small_dashboard(), tmp_path) as elsewhere:
        async with browser() as chromium:
            tab = await chromium.tab()
            await tab.go(dashboard.address)
            await tab.screen_with("hello")
            await tab.go(f"{elsewhere.origin}/nothing")
            await tab.until(
                f"location.href == '{elsewhere.origin}/nothing' && document.readyState == 'complete'"
            )
            await tab.call("Page.setBypassCSP", enabled=True)
            await tab.go(f"{elsewhere.origin}/other")
            await tab.until(
                f"location.href == '{elsewhere.origin}/other' && document.readyState == 'complete'"
            )
            assert await gone(dashboard)
            address = dashboard.origin.replace("http", "ws") + "/ws?width=80&height=24"
            await tab.value(
                f"window.met = ''; const s = new WebSocket('{address}'); s.onopen = () => met = 'open'; "
                "s.onclose = () => met ||= 'closed'"
            )
            assert await tab.until("window.met") == "closed"
            assert not dashboard.processes()
