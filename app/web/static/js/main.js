// Where the page's parts meet: who is signed in, what is read when, and which part shows what.

import { readAddress, writeAddress } from "./address.js";
import { RUNS, SCHEMA, SCHEMA_ANEW, statusOf } from "./api.js";
import { createChartView } from "./chart.js";
import { byId, el } from "./dom.js";
import { createDrawer } from "./drawer.js";
import { createFiguresView } from "./figures.js";
import { createFindingsView } from "./findings.js";
import { createFixView } from "./fix.js";
import { clock } from "./format.js";
import { showNothingInTab } from "./icon_in_tab.js";
import { api, session, supabase } from "./reader.js";
import { Section, createRefresher } from "./refresher.js";
import { createRunsView, labelOf } from "./runs.js";
import { createSchemaView } from "./schema.js";
import { SignInError } from "./session.js";
import { createSignIn } from "./sign_in.js";
import { createStrips } from "./strips.js";
import { createTicksView } from "./ticks.js";
import { staleAfter } from "./verdict.js";
import { createVerdictView } from "./verdict_view.js";

const SCHEMA_SECONDS = 30; // a schema changes by hand: it need not be read every five seconds

let address = readAddress();
let signedOut = false; // the session ended, and the page stays as it was

session.onEnded = end;
const interval = () => address.refresh || 5;

const asOf = (body) => body.asOf;
const sections = {
  status: new Section("status", ({ signal }) => ask(statusOf(address.window), { signal, at: asOf })),
  runs: new Section("runs", ({ signal }) => ask(RUNS, { signal, at: asOf }), { waits: true }),
  schema: new Section(
    "schema",
    ({ signal, fresh }) => ask(fresh ? SCHEMA_ANEW : SCHEMA, { signal, at: (body) => body.checkedAt }),
    { least: SCHEMA_SECONDS },
  ),
};

function ask([path, params], options) {
  return api.get(path, { params, ...options });
}

const refresher = createRefresher({
  sections: Object.values(sections),
  interval,
  onChange: draw,
  onRound: () => views.ticks.refresh(),
  onSignedOut: (section, token) => section !== sections.runs && refused(token),
  onDenied: (section) => section !== sections.runs && deny(),
});

const views = {
  verdict: createVerdictView({ ...sections, interval, isCut: () => refresher.lostAt !== null || signedOut }),
  findings: createFindingsView({ ...sections, showTicks, showCheck: (key) => views.schema.show(key) }),
  figures: createFiguresView(sections),
  chart: createChartView({ ...sections, showTicks, onZoom: (zoomed) => (zoomed ? rest("zoom") : wake("zoom")) }),
  runs: createRunsView({ ...sections, showTicks }),
  schema: createSchemaView({ ...sections, refresh: () => refresher.reread(sections.schema, { fresh: true }), fixView: createFixView({ api }) }),
  ticks: createTicksView({ api, nameOf, onFilter: showTicks, onOpen: openTick, onSignedOut: refused }),
};
const drawer = createDrawer({ api, nameOf, showTicks, onClose: () => writeTick(null) });
const strips = createStrips({
  retry: () => refresher.now(),
  reset: () => views.chart.reset(),
  resume: () => setRefresh(5),
});
const signIn = createSignIn({ withEmail: supabase !== null, onToken: useToken, onEmail: useEmail });

const DRAWN_WITH = {
  status: ["verdict", "findings", "figures", "chart", "runs"],
  schema: ["verdict", "findings", "schema"],
  runs: ["runs", "ticks"],
};

function draw(section) {
  for (const name of DRAWN_WITH[section.name]) views[name].draw();
  second();
}

/** Everything that changes with time alone: ages, countdowns, and a verdict that has become too old. */
function second() {
  const shown = session.token !== null && !byId("content").hidden;
  const cut = refresher.lostAt !== null || signedOut;
  byId("content").classList.toggle("stale", cut);
  const age = sections.status.age();
  const old = shown && age !== null && age > staleAfter(interval()) ? age : null;
  strips.draw({ lostAt: shown ? refresher.lostAt : null, nextIn: refresher.nextIn, reasons: refresher.reasons, oldSeconds: old });
  if (!shown) return;
  views.verdict.draw();
  views.runs.tick();
  views.schema.tick();
}

// --- resting -------------------------------------------------------------------------------------------------------

function rest(reason) {
  refresher.pause(reason);
  views.ticks.rest();
  second();
}

function wake(reason) {
  refresher.resume(reason);
  if (refresher.reasons.size === 0) views.ticks.wake();
  second();
}

function setRefresh(seconds) {
  address.refresh = seconds;
  writeAddress(address);
  byId("refresh").value = String(seconds);
  if (seconds === 0) rest("user");
  else if (refresher.reasons.has("user")) wake("user");
  else refresher.reschedule();
}

function setWindow(window) {
  address.window = window;
  writeAddress(address, { step: true });
  byId("window").value = window;
  views.chart.reset();
  refresher.reread(sections.status);
}

// --- ticks ---------------------------------------------------------------------------------------------------------

