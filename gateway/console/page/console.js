// The console's page. Everything that came from elsewhere is put in as text, never as HTML.
import { Chart, time, written } from "./charts.js";

const KEY = "bearer-gateway-console-key";
const LOOK = 3000;
const OUTCOMES = ["admitted", "reported", "refused", "failed"];
const byId = (id) => document.getElementById(id);

function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "onclick") made.addEventListener("click", value);
    else if (value !== undefined && value !== null) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const state = { key: null, steps: new Map(), step: 5, now: 0, refusals: [], open: new Set(), readOnly: false, stream: null, timer: null, next: null };
const charts = {
  rate: new Chart(byId("rate"), "Requests a second"),
  own: new Chart(byId("own"), "The gateway's own time in ms"),
  upstream: new Chart(byId("upstream"), "The API's time in ms"),
};

// Asking

class Refused extends Error {
  constructor(status, sentence) { super(sentence); this.status = status; }
}

async function ask(path, { method = "GET", body, accept, signal } = {}) {
  const headers = { Authorization: `Bearer ${state.key}` };
  if (accept) headers.Accept = accept;
  if (method !== "GET") headers["Content-Type"] = "application/json";
  const sent = method === "GET" ? undefined : JSON.stringify(body ?? {});
  const response = await fetch(path, { method, headers, body: sent, signal, cache: "no-store", credentials: "omit", redirect: "error" });
  if (!response.ok) {
    const told = await response.json().catch(() => ({}));
    throw new Refused(response.status, told.error ?? `status ${response.status}`);
  }
  return response;
}

const asJson = async (path, more) => (await ask(path, more)).json();

