// A run's recent slots as a strip. Every outcome has a shape of its own, so that colour is only the second way to tell.

import { el, svg } from "./dom.js";
import { minute, plural } from "./format.js";

const WIDTH = 8; // of a slot, in the drawing's units; its height is 20
const HEIGHT = 20;
const OUTCOMES = ["ok", "skipped", "blocked", "error", "late", "missed", "pending"];
const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

const box = (x, y, width, height) => `M${x} ${y}h${width}v${height}h${-width}z`;

/** From the left edge of a slot to a path. Like bars on a common ground: the worse, the higher. */
const SHAPES = {
  ok: (x) => box(x + 0.5, 6, 6.5, 14),
  skipped: (x) => box(x + 0.5, 13, 6.5, 7),
  blocked: (x) => box(x + 0.5, 6, 6.5, 6) + box(x + 0.5, 14, 6.5, 6),
  error: (x) => box(x + 0.5, 0, 6.5, 20),
  late: (x) => `M${x + 0.5} 20V9a3.25 3.25 0 0 1 6.5 0V20z`,
  missed: (x) => box(x + 1.25, 6.75, 5, 12.5),
  pending: (x) => box(x + 0.5, 17, 6.5, 3),
};

/** Seconds of a timeframe, as the runner treats it: what it does not know is five minutes. */
export function periodOf(timeframe) {
  const parts = /^([1-9]\d{0,4})([smhdw])$/.exec(timeframe ?? "");
  return parts === null ? 300 : Number(parts[1]) * SECONDS[parts[2]];
}

/** The strip's words: how many of each, and from when to when. Pure. */
export function stripLabel(slots, from, to) {
  const counts = OUTCOMES.map((outcome) => [outcome, slots.filter((slot) => slot === outcome).length]);
  const said = counts.filter(([, number]) => number > 0).map(([outcome, number]) => `${number} ${outcome}`);
  return `${plural(slots.length, "slot")}: ${said.join(", ")}; ${minute(from)} to ${minute(to)} UTC, oldest left`;
}

/** The outcomes of a run as drawn: a slot that is due and not served yet is late where the run is. */
export function drawnSlots(run) {
  const pending = run.state === "onTime" ? "pending" : "late";
  return (run.slots ?? []).map((slot) => (slot === "pending" ? pending : slot));
}

/** The times of the first and the last slot of a strip that ends at `asOf`. */
export function stripEnds(run, asOf) {
  const period = periodOf(run.timeframe) * 1000;
  const last = Math.floor(asOf.getTime() / period) * period;
  return [new Date(last - Math.max(0, (run.slots ?? []).length - 1) * period), new Date(last)];
}

/** Fills `image`, an <svg>, with one path an outcome: sixty nodes a strip would be thousands a page. */
export function drawStrip(image, slots, label) {
  const key = `${label} ${slots.join()}`;
  if (image.__drawn === key) return;
  image.__drawn = key;
  image.setAttribute("viewBox", `0 0 ${Math.max(slots.length, 1) * WIDTH} ${HEIGHT}`);
  image.setAttribute("aria-label", label);
  // Few slots make a short strip, not a wide one.
  image.style.maxWidth = `${slots.length * WIDTH}px`;
  image.replaceChildren(
    svg("title", { text: label }),
    ...OUTCOMES.filter((outcome) => slots.includes(outcome)).map((outcome) => {
      const places = slots.flatMap((slot, index) => (slot === outcome ? [index * WIDTH] : []));
      return svg("path", { class: `s-${outcome}`, d: places.map(SHAPES[outcome]).join("") });
    }),
  );
}

export function stripImage() {
  return svg("svg", { class: "strip", role: "img", preserveAspectRatio: "none", "aria-label": "" });
}

/** One of each shape with its word. */
export function stripLegend() {
  return el(
    "div",
    { class: "legend" },
    OUTCOMES.map((outcome) => {
      const image = svg("svg", { class: "strip", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" });
      image.append(svg("path", { class: `s-${outcome}`, d: SHAPES[outcome](0) }));
      return el("span", {}, image, outcome);
    }),
  );
}
