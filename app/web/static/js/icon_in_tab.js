// The tab's icon and title carry the verdict, so that it can be told without opening the tab. Shape as well as colour.

import { iconPath } from "./words.js";

// Those of the light theme: a tab strip's colour is not the page's to know, and these stand out on both.
const COLOURS = { ok: "#2394b8", skipped: "#6b7078", error: "#a40e1a" };
const MARKS = { ok: "✓", skipped: "?", error: "✗" };

const icon = document.querySelector('link[rel="icon"]');
const NEUTRAL = icon.href;

/** `tone` and `glyph` as in LOOKS. The icon is made here: one that must be fetched cannot tell of a lost connection. */
export function showInTab(tone, glyph, word) {
  const title = `${MARKS[tone] ?? "?"} ${word} · Runner diagnostics`;
  if (document.title === title) return;
  document.title = title;
  const drawing =
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="-2 -2 16 16"><circle cx="6" cy="6" r="8" fill="${COLOURS[tone]}"/>` +
    `<path d="${iconPath(glyph)}" fill="none" stroke="#fff" stroke-width="2" stroke-linecap="round"/></svg>`;
  icon.href = `data:image/svg+xml,${encodeURIComponent(drawing)}`;
}

export function showNothingInTab() {
  document.title = "Runner diagnostics";
  icon.href = NEUTRAL;
}
