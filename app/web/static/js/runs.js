// The run grid: each active strategy with its state, its last tick, why it is late, and its recent slots.

import { byId, el, keyed, setText, steady } from "./dom.js";
import { ago, clock, count, duration, minute, moment, plural, shortId, toDate } from "./format.js";
import { calm, ready } from "./section_view.js";
import { drawStrip, drawnSlots, stripEnds, stripImage, stripLabel, stripLegend } from "./strip.js";
import { setChip } from "./words.js";

const FEW_RUNS = 30; // rows at first: the worst of them

/** The one word for a run: on time is not yet fine, if what comes on time is an error. Pure. */
export function runState(run) {
  if (run.state !== "onTime") return run.state;
  const last = (run.slots ?? []).findLast((slot) => slot !== "pending");
  if (last === "error" || run.streak >= 3) return "erroring";
  return last === "blocked" || last === "missed" ? (last === "blocked" ? "blocked" : "late") : "onTime";
}

/** What is to be said of a run besides its last tick: how late, how many missed, and why. Pure. */
export function troubleOf(run) {
  const parts = [];
  if (run.state !== "onTime") parts.push(`${duration(run.lateBySeconds)} late`);
  if (run.missed > 0) parts.push(`${count(run.missed)} missed`);
  if (run.streak > 0) parts.push(plural(run.streak, "error") + " since its last ok");
  const { cause } = run;
  if (!cause) return parts.join(", ");
  const since = cause.since ? ` since ${moment(toDate(cause.since))}` : "";
  const said = {
    scheduler_silent: "the scheduler is silent",
    locked: `locked by ${cause.by ?? "someone"}${since}`,
    blocked: `blocked${since}${cause.reason ? `: ${cause.reason}` : ""}`,
    erroring: `erroring${since}${cause.reason ? `: ${cause.reason}` : ""}`,
    unknown: "cause unknown",
  }[cause.kind];
  return [...parts, said ?? cause.kind].join(", ");
}

export function labelOf(run) {
  return `${run.symbol ?? "?"} ${run.timeframe ?? "?"}`;
}

export function createRunsView({ runs, status, showTicks }) {
  const body = byId("runs-body");
  const rows = el("tbody", { role: "rowgroup" });
  const header = ["State", "Strategy", "Last tick, UTC", "Recent slots, oldest left"];
  const table = el(
    "table",
    { class: "grid runs-grid card", role: "table", "aria-labelledby": "runs-title" },
    el(
      "thead",
      { role: "rowgroup" },
      el("tr", { role: "row" }, header.map((text) => el("th", { role: "columnheader", scope: "col", text }))),
    ),
    rows,
  );
  const locks = el("p", { class: "muted small more" });
  const sort = el("button", { type: "button", text: "Order changed: sort worst first", hidden: true });
  sort.addEventListener("click", () => ((shown = []), draw(), rows.querySelector("button")?.focus()));
  const all = el("button", { type: "button", hidden: true, on: { click: () => ((every = !every), draw()) } });
  byId("runs-actions").append(sort, all);
  let shown = [];
  let every = false;

  function draw() {
    if (!ready(body, runs, "The run grid")) return clearHead();
    const { data } = runs;
    if (data.runs === null) {
      clearHead();
      return body.replaceChildren(calm("Runs could not be judged.", "The findings say what could not be read."));
    }
    const total = data.total ?? data.runs.length;
    const few = every ? data.runs.length : Math.min(FEW_RUNS, data.runs.length);
    setText(byId("runs-count"), few < total ? `${count(few)} of ${count(total)} active, worst first` : `${count(total)} active`);
    all.hidden = data.runs.length <= FEW_RUNS;
    setText(all, every ? `Show ${FEW_RUNS}` : `Show all ${count(data.runs.length)}`);
    if (data.runs.length === 0) {
      sort.hidden = true;
      return body.replaceChildren(calm("No strategy is active.", "Runs appear here once one is activated."));
    }
    const { items, changed } = steady(data.runs, (run) => run.strategy_run_id, shown);
    shown = items.map((run) => run.strategy_run_id);
    sort.hidden = !changed;
    keyed(rows, items.slice(0, few), (run) => run.strategy_run_id, create, update);
    setText(locks, locksLine(status.data?.locks));
    locks.hidden = !status.data?.locks;
    if (table.parentNode !== body) body.replaceChildren(stripLegend(), table, locks);
    tick();
  }

  function clearHead() {
    setText(byId("runs-count"), "");
    sort.hidden = all.hidden = true;
  }

  function create() {
    const parts = {
      chip: el("td", { role: "cell" }),
      name: el("button", { type: "button", class: "plain strategy" }),
      id: el("code", { class: "short-id" }),
      last: el("span", {}),
      trouble: el("div", { class: "muted small" }),
      from: el("span", { class: "muted small" }),
      to: el("span", { class: "muted small" }),
      strip: stripImage(),
    };
    const row = el(
      "tr",
      { role: "row" },
      parts.chip,
      el("td", { role: "cell" }, parts.name, parts.id),
      el("td", { role: "cell" }, parts.last, parts.trouble),
      el("td", { role: "cell", class: "strip-cell" }, parts.from, parts.strip, parts.to),
    );
    row.__parts = parts;
    parts.name.addEventListener("click", () => showTicks([["strategy_run_id", row.__run.strategy_run_id]]));
    return row;
  }

  function update(row, run) {
    row.__run = run;
    const { chip, name, id, trouble, from, to, strip } = row.__parts;
    setChip(chip, runState(run));
    setText(name, labelOf(run));
    setText(id, shortId(run.strategy_run_id));
    name.title = `Ticks of ${run.strategy_run_id}`;
    name.setAttribute("aria-label", `${labelOf(run)}, ${shortId(run.strategy_run_id)}: show its ticks`);
    setText(trouble, troubleOf(run));
    const [first, last] = stripEnds(run, toDate(runs.data.asOf) ?? new Date());
    const slots = drawnSlots(run);
    setText(from, run.slots === null ? "slots could not be read" : minute(first));
    setText(to, run.slots === null ? "" : minute(last));
    drawStrip(strip, slots, run.slots === null ? "slots could not be read" : stripLabel(slots, first, last));
  }

  /** Ages grow between refreshes; by the database's clock, since the reader's may be wrong. */
  function tick() {
    if (runs.data?.runs == null) return;
    const now = toDate(runs.data.asOf).getTime() + (performance.now() - runs.readAt);
    for (const row of rows.children) {
      const at = toDate(row.__run.lastTickAt);
      setText(row.__parts.last, at === null ? "none" : `${clock(at)} (${ago((now - at) / 1000)})`);
    }
  }

  return { draw, tick, clear: () => ((shown = []), (every = false), rows.replaceChildren(), body.replaceChildren(), clearHead()) };
}

/** Locks in one line: who holds one too long, or for nothing. Pure. */
export function locksLine(locks) {
  if (!locks) return "";
  const wrong = locks.items.filter((lock) => lock.overlong || lock.orphaned).map((lock) => {
    const why = [lock.orphaned && "orphaned", lock.overlong && "overlong"].filter(Boolean).join(" and ");
    const name = lock.symbol ? labelOf(lock) : shortId(lock.strategy_run_id);
    return `${why.replace(/^./, (first) => first.toUpperCase())}: ${name}, by ${lock.lock_owner}, for ${duration(lock.heldSeconds)}.`;
  });
  const head = `Locks: ${count(locks.held)} held, ${count(locks.overlong)} overlong, ${count(locks.orphaned)} orphaned, ${count(locks.expired)} expired.`;
  return [head, ...wrong.slice(0, 5)].join(" ");
}
