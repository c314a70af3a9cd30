// The chart of the window: panels, tooltip, zoom, keys, and the same as a table.

import { STATUSES, chartData, fullRange, snapped, totalOf, zoomedIn } from "./chart_data.js";
import { createPanels } from "./chart_panels.js";
import { byId, el, keyed, setText, svg } from "./dom.js";
import { count, day, latency, minute, moment, toDate } from "./format.js";
import { calm, ready } from "./section_view.js";

const WINDOWS = { "15m": "last 15 minutes", "1h": "last hour", "6h": "last 6 hours", "24h": "last 24 hours", "7d": "last 7 days" };

/** `onZoom(true|false)` while a part is looked at; `showTicks(filters)` lists a bucket's ticks. */
export function createChartView({ status, showTicks, onZoom }) {
  const body = byId("chart-body");
  const tooltip = el("div", { class: "tooltip", hidden: true });
  const spoken = el("p", { class: "hidden-visually", role: "status" });
  const holder = el(
    "div",
    { class: "panels", tabindex: "0", role: "group", "aria-describedby": "chart-caption" },
    el("div", { "data-panel": "ticks" }),
    el("p", { class: "panel-name", text: "p95 latency" }),
    el("div", { "data-panel": "p95" }),
    tooltip,
  );
  const caption = el("figcaption", { class: "muted small", id: "chart-caption" });
  const table = createTable();
  const figure = el("figure", {}, legend(), holder, caption, spoken, table.node);
  const zoomIn = el("button", { type: "button", text: "Zoom in", on: { click: () => zoomAround(pointed) } });
  const zoomOut = el("button", { type: "button", text: "Reset zoom", disabled: true, on: { click: () => reset() } });
  byId("chart-actions").append(el("span", { class: "segmented" }, zoomIn, zoomOut));

  let panels = null;
  let data = null;
  let drawn = null;
  let pointed = null;
  let zoomed = false;

  function draw() {
    const known = ready(body, status, "The chart");
    zoomIn.disabled = !known || status.data.series === null;
    if (!known) return;
    if (drawn === status.data) return;
    drawn = status.data;
    setText(byId("chart-title"), `Ticks, ${WINDOWS[status.data.window] ?? status.data.window}`);
    if (status.data.series === null) {
      return body.replaceChildren(calm("The series could not be read.", status.data.sections?.series?.error ?? null));
    }
    if (figure.parentNode !== body) body.replaceChildren(figure);
    data = chartData(status.data.series);
    if (globalThis.uPlot === undefined) {
      drawn = null; // still on its way: drawn with the next refresh
      return;
    }
    panels ??= createPanels(holder, { onPoint: point, onSelect: (range) => zoom(snapped(range, data)), onPick: pick });
    panels.show(data, zoomed ? panels.range : null);
    table.draw(data);
    describe();
  }

  function describe() {
    const [from, to] = panels.range;
    const seen = data.buckets.filter((_bucket, index) => data.times[index] > from && data.times[index] < to);
    const sums = STATUSES.map((name) => `${count(seen.reduce((sum, bucket) => sum + bucket[name], 0))} ${name}`);
    const worst = Math.max(0, ...seen.map((bucket) => bucket.p95 ?? 0));
    const words = `${span(from, to)} UTC, ${bucketWords(data.width)} a bar: ${sums.join(", ")}; highest p95 ${worst ? latency(worst) : "–"}.`;
    const none = seen.every((bucket) => totalOf(bucket) === 0);
    setText(caption, none ? `${span(from, to)} UTC: no ticks.` : `${words} Drag to zoom; click a bar to list its ticks.`);
    holder.setAttribute("aria-label", `Chart of ticks by status, and of p95 latency. Arrow keys read bar by bar, Enter lists its ticks, plus and minus zoom.`);
  }

  function point(index, left) {
    pointed = index !== null && index < (data?.buckets.length ?? 0) ? index : null;
    tooltip.hidden = pointed === null || left < 0;
    if (tooltip.hidden) return;
    const bucket = data.buckets[pointed];
    tooltip.replaceChildren(
      el("strong", { text: bucketTime(pointed) }),
      el("dl", {}, [...STATUSES].reverse().map((name) => [el("dt", { text: name }), el("dd", { text: count(bucket[name]) })]),
        el("dt", { text: "p95" }), el("dd", { text: latency(bucket.p95) })),
    );
    const room = holder.clientWidth - tooltip.offsetWidth;
    tooltip.style.transform = `translate(${Math.round(left + 16 > room ? Math.max(0, left - tooltip.offsetWidth - 16) : left + 16)}px, 8px)`;
  }

  function bucketTime(index) {
    const at = toDate(data.buckets[index].at);
    return `${moment(at)}–${minute(new Date(at.getTime() + data.width * 1000))} UTC`;
  }

  function pick(index) {
    const since = toDate(data.buckets[index].at);
    showTicks([["since", since.toISOString()], ["until", new Date(since.getTime() + data.width * 1000).toISOString()]]);
  }

  function zoom(range) {
    if (range === null) return;
    zoomed = true;
    zoomOut.disabled = false;
    panels.zoom(range);
    describe();
    onZoom(true);
  }

  function zoomAround(index) {
    const [from, to] = panels.range;
    zoom(zoomedIn([from, to], index === null ? (from + to) / 2 : data.times[index], fullRange(data), data.width));
  }

  function reset() {
    if (!zoomed) return;
    zoomed = false;
    // A disabled button cannot keep the focus, and focus that falls to the top of a page is lost.
    if (document.activeElement === zoomOut) zoomIn.focus();
    zoomOut.disabled = true;
    panels.zoom(fullRange(data));
    describe();
    onZoom(false);
  }

  holder.addEventListener("keydown", (event) => {
    if (data === null || event.ctrlKey || event.metaKey || event.altKey) return;
    const last = data.buckets.length - 1;
    const visible = data.times.flatMap((at, index) => (at > panels.range[0] && at < panels.range[1] ? [index] : []));
    const [low, high] = [visible[0] ?? 0, visible.at(-1) ?? last];
    const to = {
      ArrowLeft: () => Math.max(low, (pointed ?? high + 1) - 1),
      ArrowRight: () => Math.min(high, (pointed ?? low - 1) + 1),
      Home: () => low,
      End: () => high,
      Escape: () => null,
    }[event.key];
    if (to !== undefined) {
      const index = to();
      panels.point(index);
      if (index !== null) speak(index);
    } else if (event.key === "Enter" && pointed !== null) pick(pointed);
    else if (event.key === "+") zoomAround(pointed);
    else if (event.key === "-") reset();
    else return;
    event.preventDefault();
  });
  holder.addEventListener("blur", () => panels?.point(null));

  function speak(index) {
    const bucket = data.buckets[index];
    const parts = STATUSES.filter((name) => bucket[name] > 0).map((name) => `${bucket[name]} ${name}`);
    setText(spoken, `${bucketTime(index)}: ${parts.join(", ") || "no ticks"}; p95 ${latency(bucket.p95)}`);
  }

  return { draw, reset, clear: () => (reset(), (drawn = null), body.replaceChildren()) };
}

