// A series of buckets as what the two panels draw. Pure.

import { toDate } from "./format.js";

export const STATUSES = ["ok", "skipped", "blocked", "error"];
const LEAST_SHARE = 0.02; // of the highest bar: one error among two hundred ticks must be seen, too

/**
 * {times, width, stacks, p95, buckets}: `times` are the middles of the buckets in seconds, so that a bar covers what it
 * counts; `width` is a bucket's, in seconds. `stacks` are sums from the ground, the highest first, as they are painted
 * over each other; a part that is 0 is null, so that no hairline is drawn for it, and one that would be thinner than a
 * line is drawn as one. Numbers are told from `buckets`.
 */
export function chartData(series) {
  const starts = series.map((bucket) => toDate(bucket.at).getTime() / 1000);
  const width = starts.length > 1 ? Math.min(...starts.slice(1).map((at, index) => at - starts[index])) : 60;
  const least = Math.max(0, ...series.map(totalOf)) * LEAST_SHARE;
  const height = (bucket, status) => (bucket[status] > 0 ? Math.max(bucket[status], least) : 0);
  const stacks = STATUSES.map((status, place) =>
    series.map((bucket) => {
      if (!bucket[status]) return null;
      return STATUSES.slice(0, place + 1).reduce((sum, one) => sum + height(bucket, one), 0);
    }),
  ).reverse();
  return {
    times: starts.map((at) => at + width / 2),
    width,
    stacks,
    p95: series.map((bucket) => bucket.p95),
    buckets: series,
  };
}

/** The whole of the data on the x axis: from the first bucket's start to the last one's end. */
export function fullRange({ times, width }) {
  return times.length === 0 ? [0, width] : [times[0] - width / 2, times[times.length - 1] + width / 2];
}

/** A range of half the length around a time, within bounds, and no narrower than four buckets; null if that is no zoom. */
export function zoomedIn([from, to], around, bounds, width) {
  const length = Math.max((to - from) / 2, width * 4);
  if (length >= to - from) return null;
  const start = Math.min(Math.max(around - length / 2, bounds[0]), bounds[1] - length);
  return [start, start + length];
}

/** A dragged range, widened to whole buckets and to two at least. */
export function snapped([from, to], { times, width }) {
  const start = times.length > 0 ? times[0] - width / 2 : 0;
  const first = Math.floor((from - start) / width);
  const last = Math.max(first + 2, Math.ceil((to - start) / width));
  return [start + first * width, start + last * width];
}

export function totalOf(bucket) {
  return STATUSES.reduce((sum, status) => sum + bucket[status], 0);
}
