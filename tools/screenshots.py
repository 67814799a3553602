"""Take the pictures of the pages that the documents show: `.dev/test-3.11/bin/python tools/screenshots.py`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from flask_tessera.accounts.hash_slots import HashSlots  # noqa: E402
from flask_tessera.accounts.passwords import Passwords  # noqa: E402
from tests.browser import chromium, sites  # noqa: E402 - found by the line above

DESKTOP = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/150.0.0.0 Safari/537.36"
WECHAT = "Mozilla/5.0 (Linux; Android 14; 24031PN0DC) Chrome/126.0 Mobile Safari/537.36 MicroMessenger/8.0.60"
IPAD = "Mozilla/5.0 (iPad; CPU OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Version/18.1 Mobile/15E148 Safari/604.1"


def take(browser: Any, service: sites.Service, name: str, *, language: str, width: int, scheme: str) -> None:
    visitors = sites.Visitors(browser, service)
    page = visitors.come(language=language, width=width, color_scheme=scheme, user_agent=DESKTOP)
    visitors.sign_in(page)
    page.screenshot(path=ROOT / "docs" / "images" / f"{name}.png", full_page=True)
    page.click("#sign-out")
    page.wait_for_url("**/sign-in*")
    visitors.leave()


def main() -> None:
    (ROOT / "docs" / "images").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        password_hash = Passwords(HashSlots(1)).hash(sites.PASSWORD)
        with chromium.running(home) as browser, sites.serving(home / "data", password_hash) as service:
            service.clock.now -= 86_400
            service.login(IPAD, name="Ada 的 iPad")
            service.clock.now += 80_000
            service.login(WECHAT)
            service.clock.now += 6_400
            take(browser, service, "devices", language="en-GB", width=760, scheme="light")
            take(browser, service, "devices-narrow", language="zh-CN", width=360, scheme="dark")


if __name__ == "__main__":
    main()