function span(from, to) {
  const [first, last] = [new Date(from * 1000), new Date(to * 1000)];
  return day(first) === day(last) ? `${minute(first)} to ${minute(last)}` : `${moment(first).slice(0, -3)} to ${moment(last).slice(0, -3)}`;
}

function bucketWords(seconds) {
  return seconds < 60 ? `${seconds} s` : seconds < 3600 ? `${seconds / 60} min` : `${seconds / 3600} h`;
}

function legend() {
  const swatch = () => svg("svg", { class: "swatch", viewBox: "0 0 12 12", "aria-hidden": "true" }, svg("rect", { width: "12", height: "12" }));
  return el("div", { class: "legend" }, STATUSES.map((name) => el("span", { class: `tone-${name}` }, swatch(), name)));
}

/** The same numbers as a table, made only where somebody opened it. */
function createTable() {
  const rows = el("tbody", {});
  const heads = ["From, UTC", ...STATUSES, "total", "p95"];
  const node = el(
    "details",
    {},
    el("summary", { text: "Show as table" }),
    el(
      "div",
      { class: "scroll card", tabindex: "0", role: "region", "aria-label": "The chart as a table" },
      el("table", {}, el("thead", {}, el("tr", {}, heads.map((text, index) => el("th", { scope: "col", class: index > 0 ? "number" : null, text })))), rows),
    ),
  );
  let data = null;
  function draw(next = data) {
    data = next;
    if (!node.open || data === null) return;
    keyed(
      rows,
      data.buckets,
      (bucket) => bucket.at,
      () => el("tr", {}, el("th", { scope: "row" }), heads.slice(1).map(() => el("td", { class: "number" }))),
      (row, bucket) => {
        const values = [moment(toDate(bucket.at)), ...STATUSES.map((name) => count(bucket[name])), count(totalOf(bucket)), latency(bucket.p95)];
        values.forEach((value, index) => setText(row.children[index], value));
      },
    );
  }
  node.addEventListener("toggle", () => draw());
  return { node, draw };
}
