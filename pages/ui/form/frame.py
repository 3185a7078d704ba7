"""Style of the Distill page, on which choices, controls and result are in view together."""

STYLE = """<style>
  .stMainBlockContainer { padding-top: 3.9rem; padding-left: 2.25rem; padding-right: 2.25rem }
  /* The menu names the page already, and the height is needed below. */
  .st-key-heading { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%) }
  .stApp :is(.st-key-choices, .st-key-locked) [data-testid="stCaptionContainer"] p {
    white-space: nowrap; overflow: hidden; text-overflow: ellipsis;
  }
  .stApp :is(.st-key-choices, .st-key-locked) [data-testid="stVerticalBlock"], .st-key-numbers { gap: 0.25rem }
  .st-key-numbers [data-testid="stSlider"] { margin-bottom: -1rem }
  /* Labels of choices that cannot be changed while a run trains are still to be read. */
  .st-key-locked .stSelectbox > :first-child * { color: color-mix(in srgb, CanvasText 80%, Canvas) }
  .st-key-numbers .katex-display { margin: 0.4rem 0 1.2rem; text-align: left }
  .st-key-numbers .katex-display > .katex { text-align: left; font-size: 0.95em }
  .st-key-numbers > .st-key-formula { position: absolute; width: 0 }
  .st-key-numbers [data-testid="stNumberInputContainer"] button { display: none }
  .st-key-result { min-height: 6.9rem }
  @media (max-width: 640px) {
    .stApp :is(.st-key-choices, .st-key-locked) [data-testid="stHorizontalBlock"] {
      flex-wrap: wrap; gap: 0.25rem 0.5rem;
    }
    .stApp :is(.st-key-choices, .st-key-locked) [data-testid="stColumn"] {
      min-width: calc(50% - 0.5rem); flex: 1 1 calc(50% - 0.5rem);
    }
    .st-key-numbers [data-testid="stHorizontalBlock"] { flex-wrap: nowrap }
    .st-key-numbers [data-testid="stColumn"] { min-width: 0; flex: 1 1 0 }
    .st-key-start kbd, .st-key-start [data-testid="stButtonShortcut"] { display: none }
    .st-key-start {
      position: fixed; bottom: 0; left: 0; right: 0; z-index: 99; padding: 0.6rem 1rem;
      background: Canvas; border-top: 1px solid color-mix(in srgb, CanvasText 15%, Canvas);
    }
    /* What happens comes before what was chosen. */
    .st-key-locked { display: none }
    .st-key-run > [data-testid="stLayoutWrapper"] > [data-testid="stHorizontalBlock"] > :last-child { order: -1 }
    .stMainBlockContainer { padding-left: 1rem; padding-right: 1rem; padding-bottom: 6rem }
  }
</style>"""
