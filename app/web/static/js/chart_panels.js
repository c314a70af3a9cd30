// The two panels: ticks stacked by status, and p95 latency below, on one x axis. uPlot draws; this says what and how.

import { latency, minute, moment } from "./format.js";
import { STATUSES, fullRange } from "./chart_data.js";

const AXIS_WIDTH = 56;
const PADDING = [8, 20, 0, 0]; // the same on both, or the panels would not line up
const HEIGHTS = { ticks: 176, p95: 112 };
const LEAST_FOR_GAPS = 6; // pixels a bucket: below, separators would eat the bars

/** Colours as they are now: the theme may change while the page is open. */
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/**
 * Both panels in `holder`. `onPoint(index or null, left)` follows the cursor, `onSelect([from, to])` a drag, `onPick
 * (index)` a click. uPlot is not accessible by itself: the caller adds caption, table, keys and buttons.
 */
export function createPanels(holder, { onPoint, onSelect, onPick }) {
  const { uPlot } = globalThis;
  let data = { times: [], width: 60, stacks: [[], [], [], []], p95: [], buckets: [] };
  let range = [0, 60];
  const sync = uPlot.sync("ticks");
  const places = ["ticks", "p95"].map((name) => holder.querySelector(`[data-panel="${name}"]`));
  const ticks = new uPlot(tickOptions(), [[], [], [], [], []], places[0]);
  const p95 = new uPlot(p95Options(), [[], []], places[1]);
  const panels = [ticks, p95];
  const resize = new ResizeObserver(() => {
    const width = Math.floor(holder.clientWidth);
    for (const [panel, height] of [[ticks, HEIGHTS.ticks], [p95, HEIGHTS.p95]]) {
      if (width > 0 && (panel.width !== width || panel.height !== height)) panel.setSize({ width, height });
    }
  });
  resize.observe(holder);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => panels.forEach((panel) => panel.redraw()));

  function common(series, axes, scales, height) {
    return {
      width: Math.max(200, holder.clientWidth),
      height,
      padding: PADDING,
      legend: { show: false },
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      scales: { x: { time: true, range: () => range }, ...scales },
      series: [{}, ...series],
      axes,
      cursor: {
        sync: { key: sync.key, setSeries: false, scales: ["x", null] },
        drag: { x: true, y: false, setScale: false },
        points: { show: false },
        y: false,
        bind: { dblclick: () => null },
      },
      hooks: {
        setCursor: [(panel) => onPoint(panel.cursor.idx ?? null, panel.cursor.left + AXIS_WIDTH)],
        setSelect: [
          (panel) => {
            const { left, width } = panel.select;
            if (width < 4) return;
            const dragged = [panel.posToVal(left, "x"), panel.posToVal(left + width, "x")];
            panel.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
            onSelect(dragged);
          },
        ],
        ready: [
          (panel) => {
            let pressedAt = null;
            panel.over.addEventListener("pointerdown", (event) => (pressedAt = event.clientX));
            panel.over.addEventListener("click", (event) => {
              const dragged = pressedAt === null || Math.abs(event.clientX - pressedAt) > 3;
              if (!dragged && panel.cursor.idx != null) onPick(panel.cursor.idx);
            });
          },
        ],
      },
    };
  }

  function axis(more) {
    return {
      stroke: () => colour("muted"),
      font: '12px system-ui, "DejaVu Sans", sans-serif',
      grid: { stroke: () => colour("line"), width: 1 },
      ticks: { show: false },
      ...more,
    };
  }

  function tickOptions() {
    const pixels = (panel) => (panel.bbox.width / devicePixelRatio) * (data.width / (range[1] - range[0]));
    const bars = uPlot.paths.bars({ size: [1, Infinity], gap: 0, align: 0 });
    const paths = (panel, ...rest) => bars(panel, ...rest);
    const series = [...STATUSES].reverse().map((status) => ({
      label: status,
      fill: () => colour(status),
      // A line in the page's colour around each part separates parts and bars.
      stroke: (panel) => (pixels(panel) >= LEAST_FOR_GAPS ? colour("page") : "transparent"),
      width: 1,
      paths,
      points: { show: false },
    }));
    const whole = (_panel, splits) => splits.map((value) => (Number.isInteger(value) ? String(value) : ""));
    return common(
      series,
      [axis({ size: 4, values: () => [], grid: { show: false } }), axis({ size: AXIS_WIDTH, values: whole, space: 32 })],
      { y: { range: (_panel, _low, high) => [0, Math.max(high ?? 0, 4) * 1.08] } },
      HEIGHTS.ticks,
    );
  }

  function p95Options() {
    const times = (_panel, splits) => {
      const long = data.width * data.times.length > 86_400;
      return splits.map((at) => (long ? moment(new Date(at * 1000)).slice(0, -3) : minute(new Date(at * 1000))));
    };
    const line = {
      label: "p95",
      stroke: () => colour("ink"),
      width: 1.5,
      spanGaps: false,
      // A bucket between two without any latency has no line to either: it needs a point to be seen at all.
      points: { show: true, size: 4, fill: () => colour("ink"), filter: alone },
    };
    return common(
      [line],
      [
        axis({ values: times, size: 28, space: 72 }),
        axis({ size: AXIS_WIDTH, values: (_panel, splits) => splits.map(latency), space: 28 }),
      ],
      { y: { range: (_panel, _low, high) => [0, Math.max(high ?? 0, 100) * 1.1] } },
      HEIGHTS.p95,
    );
  }

  function show(next, nextRange) {
    data = next;
    range = nextRange ?? fullRange(next);
    ticks.setData([next.times, ...next.stacks]);
    p95.setData([next.times, next.p95]);
  }

  return {
    show,
    get range() {
      return range;
    },
    zoom(next) {
      range = next;
      for (const panel of panels) panel.setScale("x", { min: next[0], max: next[1] });
    },
    /** Puts the cursor on a bucket, for the keyboard; null takes it away. */
    point(index) {
      const left = index === null ? -10 : ticks.valToPos(data.times[index], "x");
      ticks.setCursor({ left, top: index === null ? -10 : 10 });
      onPoint(index, left + AXIS_WIDTH);
    },
  };
}

/** Indices of the values that stand alone between gaps. */
function alone(panel, seriesIndex) {
  const values = panel.data[seriesIndex];
  return values.flatMap((value, index) =>
    value !== null && (values[index - 1] ?? null) === null && (values[index + 1] ?? null) === null ? [index] : [],
  );
}
