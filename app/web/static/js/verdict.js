// One verdict of two reports, and why. Pure: values in, words out. A report that is missing, old or torn never makes it
// green: what is not known is said to be unknown.

import { clock, count, duration, plural, toDate } from "./format.js";

const RANKS = ["ok", "unknown", "drift", "degraded", "down"];

/** Seconds after which what is shown is too old to be called the state of things. */
export function staleAfter(intervalSeconds) {
  return Math.max(30, 3 * intervalSeconds);
}

/** How a verdict looks: [tone, icon, word]. */
export const LOOKS = {
  ok: ["ok", "check", "All well"],
  unknown: ["skipped", "question", "Unknown"],
  drift: ["error", "cross", "Drift"],
  degraded: ["error", "cross", "Degraded"],
  down: ["error", "cross", "Down"],
  loading: ["skipped", "clock", "Reading"],
};

const many = (number, one, more) => `${count(number)} ${number === 1 ? one : more}`;
const SHORT = {
  database_unreachable: () => "the database is out of reach",
  scheduler_silent: () => "the scheduler is silent",
  runner_disabled: () => "the runner is switched off",
  overdue: (n) => many(n, "strategy overdue", "strategies overdue"),
  error_streak: (n) => many(n, "strategy failing", "strategies failing"),
  not_working: (n) => many(n, "strategy not working", "strategies not working"),
  paused_after_errors: (n) => `${count(n)} paused after errors`,
  audit_missing: (n) => many(n, "strategy leaves no ticks", "strategies leave no ticks"),
  error_rate: (_n, reason) => `error rate ${((reason.observed ?? 0) * 100).toFixed(0)} %`,
  lock_overlong: (n) => `${many(n, "lock", "locks")} held too long`,
  lock_orphaned: (n) => many(n, "orphaned lock", "orphaned locks"),
  unparsable_timeframe: (n) => many(n, "unreadable timeframe", "unreadable timeframes"),
  clock_ahead: (n) => `${many(n, "tick", "ticks")} ahead of the clock`,
  foreign_ticks: (n) => `${many(n, "tick", "ticks")} of the wrong user`,
};

/**
 * {level, title, why, asOf} of the sections `schema` and `status`. `level` is one of LOOKS; `asOf` is the age in seconds
 * of the older of the two, null while nothing was read. `cut` says that nothing can be read now.
 */
export function judge(schema, status, { staleSeconds, cut = false, now = performance.now() }) {
  const both = [schema, status];
  if (both.some((section) => section.data === null && section.error === null)) {
    return { level: "loading", title: "Reading the schema and the runner's status …", why: "", asOf: null };
  }
  const isOld = (section) => cut || section.error !== null || section.age(now) > Math.max(staleSeconds, section.leastSeconds * 2);
  const old = both.filter((section) => section.data !== null && isOld(section));
  if (old.length === 0) return found(schema, status, now);
  // What is known to be wrong now stays wrong, whatever cannot be read beside it.
  const fresh = found(...both.map((section) => (old.includes(section) ? unread(section) : section)), now);
  if (RANKS.indexOf(fresh.level) > RANKS.indexOf("unknown")) return fresh;
  return outdated(found(schema, status, now), unread(old.find((section) => section.error !== null) ?? old[0]).error.message);
}

function found(schema, status, now) {
  const level = worst([levelOfSchema(schema), levelOfStatus(status)]);
  const ages = [schema, status].map((section) => section.age(now)).filter((age) => age !== null);
  const asOf = ages.length > 0 ? Math.max(...ages) : null;
  return { level, title: titleOf(level, schema, status), why: whyOf(level, schema, status), asOf };
}

/** A section as if nothing had ever been read of it. */
function unread({ error }) {
  return { data: null, error: error ?? { message: "Nothing newer was read." }, age: () => null };
}

function worst(levels) {
  return levels.reduce((one, other) => (RANKS.indexOf(other) > RANKS.indexOf(one) ? other : one));
}

function levelOfSchema({ data }) {
  if (data === null) return "unknown";
  return data.conformant === true ? "ok" : data.conformant === false ? "drift" : "unknown";
}

function levelOfStatus({ data }) {
  return data !== null && RANKS.includes(data.verdict) ? data.verdict : "unknown";
}

function titleOf(level, schema, status) {
  const word = LOOKS[level][2];
  if (level === "ok") {
    const warnings = schema.data.summary.warning;
    const idle = status.data.activeStrategies === 0 ? ", and no strategy is active" : "";
    return warnings > 0 ? `${word}, with ${plural(warnings, "warning")} on the schema${idle}` : word + idle;
  }
  const parts = (status.data?.reasons ?? [])
    .filter((reason) => level === "unknown" || reason.severity !== "unknown")
    .map((reason) => (Object.hasOwn(SHORT, reason.rule) ? SHORT[reason.rule](reason.count, reason) : null))
    .filter((part) => part !== null);
  if (schema.data?.conformant === false) parts.push(level === "drift" ? driftIn(schema.data) : "schema drifted");
  if (schema.data === null) parts.push("the schema could not be read");
  else if (schema.data.conformant === null) parts.push(`${plural(schema.data.summary.unknown, "check")} could not run`);
  if (status.data === null) parts.push("the runner's status could not be read");
  const shown = parts.length > 3 ? [...parts.slice(0, 2), `${parts.length - 2} more`] : parts;
  return shown.length > 0 ? `${word}: ${shown.join(", ")}` : word;
}

function driftIn(schema) {
  return `${plural(schema.summary.fail, "check")} of the schema failed`;
}

function whyOf(level, schema, status) {
  if (level === "ok") return whatWasChecked(schema, status);
  const reason = status.data?.reasons?.find((one) => one.severity === status.data.verdict);
  const failed =
    schema.data?.checks.find((check) => check.outcome === "fail" && check.severity === "error") ??
    (schema.data?.conformant === null ? schema.data.checks.find((check) => check.outcome === "unknown") : undefined);
  const ofBoth = [reason?.summary ?? status.error?.message, failed?.message ?? (schema.data === null && schema.error?.message)];
  if (level === "drift") ofBoth.reverse();
  const sentences = ofBoth.filter(Boolean).map((text) => (/[.!?]$/.test(text) ? text : `${text}.`));
  return [...new Set(sentences)].join(" ");
}

/** "All well" is worth what was looked at, and when. */
function whatWasChecked(schema, status) {
  const checked = clock(toDate(schema.data.checkedAt));
  const { summary } = schema.data;
  const { active } = status.data.runs;
  const total = status.data.activeStrategies;
  const last = toDate(status.data.lastRunAt);
  const asOf = toDate(status.data.asOf);
  const parts = [`${plural(summary.pass, "check")} of the schema passed at ${checked} UTC.`];
  if (total === 0) parts.push("No strategy is active, so there is nothing to be late.");
  else parts.push(`${count(active?.onTime)} of ${many(total, "strategy is", "strategies are")} on time.`);
  if (last === null) parts.push("No tick was ever recorded.");
  else parts.push(`The newest tick is of ${clock(last)} UTC${asOf ? `, ${duration((asOf - last) / 1000)} before` : ""}.`);
  return parts.join(" ");
}

/** Stale green is the worst fault a page like this can have: old findings keep their words, but not their colour. */
function outdated(last, reason) {
  return {
    ...last,
    level: "unknown",
    title: `Unknown now. Last known: ${last.title}`,
    why: `${reason} ${last.why}`,
  };
}