function showTicks(filters) {
  const fromAfar = !byId("ticks").contains(document.activeElement);
  address.filters = filters;
  writeAddress(address, { step: true });
  views.ticks.start(filters);
  if (!fromAfar) return;
  byId("ticks").scrollIntoView();
  byId("ticks-title").setAttribute("tabindex", "-1");
  byId("ticks-title").focus({ preventScroll: true });
}

function nameOf(id) {
  const found = sections.runs.data?.runs?.find((run) => run.strategy_run_id === id);
  return found === undefined ? null : labelOf(found);
}

function openTick(tick) {
  drawer.open(tick);
  writeTick({ id: tick.id, scheduled_at: tick.scheduled_at });
}

function writeTick(tick) {
  address.tick = tick;
  writeAddress(address);
}

// --- signing in and out --------------------------------------------------------------------------------------------

async function useToken(text) {
  if (text.trim() === "") return "Paste a token first.";
  session.use(text);
  return enter();
}

async function useEmail(email, password) {
  try {
    await session.signIn(email, password);
  } catch (error) {
    if (error instanceof SignInError) return error.message;
    throw error;
  }
  return enter();
}

/** Reads with the token there is. Null when it is accepted, or a sentence why not. */
async function enter() {
  const again = signedOut && sections.status.readAt !== null;
  signedOut = false;
  refresher.reset({ keep: again });
  for (const reason of ["signed-out", "denied"]) refresher.reasons.delete(reason);
  const read = refresher.now({ everything: true });
  // Of a token that was accepted before, nothing waits for that it still is.
  const ticksToo = !again && !byId("content").hidden;
  if (ticksToo) views.ticks.start(address.filters);
  await read;
  if (signedOut) return whyEnded();
  if (refresher.reasons.has("denied")) return null;
  signIn.hide();
  byId("denied").hidden = true;
  byId("content").hidden = byId("controls").hidden = false;
  for (const view of Object.values(views)) view.draw();
  if (address.tick !== null) drawer.find(address.tick);
  if (again) views.ticks.wake();
  else if (!ticksToo) views.ticks.start(address.filters);
  second();
  return null;
}

/** A token was not accepted: read again with another one, if there is or can be one. Otherwise the session is over. */
async function refused(token) {
  if (signedOut) return;
  if (token === session.token) {
    if (!session.canRenew()) return end();
    if (!(await session.renew())) return;
  }
  refresher.now();
}

/** The session is over. What was read stays in sight, dimmed, while the reader signs in again. */
function end() {
  if (signedOut) return;
  signedOut = true;
  rest("signed-out");
  drawer.close();
  signIn.show(whyEnded());
  byId("controls").hidden = byId("content").hidden;
}

function whyEnded() {
  const end = session.expiresAt;
  if (end !== null && end * 1000 < Date.now()) return `The session ended at ${clock(new Date(end * 1000))} UTC. Sign in again to go on.`;
  if (session.isSupabases) return "The session was ended. Sign in again to go on.";
  return "The token is not accepted: it is not valid here, or no longer.";
}

function deny() {
  rest("denied");
  const who = session.name;
  byId("denied").replaceChildren(
    el(
      "div",
      { class: "sign-in" },
      el(
        "div",
        { class: "calm" },
        el("h2", { text: "Access denied" }),
        el("p", { text: `${who === null ? "You are" : `${who} is`} signed in, and not an admin here. An admin is named by the token's claim or by their profile.` }),
        el("p", { class: "more" }, el("button", { type: "button", text: "Sign in as someone else", on: { click: leave } })),
      ),
    ),
  );
  drawer.close();
  signIn.hide();
  byId("denied").hidden = false;
  byId("content").hidden = byId("controls").hidden = true;
  showNothingInTab();
}

/** Out, and nothing of what was read stays: the next one at this screen may be someone else. */
function leave() {
  session.signOut();
  refresher.reset();
  refresher.pause("signed-out");
  drawer.close();
  for (const view of Object.values(views)) view.clear?.();
  signedOut = false;
  byId("where").textContent = "";
  byId("content").hidden = byId("controls").hidden = byId("denied").hidden = true;
  showNothingInTab();
  signIn.show();
  signIn.focus();
  second();
}

// --- the page ------------------------------------------------------------------------------------------------------

function apply(next) {
  const windowChanged = next.window !== address.window;
  address = next;
  byId("window").value = address.window;
  byId("refresh").value = String(address.refresh);
  if (session.token === null || byId("content").hidden) return;
  if (windowChanged) refresher.reread(sections.status);
  views.ticks.start(address.filters);
}

byId("window").addEventListener("change", (event) => setWindow(event.target.value));
byId("refresh").addEventListener("change", (event) => setRefresh(Number(event.target.value)));
byId("sign-out").addEventListener("click", leave);
addEventListener("popstate", () => apply(readAddress()));
addEventListener("online", () => refresher.retry());
addEventListener("offline", () => refresher.retry());
document.addEventListener("visibilitychange", () => (document.hidden ? rest("hidden") : wake("hidden")));
setInterval(second, 1000);

apply(address);
if (address.refresh === 0) refresher.reasons.add("user");
if (document.hidden) refresher.reasons.add("hidden");
if (session.token === null) {
  refresher.pause("signed-out");
  signIn.show();
} else {
  // What there is to say is said where it belongs, as it arrives.
  byId("content").hidden = byId("controls").hidden = false;
  enter();
}
