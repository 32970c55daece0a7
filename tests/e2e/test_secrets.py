"""The key goes in once and comes out nowhere; and no other page gets in."""

from __future__ import annotations

import itertools
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.canvas import Canvas
from tests.e2e.graphs import GENERATE, generate
from tests.e2e.sites import KEY, Site

SECRET = KEY.partition(".")[2]
seeds = itertools.count(5000)


def open_settings(canvas: Canvas) -> None:
    canvas.page.evaluate("() => window.app.extensionManager.command.execute('Lumenfall.Settings')")


def test_receipts_are_switched_off_in_the_dialog(page: Canvas) -> None:
    before = page.site.settings_file.read_bytes()
    try:
        open_settings(page)
        dialog = page.page.get_by_role("dialog", name="Lumenfall")
        dialog.get_by_label("Receipts in saved pictures").select_option("off")
        dialog.get_by_role("button", name="Save").click()
        expect(dialog).to_have_count(0)
        assert json.loads(page.site.settings_file.read_text())["receipts"] == "off"
    finally:
        page.site.settings_file.write_bytes(before)


def test_the_key_is_set_masked_tried_and_used_and_is_in_nothing_that_is_served(page: Canvas) -> None:
    page.site.settings_file.unlink()
    open_settings(page)
    dialog = page.page.get_by_role("dialog", name="Lumenfall")
    dialog.get_by_label("Base URL").fill(page.site.sandbox.base_url)
    dialog.get_by_label("API key").fill(KEY)
    page.shoot("settings-typing")
    dialog.get_by_role("button", name="Test connection").click()
    expect(dialog).to_contain_text(re.compile("127.0.0.1"))
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_have_count(0)
    # Whoever asked for models or prices while there was no key was told so.
    page.complaints[:] = [
        said for said in page.complaints if not said.endswith(("/lumenfall/models", "/lumenfall/estimate"))
    ]
    assert page.site.settings_file.stat().st_mode & 0o777 == 0o600

    open_settings(page)
    expect(dialog).to_contain_text(KEY[-4:])
    assert SECRET not in dialog.inner_html()
    page.shoot("settings")
    page.page.keyboard.press("Escape")

    page.open(generate(seed=next(seeds)))
    page.run()
    page.finished(GENERATE)
    sent = [one for one in page.site.sandbox.requests if one.endpoint.startswith("images/")]
    assert sent[-1].headers["authorization"] == f"Bearer {KEY}"
    page.page.wait_for_function("() => window.app.nodeOutputs['2']?.images?.length === 1")

    page.site.post("/userdata/workflows%2Fkept.json", page.saved())
    served = [page.site.get(path) for path in every_route(page.site)]
    served += [page.site.get(f"/lumenfall{path}", **{"X-Lumenfall": "1"}) for path in OWN_ROUTES]
    (image,) = page.page.evaluate("() => window.app.nodeOutputs['2'].images")
    picture = f"/view?filename={image['filename']}&subfolder={image['subfolder']}&type={image['type']}"
    served.append(page.site.get(picture))
    kept = page.page.evaluate("() => JSON.stringify([localStorage, sessionStorage, document.cookie])")
    served += [kept.encode(), str(page.saved()).encode(), str(page.prompt()).encode(), page.site.log().encode()]
    for content in served:
        assert SECRET.encode() not in content


OWN_ROUTES = ("/models", "/settings", "/spend", "/balance", "/calls")


def every_route(site: Site) -> Iterator[str]:
    yield from ("/settings", "/history", "/queue", "/object_info", "/internal/logs", "/internal/logs/raw", "/i18n")
    yield from ("/extensions", "/system_stats", "/prompt", "/features", "/api/jobs")
    yield from ("/userdata?dir=workflows&recurse=true&split=false", "/v2/userdata")