async function* events(signal) {
  const response = await ask("api/traffic", { accept: "text/event-stream", signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const parts = text.split("\n\n");
    text = parts.pop();
    for (const part of parts) {
      const data = part.split("\n").find((line) => line.startsWith("data: "));
      if (data) yield JSON.parse(data.slice(6));
    }
  }
}

// Words

const STATES = {
  ok: ["good", "ok"], idle: ["good", "idle"], starting: ["warn", "starting"], failing: ["bad", "failing"], down: ["bad", "down"],
  clock: ["bad", "clock differs"], "not asked yet": ["calm", "not asked yet"], "no token": ["bad", "no token"],
  silent: ["bad", "does not respond"],
};

function badge(word) {
  const [kind, says] = STATES[word] ?? ["calm", word];
  return el("span", { class: `state ${kind}` }, says);
}

function duration(seconds) {
  if (seconds === null || seconds === undefined) return "never";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} days`;
}

const ago = (seconds) => (seconds === null || seconds === undefined ? "never" : `${duration(seconds)} ago`);

function same(target, children) {
  // What has not changed is left alone: a reader's place in it, and the focus, stay.
  const next = el("div", {}, ...children);
  if (target.dataset.shown === next.textContent) return;
  target.dataset.shown = next.textContent;
  const focused = target.contains(document.activeElement) ? document.activeElement.id : "";
  target.replaceChildren(...next.childNodes);
  if (focused) byId(focused)?.focus();
}

// Status

function showStatus(status) {
  state.readOnly = status.read_only;
  const ready = byId("ready");
  ready.textContent = status.draining ? "draining" : status.ready ? "ready" : "not ready";
  ready.className = `state ${status.draining ? "warn" : status.ready ? "good" : "bad"}`;
  const workers = status.workers > 1 ? `, ${status.workers} workers` : "";
  byId("about").textContent = `${status.version}, configuration ${status.config}, up ${duration(status.uptime)}${workers}`;
  document.title = `${status.findings.length ? `(${status.findings.length}) ` : ""}Bearer Gateway console`;
  same(byId("findings"), status.findings.length
    ? status.findings.map((one) => el("li", { class: one.severity === "problem" ? "bad" : "warn" },
        el("p", {}, el("strong", {}, `${WHERE[one.where]}: `), one.says), one.advice ? el("p", {}, one.advice) : null))
    : [el("li", { class: "good" }, el("p", {}, "Nothing that the gateway knows of."))]);
  showIssuers(status.issuers);
  same(byId("upstreams"), status.upstreams.map((one) => el("tr", {},
    el("th", { scope: "row" }, one.name, el("br"), el("span", { class: "mono soft" }, one.url)),
    el("td", {}, badge(one.state), one.error && one.state !== "ok" ? el("div", { class: "soft" }, one.error) : null),
    el("td", {}, ago(one.responded), one.failed === null ? null : el("div", { class: "soft" }, `failed ${ago(one.failed)}`)),
    el("td", {}, `${one.busy} busy, ${one.idle} idle`))));
  const rest = [];
  const row = (name, ...says) => rest.push(el("dt", {}, name), el("dd", {}, ...says));
  for (const [key, where] of Object.entries(status.listeners)) row(key, el("code", {}, where));
  row("Open", `${status.connections} connections, ${status.streams} streams`);
  row("Store", status.store ? badge(status.store.state) : "none", status.store?.error ? ` ${status.store.error}` : "");
  if (status.revocations) row("Revoked", `${status.revocations.entries}${status.revocations.is_stale ? ", and the list is too old" : ""}`);
  for (const one of status.certificates) row(`Certificate of ${one.name}`, `ends in ${written(one.days)} days`);
  row("You are", status.who);
  same(byId("rest"), rest);
  for (const id of ["revocations", "to-revocations"]) byId(id).hidden = !status.revocations;
  byId("reload").hidden = byId("revoke-form").hidden = state.readOnly;
  same(byId("revoke-issuer"), status.issuers.map((one) => el("option", { value: one.name }, one.name)));
}

const WHERE = { provider: "The provider", client: "A client", api: "The API", store: "The store", gateway: "The gateway", clock: "The clock" };

function showIssuers(issuers) {
  same(byId("issuers"), issuers.map((one, index) => el("tr", {},
    el("th", { scope: "row" }, one.name, el("br"), el("span", { class: "mono soft" }, one.issuer)),
    el("td", {}, badge(one.state), one.error ? el("div", { class: "soft" }, one.error) : null,
      one.state === "clock" ? el("div", { class: "soft" }, `${duration(Math.abs(one.clock_ahead))} ${one.clock_ahead > 0 ? "ahead of" : "behind"} ours`) : null),
    el("td", { class: "number" }, String(one.keys)),
    el("td", {}, ago(one.age)),
    el("td", {}, `in ${duration(one.next_refresh)}`),
    el("td", {}, state.readOnly ? null : el("button", { type: "button", id: `refresh-${index}`, "aria-label": `Refresh the keys of ${one.name}`,
      onclick: () => change(`api/issuers/${encodeURIComponent(one.name)}/refresh`, "POST", {}, (told) => told.ok ? `The keys of ${one.name} were fetched.` : `The keys of ${one.name} cannot be had: ${told.error}`) }, "Refresh")))));
}

// Traffic

function takeSteps(told) {
  state.now = told.now;
  state.step = told.step ?? state.step;
  for (const one of told.steps) state.steps.set(one.at, one);
  for (const at of state.steps.keys()) if (at < told.now - 900) state.steps.delete(at);
  showTraffic();
}

function showTraffic() {
  // What is under way is not drawn: it would seem to fall.
  const last = (Math.floor(state.now / state.step) - 1) * state.step;
  const times = Array.from({ length: 180 }, (_, index) => last - (179 - index) * state.step);
  const steps = times.map((at) => state.steps.get(at));
  const sums = (outcome) => steps.map((step) => (step?.counts ?? []).filter((one) => one.outcome === outcome).reduce((sum, one) => sum + one.count, 0) / state.step);
  const series = OUTCOMES.map((name) => ({ name, values: sums(name) }));
  charts.rate.draw(times, series.filter((one) => one.name !== "reported" || one.values.some((value) => value)));
  for (const part of ["own", "upstream"]) {
    charts[part].draw(times, ["p50", "p90", "p99"].map((name) => ({ name, values: steps.map((step) => step?.[part]?.[name] ?? null) })));
  }
  showReasons(steps.filter(Boolean));
}

function showReasons(steps) {
  const found = new Map();
  for (const step of steps) {
    for (const one of step.counts) {
      const failedUpstream = one.outcome === "admitted" && one.status === "5xx";
      if (one.outcome === "admitted" && !failedUpstream) continue;
      const reason = failedUpstream ? "(the API responds 5xx)" : one.reason;
      const key = `${reason}\n${one.route}`;
      const counts = found.get(key) ?? [0, 0];
      counts[step.at > state.now - 300 ? 0 : 1] += one.count;
      found.set(key, counts);
    }
  }
  const rows = [...found].sort((one, other) => other[1][0] - one[1][0] || other[1][1] - one[1][1]).slice(0, 50);
  same(byId("reasons"), rows.length ? rows.map(([key, [now, before]]) => {
    const [reason, route] = key.split("\n");
    const word = before === 0 ? "new" : now === 0 ? "over" : now > before ? "more" : "";
    return el("tr", {}, el("th", { scope: "row" }, el("code", {}, reason)), el("td", {}, route), el("td", { class: "number" }, String(now)),
      el("td", { class: "number" }, String(before)), el("td", {}, word ? el("span", { class: `state ${word === "over" ? "good" : "warn"}` }, word) : ""));
  }) : [el("tr", {}, el("td", { colspan: "5" }, "Nobody was refused."))]);
}

// Refusals

function showRefusals() {
  const words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (one) => {
    const text = [one.reason, one.client, one.path, one.method, one.route, one.issuer, one.peer, one.token, one.request_id, one.evidence, one.status].join(" ").toLowerCase();
    return words.every((word) => text.includes(word));
  };
  const shown = state.refusals.filter(fits);
  byId("refusals-count").textContent = `${shown.length} of ${state.refusals.length}${state.more ? `; ${state.more} more were counted only` : ""}`;
  same(byId("refused"), shown.map((one) => {
    const id = `r${one.at}-${one.request_id ?? ""}`.replace(/[^a-zA-Z0-9]/g, "");
    const because = el("div", { class: "because", id: `${id}b` },
      el("p", {}, el("strong", {}, "Why: "), `${one.sentence} `, one.evidence ? el("span", { class: "mono" }, `(${one.evidence})`) : null),
      one.advice ? el("p", {}, el("strong", {}, "What to do: "), one.advice) : null,
      el("p", { class: "soft mono" }, [one.issuer && `issuer ${one.issuer}`, one.client && `client ${one.client}`, one.peer && `from ${one.peer}`, one.token && `token ${one.token}`, one.request_id && `request ${one.request_id}`].filter(Boolean).join(", ")));
    because.hidden = !state.open.has(id);
    const why = el("button", { type: "button", class: "why", id, "aria-expanded": String(!because.hidden), "aria-controls": `${id}b`,
      "aria-label": `Why ${one.reason} at ${time(one.at)}?` }, "why?");
    why.addEventListener("click", () => {
      because.hidden = !because.hidden;
      why.setAttribute("aria-expanded", String(!because.hidden));
      if (because.hidden) state.open.delete(id); else state.open.add(id);
    });
    return el("li", {}, el("div", { class: "head" }, el("span", { class: "soft" }, time(one.at)),
      el("span", { class: `state ${one.outcome === "failed" ? "bad" : "warn"}` }, `${one.status} ${one.reason}`),
      el("span", { class: "mono" }, `${one.method ?? ""} ${one.path ?? "(not readable)"}`),
      one.client ? el("span", {}, `by ${one.client}`) : null, why), because);
  }));
}

// Explain

async function explain(event) {
  event.preventDefault();
  const out = byId("explained");
  const body = { token: byId("token").value, method: byId("method").value, url: byId("url").value };
  byId("token").value = "";
  try {
    const told = await asJson("api/explain", { method: "POST", body });
    const marks = new Map([[true, ["✓", "passed"]], [false, ["✗", "refused"]], [null, ["·", "not reached"]]]);
    out.replaceChildren(
      el("h3", {}, told.verdict === "admitted" ? "Admitted" : `${told.verdict === "reported" ? "Admitted, but reported" : "Refused"}: ${told.status} ${told.reason}`),
      told.evidence ? el("p", { class: "mono" }, told.evidence) : "",
      el("ol", { class: "steps" }, ...told.steps.map((one) => el("li", {},
        el("span", { class: one.passed === false ? "state bad" : one.passed ? "state good" : "soft", role: "img", "aria-label": marks.get(one.passed)[1] }, marks.get(one.passed)[0]),
        el("span", {}, one.step), el("span", { class: "mono" }, one.says)))),
      told.passed_over.length ? el("p", {}, `Routes passed over: ${told.passed_over.map((one) => `${one.route} (${one.because})`).join("; ")}`) : "",
      told.headers.length ? el("h3", {}, "What the API would receive") : "",
      told.headers.length ? el("dl", {}, ...told.headers.flatMap(([name, value]) => [el("dt", {}, name), el("dd", { class: "mono" }, value)])) : "");
  } catch (error) {
    out.replaceChildren(el("p", { class: "note bad" }, error.message));
  }
}

// Revocations

async function showRevoked(after = "") {
  if (byId("revocations").hidden) return;
  const told = await asJson(`api/revocations?after=${encodeURIComponent(after)}`);
  byId("revoked-count").textContent = told.count ? `${told.count} revoked` : "Nothing is revoked.";
  const rows = told.entries.map((one) => el("tr", {},
    el("th", { scope: "row" }, `${one.kind} `, el("code", {}, one.value), one.issuer ? el("div", { class: "soft" }, one.issuer) : null),
    el("td", {}, one.before === null ? "any" : new Date(one.before * 1000).toLocaleString()),
    el("td", {}, new Date(one.at * 1000).toLocaleString()), el("td", {}, one.who), el("td", {}, one.reason),
    el("td", {}, state.readOnly ? null : el("button", { type: "button", "aria-label": `Lift ${one.kind} ${one.value}`,
      onclick: () => change("api/revocations", "DELETE", { id: one.id }, () => "Lifted: such tokens are good again.", showRevoked) }, "Lift"))));
  if (after) byId("revoked").append(...rows); else byId("revoked").replaceChildren(...rows);
  state.next = told.next;
  byId("more").hidden = told.next === null;
}

async function revoke(event) {
  event.preventDefault();
  const what = byId("what").value;
  const body = { [what]: byId("value").value, reason: byId("reason").value };
  if (what !== "token") body.issuer = byId("revoke-issuer").value;
  byId("value").value = "";
  await change("api/revocations", "POST", body, (told) => (told.changed ? "Revoked." : "It was revoked already."), showRevoked);
}

async function change(path, method, body, says, then) {
  try {
    const told = await asJson(path, { method, body });
    byId("done").textContent = says(told);
    byId("done").className = "";
  } catch (error) {
    byId("done").textContent = error.message;
    byId("done").className = "note bad";
  }
  await then?.().catch(() => {});
  await look();
}

// Opening and looking

async function look() {
  try {
    showStatus(await asJson("api/status"));
    if (!byId("hold").checked) {
      const told = await asJson("api/refusals");
      state.refusals = told.refusals;
      state.more = told.more;
      showRefusals();
    }
    byId("lost").textContent = "";
  } catch (error) {
    if (error.status === 401) leave("The key is not good any more: the gateway has started anew.");
    else if (state.key) {
      byId("lost").textContent = error.status ? error.message : "The gateway does not respond; what stands here is what it said last.";
      byId("ready").textContent = "no response";
      byId("ready").className = "state bad";
    }
  }
}

async function follow() {
  while (state.key) {
    state.stream = new AbortController();
    try {
      for await (const told of events(state.stream.signal)) takeSteps(told);
    } catch (error) {
      if (error.status === 401) return;
    }
    await new Promise((done) => setTimeout(done, LOOK));
  }
}

async function open(key) {
  state.key = key;
  try {
    showStatus(await asJson("api/status"));
  } catch (error) {
    state.key = null;
    byId("key-wrong").textContent = error.status === 401 ? "This is not the key." : error.message;
    return;
  }
  sessionStorage.setItem(KEY, key);
  byId("enter").hidden = true;
  for (const id of ["open", "nav", "leave"]) byId(id).hidden = false;
  byId("key").value = byId("key-wrong").textContent = "";
  byId("main").focus();
  follow();
  showRevoked().catch(() => {});
  await look();
  state.timer = setInterval(() => document.hidden || look(), LOOK);
  document.body.dataset.open = "true";
}

function leave(why = "") {
  state.key = null;
  sessionStorage.removeItem(KEY);
  state.stream?.abort();
  clearInterval(state.timer);
  delete document.body.dataset.open;
  byId("enter").hidden = false;
  for (const id of ["open", "nav", "leave", "reload"]) byId(id).hidden = true;
  byId("key-wrong").textContent = why;
  byId("ready").textContent = "not connected";
  byId("ready").className = "state";
  byId("about").textContent = "";
  byId("key").focus();
}

function theme(which) {
  document.documentElement.dataset.theme = which;
}

theme(sessionStorage.getItem("theme") ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
byId("theme").addEventListener("click", () => {
  theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
  sessionStorage.setItem("theme", document.documentElement.dataset.theme);
});
byId("leave").addEventListener("click", () => leave());
byId("reload").addEventListener("click", () => change("api/reload", "POST", {}, (told) => !told.ok ? `The configuration stays as it was: ${told.problems.join("; ")}` :
  told.changed.length ? `Another configuration is in use, ${told.config}: ${[...told.changed, ...told.warnings].join("; ")}` : "The configuration was read anew, and has not changed."));
byId("key-form").addEventListener("submit", (event) => { event.preventDefault(); open(byId("key").value.trim()); });
byId("filter-form").addEventListener("submit", (event) => event.preventDefault());
byId("filter").addEventListener("input", showRefusals);
byId("explain-form").addEventListener("submit", explain);
byId("revoke-form").addEventListener("submit", revoke);
byId("more").addEventListener("click", () => showRevoked(state.next));
const kept = sessionStorage.getItem(KEY);
if (kept) open(kept);
