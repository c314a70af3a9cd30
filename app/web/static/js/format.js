// Numbers and times for people. Every time is UTC and on a 24-hour clock, whatever the browser's own zone and habits.

const COUNT = new Intl.NumberFormat("en-US");
const NOTHING = "–";

export function count(number) {
  return number === null || number === undefined ? NOTHING : COUNT.format(number);
}

export function plural(number, noun, many = `${noun}s`) {
  return `${count(number)} ${number === 1 ? noun : many}`;
}

export function percent(share) {
  return share === null || share === undefined ? NOTHING : `${(share * 100).toFixed(1)} %`;
}

/** Milliseconds in the unit in which they read best. */
export function latency(ms) {
  if (ms === null || ms === undefined) return NOTHING;
  if (ms < 1000) return `${COUNT.format(Math.round(ms))} ms`;
  return ms < 60_000 ? `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s` : duration(ms / 1000);
}

/** Seconds in at most two units: 4 s, 16 min, 3 h 05 min, 2 d 04 h. */
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (number) => String(number).padStart(2, "0");
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
  return `${Math.floor(whole / 86_400)} d ${two(Math.floor((whole % 86_400) / 3600))} h`;
}

export function ago(seconds) {
  return `${duration(seconds)} ago`;
}

/** An RFC 3339 time as a Date; null for none and for what is no time. */
export function toDate(text) {
  if (text === null || text === undefined) return null;
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? null : date;
}

/** 12:01:07 */
export function clock(date) {
  return date === null ? NOTHING : date.toISOString().slice(11, 19);
}

/** 12:01 */
export function minute(date) {
  return date === null ? NOTHING : date.toISOString().slice(11, 16);
}

/** 2026-11-25 */
export function day(date) {
  return date === null ? NOTHING : date.toISOString().slice(0, 10);
}

/** 12:01:07 of today, with its day otherwise: "11-24 12:01:07". */
export function moment(date, now = new Date()) {
  if (date === null) return NOTHING;
  return day(date) === day(now) ? clock(date) : `${day(date).slice(5)} ${clock(date)}`;
}

/** The last part of a UUID, enough to tell one from another at a glance: ids that carry a time all start alike. */
export function shortId(id) {
  return id === null || id === undefined ? NOTHING : String(id).slice(-8);
}