def test_the_key_is_replaced_and_removed(page: Canvas) -> None:
    other = "lmnfl_other001.another-secret-of-somebody"
    open_settings(page)
    dialog = page.page.get_by_role("dialog", name="Lumenfall")
    dialog.get_by_role("button", name="Replace").click()
    dialog.get_by_label("API key").fill(other)
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_have_count(0)
    assert other in page.site.settings_file.read_text("utf-8")
    assert SECRET not in page.site.settings_file.read_text("utf-8")
    open_settings(page)
    dialog.get_by_role("button", name="Remove").click()
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_have_count(0)
    assert "secret" not in page.site.settings_file.read_text("utf-8")


def test_a_key_in_a_prompt_is_not_kept_by_us(page: Canvas) -> None:
    page.open(generate(f"a sign that says {KEY}", seed=next(seeds)))
    page.run()
    page.finished(GENERATE)
    for path in OWN_ROUTES:
        assert SECRET.encode() not in page.site.get(f"/lumenfall{path}", **{"X-Lumenfall": "1"})


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """A page on another origin of this machine."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<title>elsewhere</title>")

        def log_message(self, *_: object) -> None:
            return None

    server = HTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


ATTACKS = """async base => {
    const tries = {
        read: () => fetch(base + "/lumenfall/settings", {headers: {"X-Lumenfall": "1"}}),
        simpleRead: () => fetch(base + "/lumenfall/calls"),
        opaqueRead: () => fetch(base + "/lumenfall/calls", {mode: "no-cors"}),
        spend: () => fetch(base + "/lumenfall/estimate", {method: "POST", mode: "no-cors",
            headers: {"Content-Type": "text/plain"}, body: "{}"}),
        setKey: () => fetch(base + "/lumenfall/settings", {method: "POST",
            headers: {"Content-Type": "application/json", "X-Lumenfall": "1"},
            body: JSON.stringify({key: null})}),
        setKeySimply: () => fetch(base + "/lumenfall/settings", {method: "POST", mode: "no-cors",
            headers: {"Content-Type": "text/plain"}, body: JSON.stringify({base_url: location.origin})}),
    };
    const outcome = {};
    for (const [name, attempt] of Object.entries(tries)) {
        try {
            const answer = await attempt();
            outcome[name] = answer.type === "opaque" ? "opaque" : answer.status;
        } catch {
            outcome[name] = "refused";
        }
    }
    return outcome;
}"""


def test_a_page_of_another_origin_can_neither_read_nor_change_nor_spend(
    page: Canvas, browser: Browser, elsewhere: str
) -> None:
    before = page.site.settings_file.read_text("utf-8")
    sent = len(page.site.sandbox.requests)
    context = browser.new_context()
    hostile = context.new_page()
    hostile.goto(elsewhere)
    outcome = hostile.evaluate(ATTACKS, page.site.url)
    context.close()
    assert set(outcome.values()) <= {"refused", "opaque", 403}, outcome
    assert page.site.settings_file.read_text("utf-8") == before
    assert len(page.site.sandbox.requests) == sent


def test_a_price_of_ones_own_is_entered_and_counts(page: Canvas) -> None:
    page.open(generate(model="provider/unlisted", seed=next(seeds)))
    expect(page.price(GENERATE)).to_contain_text("not known")
    open_settings(page)
    dialog = page.page.get_by_role("dialog", name="Lumenfall")
    prices = dialog.get_by_label("Your own prices")
    prices.fill("provider/unlisted cheap")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_be_visible()
    prices.fill("provider/unlisted 0.25\ngpt-image-2 = 0.5")
    dialog.get_by_label("Exchange rates").fill("EUR 1.1")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_have_count(0)
    assert json.loads(page.site.settings_file.read_text("utf-8"))["rates"] == {"EUR": 1.1}
    page.open(generate(seed=next(seeds)))
    expect(page.price(GENERATE)).to_have_text("\u2248 $0.50")
    page.open(generate(model="provider/unlisted", seed=next(seeds)))
    expect(page.price(GENERATE)).to_have_text("\u2248 $0.25")
