// Six figures of the window.

import { byId, el, keyed, setText } from "./dom.js";
import { count, latency, percent } from "./format.js";
import { ready } from "./section_view.js";

/** [name, value, note] of a status report. What could not be read is a dash, never 0. Pure. */
export function figuresOf(status) {
  const { runs, ticks } = status;
  const approximate = Object.values(status.sections ?? {}).some((section) => section.accuracy === "approximate");
  const p95 = ticks?.latencyMs?.p95;
  return [
    ["Active runs", count(status.activeStrategies)],
    ["Overdue", count(runs?.active?.overdue)],
    ["Ticks", count(ticks?.total)],
    ["Error rate", percent(ticks?.errorRate)],
    ["p95 latency", approximate && p95 !== null && p95 !== undefined ? `≈ ${latency(p95)}` : latency(p95)],
    ["Missed slots", count(ticks?.missed)],
  ];
}

export function createFiguresView({ status }) {
  const holder = byId("figures");
  const list = el("div", { class: "figures" });

  function draw() {
    if (!ready(holder, status, "The figures")) return;
    if (list.parentNode !== holder) holder.replaceChildren(list);
    keyed(
      list,
      figuresOf(status.data),
      ([name]) => name,
      ([name]) => el("dl", { class: "card figure" }, el("dt", { text: name }), el("dd", {})),
      (figure, [, value]) => setText(figure.lastElementChild, value),
    );
  }

  return { draw };
}
