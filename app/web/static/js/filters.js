// The filters of the ticks table: controls for the common ones, and one chip for each that is set.

import { byId, el, keyed } from "./dom.js";
import { moment, shortId, toDate } from "./format.js";

const STATUSES = ["ok", "skipped", "blocked", "error"];
const SIGNALS = ["buy", "sell", "hold"];

/** `onFilter(filters)` with [[name, value], ...]; `nameOf(id)` gives a strategy's label, or null. */
export function createFilters({ onFilter, nameOf }) {
  let filters = [];
  const status = toggles("Status", "status", STATUSES);
  const signal = toggles("Signal", "signal", SIGNALS);
  const reason = el("input", { type: "search", id: "filter-reason", maxlength: "200", autocomplete: "off", spellcheck: "false" });
  const slow = el("input", { type: "number", id: "filter-latency", min: "0", max: "2147483647", step: "1", inputmode: "numeric" });
  const form = el(
    "form",
    { class: "filters", role: "search", "aria-label": "Filter ticks" },
    status.node,
    signal.node,
    el("div", { class: "field" }, el("label", { for: "filter-reason", text: "Reason starts with" }), reason),
    el("div", { class: "field" }, el("label", { for: "filter-latency", text: "Latency from, ms" }), slow),
    el("button", { type: "submit", text: "Filter" }),
  );
  const scope = el("div", { class: "scope", hidden: true });
  const clear = el("button", { type: "button", text: "Clear filters", on: { click: () => (onFilter([]), byId("filter-reason").focus()) } });

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const typed = [];
    if (reason.value.trim() !== "") typed.push(["reason", reason.value.trim()]);
    if (slow.value !== "" && slow.validity.valid) typed.push(["min_latency_ms", slow.value]);
    onFilter([...filters.filter(([name]) => name !== "reason" && name !== "min_latency_ms"), ...typed]);
  });

  function toggles(legend, name, values) {
    const buttons = values.map((value) =>
      el("button", { type: "button", text: value, "aria-pressed": "false", on: { click: () => toggle(name, value) } }),
    );
    return {
      buttons,
      node: el("fieldset", {}, el("legend", { text: legend }), el("span", { class: "segmented" }, buttons)),
    };
  }

  function toggle(name, value) {
    const without = filters.filter(([one, other]) => one !== name || other !== value);
    onFilter(without.length < filters.length ? without : [...filters, [name, value]]);
  }

  function draw(next) {
    filters = next;
    const values = (name) => filters.filter(([one]) => one === name).map(([, value]) => value);
    for (const [group, name] of [[status, "status"], [signal, "signal"]]) {
      for (const button of group.buttons) button.setAttribute("aria-pressed", String(values(name).includes(button.textContent)));
    }
    if (document.activeElement !== reason) reason.value = values("reason")[0] ?? "";
    if (document.activeElement !== slow) slow.value = values("min_latency_ms")[0] ?? "";
    const others = filters.filter(([name]) => !["status", "signal", "min_latency_ms"].includes(name));
    scope.hidden = filters.length === 0;
    const items = filters.length === 0 ? [] : [...others.map((one) => ({ key: one.join("="), one })), { key: "clear", one: null }];
    keyed(scope, items, ({ key }) => key, ({ one }) => (one === null ? clear : without(one)), (node, { one }) => one && label(node, one));
  }

  function without(one) {
    return el("button", { type: "button", on: { click: () => onFilter(filters.filter((other) => other.join() !== one.join())) } });
  }

  function label(node, one) {
    const words = wordsOf(one);
    node.textContent = `${words} ×`;
    node.setAttribute("aria-label", `Remove filter: ${words}`);
  }

  function wordsOf([name, value]) {
    if (name === "strategy_run_id") return nameOf(value) ?? `strategy ${shortId(value)}`;
    if (name === "user_id") return `user ${shortId(value)}`;
    if (name === "since") return `from ${moment(toDate(value))} UTC`;
    if (name === "until") return `before ${moment(toDate(value))} UTC`;
    return name === "reason" ? `reason ${value}…` : `${name} ${value}`;
  }

  return { nodes: [form, scope], draw };
}
