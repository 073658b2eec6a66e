"""Makes the pictures of the report in docs/images from the demo's output; needs playwright and a Chromium.

make demo
.venv/bin/python docs/screenshots.py demo-output/report.html
"""

import shutil
import sys
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

IMAGES = Path(__file__).resolve().parent / "images"
#: Pictures by name: what stands at their top, as a selector, and how many pixels they are high.
PICTURES = {
    "report-top": ("header", 760),
    "report-groups": ("figure:has(figcaption:has-text('Differences'))", 620),
    "report-shap": ("figure:has(figcaption:has-text('sampled rows'))", 620),
    "report-pdp": ("h2:has-text('Partial dependence')", 620),
}
WIDTH, COLOURS = 900, 64


def shoot(page: Page, selector: str, height: int) -> Image.Image:
    """That much of the page from an element on, in few colours."""
    top = page.locator(selector).first.bounding_box()
    assert top is not None
    whole = page.screenshot(full_page=True, clip={"x": 0, "y": top["y"], "width": WIDTH, "height": height})
    return Image.open(BytesIO(whole)).convert("RGB").quantize(COLOURS)


def main(report: str) -> None:
    """Write every picture."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_playwright() as started:
        running = started.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = running.new_page(viewport={"width": WIDTH, "height": 900})
        page.goto(Path(report).resolve().as_uri())
        for name, (selector, height) in PICTURES.items():
            shoot(page, selector, height).save(IMAGES / f"{name}.png", optimize=True)
        running.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
