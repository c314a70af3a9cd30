// What is wrong, worst first, with the next step: failed and unknown checks of the schema, and the runner's reasons.

import { filtersOf } from "./address.js";
import { curlOf } from "./api.js";
import { copyButton } from "./clipboard.js";
import { byId, el, keyed, setText, steady } from "./dom.js";
import { duration, percent } from "./format.js";
import { calm } from "./section_view.js";
import { setChip } from "./words.js";

const FEW = 8;
const RANKS = { down: 0, error: 1, degraded: 2, warning: 3, unknown: 4 };

/** What to do about a rule, where the finding itself cannot say. */
const NEXT = {
  scheduler_silent: "Look whether the runner's process and its cron are up; the newest ticks show when it stopped.",
  runner_disabled: "Set ENABLE_STRATEGY_RUNNER where that was not meant.",
  overdue: "The run grid names each one's cause: a lock, a block, errors, or none.",
  error_streak: "Read the reasons of its last ticks; after three errors the runner pauses a strategy.",
  not_working: "Its ticks come, and none trades: read their reasons.",
  paused_after_errors: "Mend what the last tick names, then activate it again.",
  audit_missing: "The runner trades and its ticks are not recorded: compare the schema below, grants first.",
  error_rate: "Filter the ticks by status error, and see which reason leads.",
  lock_overlong: "Ask its owner; a lock ends by itself at locked_until.",
  lock_orphaned: "Nobody needs it any more; it ends by itself at locked_until.",
  unparsable_timeframe: "Give it one of 1m, 5m, 15m, 1h.",
  clock_ahead: "Compare the clocks of the runner's machine and of the database.",
  foreign_ticks: "A tick's user is not its strategy's: look at what writes them.",
  section_unreadable: "Sections below say which, and why.",
  database_unreachable: "Look at the database's own status page, then at DATABASE_URL.",
};

const SECONDS = new Set(["scheduler_silent", "overdue", "audit_missing", "lock_overlong", "clock_ahead"]);

/** Findings of both reports, worst first: {key, state, title, hint, code, href, filters}. Pure. */
export function findingsOf(schema, status) {
  const found = [];
  for (const reason of status?.reasons ?? []) {
    found.push({
      key: `status.${reason.rule}`,
      rank: RANKS[reason.severity] ?? 4,
      state: reason.rule === "overdue" ? "overdue" : reason.severity,
      title: reason.summary,
      hint: NEXT[reason.rule] ?? "",
      code: reason.rule + measured(reason),
      href: reason.href,
      filters: filtersOf(reason.href),
    });
  }
  for (const check of schema?.checks ?? []) {
    if (check.outcome !== "fail" && check.outcome !== "unknown") continue;
    const state = check.outcome === "unknown" ? "unknown" : check.severity;
    found.push({
      key: `schema.${check.key}`,
      rank: RANKS[state],
      state,
      title: check.message,
      hint: check.hint ?? "",
      code: check.key,
      href: "/api/runner/schema",
      filters: null,
      check: check.key,
    });
  }
  return found.sort((one, other) => one.rank - other.rank);
}

function measured({ rule, observed, threshold }) {
  if (observed === null || threshold === null || threshold === 0) return "";
  const say = rule === "error_rate" ? percent : SECONDS.has(rule) ? duration : String;
  return ` · ${say(observed)}, limit ${say(threshold)}`;
}

export function createFindingsView({ schema, status, showTicks, showCheck }) {
  const body = byId("findings-body");
  const actions = byId("findings-actions");
  const list = el("ul", { class: "card list" });
  const more = el("button", { type: "button", class: "more", on: { click: () => ((all = !all), draw()) } });
  const sort = el("button", { type: "button", text: "Order changed: sort worst first", hidden: true });
  sort.addEventListener("click", () => ((shown = []), draw(), list.querySelector("a, button")?.focus()));
  actions.append(sort);
  let shown = [];
  let settled = false; // both reports were shown: from then on rows keep their places
  let all = false;

  function draw() {
    const asked = findingsOf(schema.data, status.data);
    if (!settled) shown = [];
    settled = schema.data !== null && status.data !== null;
    setText(byId("findings-count"), schema.data || status.data ? String(asked.length) : "");
    const { items, changed } = steady(asked, (finding) => finding.key, shown);
    shown = items.map((finding) => finding.key);
    sort.hidden = !changed;
    body.classList.toggle("stale", Boolean((schema.data && schema.error) || (status.data && status.error)));
    if (items.length === 0) return body.replaceChildren(nothing());
    keyed(list, all ? items : items.slice(0, FEW), (finding) => finding.key, create, update);
    more.hidden = items.length <= FEW;
    setText(more, all ? `Show the first ${FEW}` : `Show all ${items.length}`);
    if (list.parentNode !== body) body.replaceChildren(list, more);
  }

  function nothing() {
    const unread = [schema, status].some((section) => section.data === null);
    if (!unread) return calm("Nothing was found.", "Every check that ran passed, and no rule on the runner found anything.");
    const waits = [schema, status].some((section) => section.data === null && section.error === null);
    return waits ? calm("Reading …") : calm("Not everything could be read,", "so that nothing was found says little.");
  }

  function create(finding) {
    const parts = {
      chip: el("div", {}),
      title: el("a", { class: "finding-title", href: "#" }),
      hint: el("span", {}),
      code: el("code", {}),
    };
    const row = el(
      "li",
      { class: "finding" },
      parts.chip,
      el("div", { class: "finding-text" }, el("p", {}, parts.title), el("p", { class: "muted" }, parts.hint, " ", parts.code)),
      copyButton("Copy curl", () => curlOf(row.__finding.href), `Copy curl for ${finding.code}`),
    );
    row.__parts = parts;
    parts.title.addEventListener("click", (event) => {
      event.preventDefault();
      follow(row.__finding);
    });
    return row;
  }

  function update(row, finding) {
    row.__finding = finding;
    const { chip, title, hint, code } = row.__parts;
    setChip(chip, finding.state);
    setText(title, finding.title);
    setText(hint, finding.hint);
    setText(code, finding.code);
    title.setAttribute("href", finding.check ? "#schema" : finding.filters ? "#ticks" : "#runs");
  }

  function follow({ check, filters }) {
    if (check) showCheck(check);
    else if (filters !== null) showTicks(filters);
    else {
      byId("runs").scrollIntoView();
      byId("runs-title").setAttribute("tabindex", "-1");
      byId("runs-title").focus();
    }
  }

  return { draw, clear: () => ((settled = all = false), body.replaceChildren()) };
}
