"""Wait for a page of the app in a browser."""

from __future__ import annotations

from playwright.sync_api import Page

# The script has ended, no element is still loaded, and nothing moves but what always does. True of any other page.
IS_DRAWN = """() => {
  const app = document.querySelector("[data-testid=stApp]");
  const components = [...document.querySelectorAll("[data-testid^=stBidiComponent]:empty")];
  const drawn = {stPlotlyChart: ".main-svg", stDataFrame: "canvas"};
  return (!app || app.dataset.testScriptState === "notRunning")
    && !document.querySelector("[data-testid=stSkeleton]")
    && components.every((element) => element.shadowRoot?.querySelector(".dst"))
    && Object.entries(drawn).every(([kind, content]) =>
      [...document.querySelectorAll(`[data-testid=${kind}]`)].every((element) => element.querySelector(content)))
    && !document.getAnimations().some((animation) =>
      animation.playState === "running" && animation.effect.getComputedTiming().iterations !== Infinity);
}"""


def wait_until_drawn(page: Page) -> None:
    """Wait until a page is drawn, with the modules of its components, and the script does not run.

    Call it before input that a redraw would take, such as a key for the list of a field.
    """
    page.wait_for_function(IS_DRAWN)
    page.evaluate("() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))")
