// The words, icons and tones of every state, once: the same word for the same thing everywhere on the page.

import { el, svg } from "./dom.js";

const ICONS = {
  check: "M2 6.500 5 9.500 10 3",
  cross: "M2.500 2.500 9.500 9.500 M9.500 2.500 2.500 9.500",
  slash: "M6 1.200a4.800 4.800 0 1 0 0 9.600a4.800 4.800 0 1 0 0-9.600 M2.800 9.200 9.200 2.800",
  clock: "M6 1.200a4.800 4.800 0 1 0 0 9.600a4.800 4.800 0 1 0 0-9.600 M6 3.500V6l2 1.200",
  question: "M3.500 4a2.500 2.500 0 1 1 3.700 2.200c-.800.400-1.200.900-1.200 1.600 M6 10.500v.100",
  dash: "M2 6h8",
  pause: "M4 2v8 M8 2v8",
  warning: "M6 1.500 11 10.500H1Z M6 5v2.200 M6 9v.100",
};

/** Of ticks, slots, runs, checks and findings: [tone, icon, word]. */
const STATES = {
  ok: ["ok", "check", "ok"],
  pass: ["ok", "check", "pass"],
  onTime: ["ok", "check", "on time"],
  skipped: ["skipped", "dash", "skipped"],
  blocked: ["blocked", "slash", "blocked"],
  warning: ["blocked", "warning", "warning"],
  error: ["error", "cross", "error"],
  erroring: ["error", "cross", "erroring"],
  failing: ["error", "cross", "failing"],
  overdue: ["error", "cross", "overdue"],
  degraded: ["error", "cross", "degraded"],
  down: ["error", "cross", "down"],
  late: ["late", "clock", "late"],
  unknown: ["skipped", "question", "unknown"],
};

/** A state that nobody documented shows its own word, and never looks fine. */
export function stateOf(name) {
  return Object.hasOwn(STATES, name) ? STATES[name] : ["skipped", "question", String(name ?? "unknown")];
}

export function icon(name) {
  return svg("svg", { class: "icon", viewBox: "0 0 12 12", "aria-hidden": "true" }, svg("path", { d: ICONS[name] }));
}

export function iconPath(name) {
  return ICONS[name];
}

/** A state as an icon and a word on its tone. */
export function chip(state, word = null) {
  const [tone, glyph, usual] = stateOf(state);
  return el("span", { class: `chip tone-${tone}` }, icon(glyph), word ?? usual);
}

/** Replaces a chip only where its state changed. */
export function setChip(holder, state, word = null) {
  const key = `${state} ${word}`;
  if (holder.__state === key) return;
  holder.__state = key;
  holder.replaceChildren(chip(state, word));
}
