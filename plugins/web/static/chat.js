// The chat page: asks, watches, and keeps the conversation over a reload. view.js draws.

import { AnswerView, el, questionView } from "./view.js";

const $ = (id) => document.getElementById(id);
const limit = Number(document.body.dataset.limit);
const log = $("log");
let conversation = "";
let departments = [];
let watching = null;

class Refused extends Error {}

async function call(path, body) {
  const options = body === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("Can't reach Mentee right now.");
  }
  if (response.status === 401) location.assign("/");
  if (response.status === 204) return null;
  const data = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused([data.error?.text ?? "The request was refused.", data.error?.hint].filter(Boolean).join(" "));
  return data;
}

const api = {
  vote: (id, vote) => call(`/api/answers/${id}/vote`, { reason: "", comment: "", ...vote }),
  actions: (id) => call(`/api/answers/${id}/actions`),
  confirm: (id) => call(`/api/actions/${id}`, {}),
  correct: (id, text) => call(`/api/answers/${id}/correction`, { text }),
};

function freshId(prefix) {
  return prefix + Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// --- asking ---------------------------------------------------------------------------------------------------------

async function ask(text, department = $("department").value || null) {
  const question = { text, department, conversation, key: freshId("k_") };
  const view = show(text);
  remember({ ...question });
  await send(question, view);
}

async function send(question, view) {
  setBusy(true);
  try {
    const accepted = await call("/api/questions", question);
    remember({ ...question, events: accepted.events });
    watch(accepted.events, view, question);
  } catch (error) {
    if (error instanceof Refused) remember(null);
    fail(view, error.message, question);
  }
}

function watch(address, view, question) {
  const stream = new EventSource(address);
  watching = stream;
  const on = (name, handle) => stream.addEventListener(name, (event) => handle(JSON.parse(event.data)));
  const atEnd = () => { stream.close(); remember(null); setBusy(false); };
  on("status", (data) => view.showStatus(data.text));
  on("text", (data) => { view.showText(data.html); view.showStatus("Writing"); follow(); });
  on("done", (answer) => { atEnd(); view.finish(answer); follow(); listConversations(); });
  on("failed", (data) => { atEnd(); fail(view, data.text, { ...question, key: freshId("k_") }); });
  stream.onopen = () => view.showStatus("Thinking");
  stream.onerror = () => {
    view.showStatus("Reconnecting");
    if (stream.readyState === EventSource.CLOSED) setTimeout(() => stream === watching && watch(address, view, question), 2000);
  };
}

function fail(view, text, question) {
  setBusy(false);
  const again = () => {
    const fresh = new AnswerView(view.api);
    view.root.replaceWith(fresh.root);
    remember(question);
    send(question, fresh);
  };
  view.fail(text, again);
}

// --- the conversation -----------------------------------------------------------------------------------------------

function show(text) {
  $("welcome").hidden = true;
  const view = new AnswerView({ ...api, askElsewhere: (department) => ask(text, department) });
  log.append(questionView(text), view.root);
  follow();
  return view;
}

async function open(id) {
  watching?.close();
  conversation = id || freshId("c_");
  history.replaceState(null, "", id ? `#${id}` : location.pathname);
  log.replaceChildren();
  setBusy(false);
  const opened = conversation;
  const turns = id ? await call(`/api/conversations/${id}`) : [];
  if (opened !== conversation) return; // another one was opened meanwhile
  for (const turn of turns) show(turn.question.text).finish(turn.answer);
  resume(turns);
  $("welcome").hidden = log.childElementCount > 0;
  markCurrent();
  closeSidebar();
}

function resume(turns) {
  const pending = JSON.parse(sessionStorage.getItem("pending") ?? "null");
  if (pending?.conversation !== conversation) return;
  if (turns.some((turn) => pending.events?.includes(turn.question.id))) return remember(null);
  send({ text: pending.text, department: pending.department, conversation, key: pending.key }, show(pending.text));
}

function remember(pending) {
  if (pending) sessionStorage.setItem("pending", JSON.stringify(pending));
  else sessionStorage.removeItem("pending");
  if (pending) history.replaceState(null, "", `#${conversation}`);
}

async function listConversations() {
  const found = await call("/api/conversations");
  $("conversations").replaceChildren(...found.map(({ id, title }) => el("button", { class: "conversation", "data-id": id, onclick: () => open(id) }, title)));
  markCurrent();
}

function markCurrent() {
  for (const button of $("conversations").children) button.setAttribute("aria-current", String(button.dataset.id === conversation));
}

// --- departments and examples ---------------------------------------------------------------------------------------

function showExamples() {
  const chosen = $("department").value;
  const from = departments.filter((department) => !chosen || department.name === chosen);
  const examples = chosen ? from.flatMap((department) => department.examples) : from.flatMap((department) => department.examples.slice(0, 1));
  $("examples").replaceChildren(...examples.slice(0, 6).map((text) => el("li", {}, el("button", { class: "chip", onclick: () => ask(text) }, text))));
}

async function listDepartments() {
  departments = await call("/api/departments");
  $("department").append(...departments.map(({ name, title }) => el("option", { value: name }, title)));
  $("department").value = departments.some(({ name }) => name === localStorage.getItem("department")) ? localStorage.getItem("department") : "";
  showExamples();
}

// --- small things ---------------------------------------------------------------------------------------------------

function setBusy(busy) {
  $("send").disabled = busy;
  if (!busy && matchMedia("(pointer: fine)").matches && !log.contains(document.activeElement)) $("question").focus();
}

/** Whether a key belongs to an input method. Safari ends the composition before the Enter that confirms it; 229 tells. */
function isComposing(event) { return event.isComposing || event.keyCode === 229; }

function follow() { scrollTo({ top: document.documentElement.scrollHeight, behavior: "instant" }); }

function fit() {
  const box = $("question");
  box.style.height = "auto";
  box.style.height = `${Math.min(box.scrollHeight, 220)}px`;
  const over = box.value.length - limit;
  $("count").textContent = over > 0 ? `${over} characters too many` : "";
}

function closeSidebar() {
  $("sidebar").classList.remove("open");
  $("shade").hidden = true;
  $("sidebar-open").setAttribute("aria-expanded", "false");
}

function openSidebar() {
  $("sidebar").classList.add("open");
  $("shade").hidden = false;
  $("sidebar-open").setAttribute("aria-expanded", "true");
  $("sidebar-close").focus();
}

async function showReadiness() {
  const response = await fetch("/readyz").catch(() => null);
  const starting = !response?.ok;
  $("notice").hidden = !starting;
  $("notice").textContent = starting ? "Mentee is starting: its model is being loaded. You can ask already; the answer follows." : "";
  if (starting) setTimeout(showReadiness, 1500);
}

$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("question").value.trim();
  if (!text || text.length > limit || $("send").disabled) return;
  $("question").value = "";
  fit();
  ask(text);
});
$("question").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !isComposing(event)) { event.preventDefault(); $("composer").requestSubmit(); }
});
$("question").addEventListener("input", fit);
$("department").addEventListener("change", () => { localStorage.setItem("department", $("department").value); showExamples(); });
for (const id of ["new", "new-narrow"]) $(id).addEventListener("click", () => open(""));
$("sidebar-open").addEventListener("click", openSidebar);
$("sidebar-close").addEventListener("click", closeSidebar);
$("shade").addEventListener("click", closeSidebar);
document.addEventListener("keydown", (event) => { if (event.key === "Escape") closeSidebar(); });
$("source").addEventListener("click", (event) => { if (event.target === $("source")) $("source").close(); });

showReadiness();
await listDepartments();
await Promise.all([open(location.hash.slice(1)), listConversations()]);
document.body.dataset.ready = "true";
