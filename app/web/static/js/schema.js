// The schema: what is expected beside what is there, table by table. What failed is in sight, what passed a click away.

import { byId, el, keyed, setText } from "./dom.js";
import { ago, clock, plural, toDate } from "./format.js";
import { ready } from "./section_view.js";
import { setChip } from "./words.js";

const RANKS = ["error", "warning", "unknown", "skipped", "pass"];
const OTHERS = { role: "Roles", migrations: "Migrations" };

/** error, warning, unknown, skipped or pass. Pure. */
export function labelOfCheck(check) {
  return check.outcome === "fail" ? check.severity : check.outcome;
}

/** Checks by table, the worst group first: [{name, checks, tallies}]. Pure. */
export function groupsOf(checks) {
  const groups = new Map();
  for (const check of checks) {
    const name = check.table ?? OTHERS[check.key.split(".")[0]] ?? "Others";
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(check);
  }
  const rank = (check) => RANKS.indexOf(labelOfCheck(check));
  return [...groups]
    .map(([name, members]) => ({
      name,
      checks: members.toSorted((one, other) => rank(one) - rank(other)),
      tallies: RANKS.map((label) => [label, members.filter((check) => labelOfCheck(check) === label).length]),
    }))
    .sort((one, other) => rank(one.checks[0]) - rank(other.checks[0]));
}

export function createSchemaView({ schema, refresh, fixView }) {
  const body = byId("schema-body");
  const list = el("div", {});
  const checked = el("span", { class: "muted small" });
  const again = el("button", { type: "button", text: "Check again" });
  byId("schema-actions").append(checked, again);
  again.addEventListener("click", async () => {
    again.disabled = true;
    setText(again, "Checking …");
    await refresh();
    again.disabled = false;
    setText(again, "Check again");
    again.focus();
  });
  let drawn = null;

  function draw() {
    tick();
    if (!ready(body, schema, "The schema")) return void (fixView.draw(null), setText(byId("schema-count"), ""));
    if (drawn === schema.data && list.parentNode === body) return;
    drawn = schema.data;
    const { summary, database, checks, contract } = schema.data;
    const parts = [`${plural(summary.fail, "error")}`, plural(summary.warning, "warning"), `${summary.unknown} unknown`, `${summary.pass} passed`];
    setText(byId("schema-count"), `${parts.join(", ")} · contract ${contract.name}`);
    const where = [`Postgres ${database.serverVersion}`, database.schema, database.role].filter(Boolean);
    setText(byId("where"), where.join(" · "));
    keyed(list, groupsOf(checks), ({ name }) => name, createGroup, updateGroup);
    if (list.parentNode !== body) body.replaceChildren(list);
    fixView.draw(schema.data);
  }

  function tick() {
    const at = toDate(schema.data?.checkedAt);
    setText(checked, at === null ? "" : `checked at ${clock(at)} UTC, ${ago(schema.age())}`);
  }

  function createGroup({ name }) {
    const rows = el("tbody", { role: "rowgroup" });
    const rest = el("button", { type: "button", class: "more" });
    const tallies = el("span", { class: "tallies" });
    const heads = ["Outcome", "Check", "Expected", "Actual"];
    const group = el(
      "details",
      { class: "checks card" },
      el("summary", {}, el("strong", { text: name }), tallies),
      el(
        "table",
        { class: "grid check-grid", role: "table", "aria-label": name },
        el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, heads.map((text) => el("th", { role: "columnheader", scope: "col", text })))),
        rows,
      ),
      rest,
    );
    group.__parts = { rows, tallies, rest };
    group.__all = false;
    rest.addEventListener("click", () => {
      group.__all = true;
      fillGroup(group);
      group.querySelector("summary").focus();
    });
    group.__fresh = true;
    // Rows are made when they are first seen: a hundred checks that pass are nobody's first look.
    group.addEventListener("toggle", () => fillGroup(group));
    return group;
  }

  function updateGroup(group, found) {
    group.__group = found;
    const { tallies } = group.__parts;
    const shown = found.tallies.filter(([, number]) => number > 0);
    keyed(
      tallies,
      shown,
      ([label]) => label,
      () => el("span", {}),
      (holder, [label, number]) => setChip(holder, label, `${number} ${label}`),
    );
    // Opened once, where something is wrong; after that, open or closed as the reader leaves it.
    if (group.__fresh) group.open = ["error", "warning", "unknown"].includes(shown[0][0]);
    group.__fresh = false;
    fillGroup(group);
  }

  function fillGroup(group) {
    if (!group.open) return;
    const { rows, rest } = group.__parts;
    const { checks } = group.__group;
    const wrong = checks.filter((check) => !["skipped", "pass"].includes(labelOfCheck(check)));
    const shown = group.__all || wrong.length === 0 ? checks : wrong;
    rest.hidden = shown.length === checks.length;
    setText(rest, `Show the other ${plural(checks.length - shown.length, "check")}`);
    keyed(rows, shown, (check) => check.key, createCheck, updateCheck);
  }

  /** Opens and focuses one check, for a finding that leads to it. */
  function show(key) {
    for (const group of list.children) {
      if (!group.__group.checks.some((check) => check.key === key)) continue;
      group.open = true;
      fillGroup(group);
      const row = [...group.__parts.rows.children].find((one) => one.__key === key);
      row.setAttribute("tabindex", "-1");
      row.scrollIntoView({ block: "center" });
      row.focus();
    }
  }

  return { draw, tick, show, clear: () => ((drawn = null), list.replaceChildren(), body.replaceChildren(), fixView.draw(null)) };
}

function createCheck() {
  const parts = {
    chip: el("td", { role: "cell" }),
    key: el("code", {}),
    message: el("p", { class: "message" }),
    hint: el("p", { class: "muted small" }),
    expected: el("td", { role: "cell", "data-label": "Expected" }),
    actual: el("td", { role: "cell", "data-label": "Actual" }),
  };
  const row = el("tr", { role: "row" }, parts.chip, el("td", { role: "cell" }, parts.key, parts.message, parts.hint), parts.expected, parts.actual);
  row.__parts = parts;
  return row;
}

function updateCheck(row, check) {
  const { chip, key, message, hint, expected, actual } = row.__parts;
  const label = labelOfCheck(check);
  setChip(chip, label);
  setText(key, check.key);
  // What passes is said by its columns; a sentence on each would bury what failed.
  setText(message, label === "pass" ? "" : check.message);
  setText(hint, check.hint ?? "");
  setText(expected, check.expected);
  setText(actual, check.actual ?? "–");
}
