// Strips across the page for what concerns all of it: the connection is lost, refreshing rests, what is shown is old.

import { byId, el, keyed, setText } from "./dom.js";
import { clock, duration } from "./format.js";

/** Which strips there are: {key, tone, text, aside, action: [label, what]}. `aside` changes every second. Pure. */
export function stripsFor({ lostAt, nextIn, reasons, oldSeconds }) {
  const strips = [];
  if (lostAt !== null) {
    strips.push({
      key: "lost",
      tone: "error",
      text: `Connection lost at ${clock(lostAt)} UTC. What you see is from before.`,
      aside: nextIn === null ? "Trying now …" : `Trying again in ${duration(Math.ceil(nextIn))}.`,
      action: ["Try now", "retry"],
    });
  }
  if (reasons.has("zoom")) {
    strips.push({ key: "zoom", tone: "info", text: "Refreshing rests while you look at a part of the chart.", action: ["Reset zoom", "reset"] });
  }
  if (reasons.has("user")) {
    strips.push({ key: "user", tone: "warning", text: "Refreshing is paused.", action: ["Resume", "resume"] });
  }
  if (oldSeconds !== null && lostAt === null && reasons.size === 0) {
    strips.push({ key: "old", tone: "warning", text: "What the service answers is old, or one of the clocks is wrong.", aside: `It is of ${duration(oldSeconds)} ago.`, action: ["Read again", "retry"] });
  }
  return strips;
}

/** `actions` by the names above. */
export function createStrips(actions) {
  const holder = byId("strips");

  function create(strip) {
    // A countdown that a screen reader would read out every second is for the eye alone.
    const aside = el("span", { class: "muted", "aria-hidden": "true" });
    const [label, what] = strip.action;
    const button = el("button", { type: "button", text: label, on: { click: () => actions[what]() } });
    const box = el("div", { class: `strip-box ${strip.tone}` }, el("span", { text: strip.text }), aside, el("span", { class: "actions" }, button));
    const node = el("div", { class: "strip-line" }, box);
    node.__aside = aside;
    return node;
  }

  return {
    draw: (state) =>
      keyed(holder, stripsFor(state), ({ key, text }) => key + text, create, (node, strip) => setText(node.__aside, strip.aside ?? "")),
  };
}
