// The conversation on the page: asks, watches the answer, stops it, and finds all of it again after a reload.

import { AnswerView, questionView } from "./answer.js";
import { Refused, SignedOut, call, freshId, kept } from "./api.js";
import * as composer from "./composer.js";
import { $, again, problem, showTitle } from "./dom.js";
import { following, toEnd } from "./scrolling.js";
import { hideMenu, list, mark, titled } from "./sidebar.js";

const RETRY_MS = 2000;
const log = $("log");
let id = "";
/** Questions whose answers are awaited here: `{question, view, stream, accepted}`; `accepted` promises the id. */
const awaited = new Set();

const last = () => [...awaited].at(-1);

export async function ask(text, department = $("department").value || null) {
  if (awaited.size) return;
  const question = { text, department, conversation: id, key: freshId("k_") };
  history.replaceState(null, "", `#${id}`);
  kept.set("pending", question);
  const view = show(text);
  composer.focus();
  toEnd();
  await send(question, view);
}

async function send(question, view) {
  const { text, department, conversation, key } = question;
  const accepting = call("/api/v1/questions", { text, department, conversation, key });
  const here = begin(question, view, accepting.then((accepted) => accepted.question_id));
  try {
    const accepted = await accepting;
    question.id = accepted.question_id;
    if (kept.get("pending")?.key === key) kept.set("pending", question);
    if (awaited.has(here)) watch(accepted.events, here);
    list(id);
  } catch (error) {
    if (error instanceof SignedOut) keepForLater(question);
    if (error instanceof Refused) kept.set("pending", null);
    end(here, () => view.fail(error.message, () => retry(here)));
  }
}

function begin(question, view, accepted) {
  accepted.catch(() => {}); // who waits for it is told
  const here = { question, view, accepted, stream: null };
  awaited.add(here);
  composer.setRunning(true);
  return here;
}

function end(here, draw) {
  here.stream?.close();
  if (!awaited.delete(here)) return; // another conversation was opened meanwhile
  composer.setRunning(awaited.size > 0);
  following(draw);
}

/** Nobody is signed in: what was not accepted is a draft again; what was accepted is found in its conversation. */
function keepForLater(question) {
  if (question.id) return;
  kept.set("pending", null);
  composer.write(question.text);
}

function watch(address, here) {
  const { view } = here;
  const stream = new EventSource(address);
  here.stream = stream;
  const on = (name, handle) => stream.addEventListener(name, (event) => handle(JSON.parse(event.data)));
  const ended = (draw) => { kept.set("pending", null); end(here, () => { draw(); offerExport(); }); list(id); };
  on("status", (data) => view.showStatus(data.text));
  on("text", (data) => following(() => { view.showText(data.html); view.showStatus("Writing"); }));
  on("done", (answer) => ended(() => view.finish(answer)));
  on("failed", (data) => ended(() => (data.stopped ? view.stopped(data.text, () => retry(here)) : view.fail(data.text, () => retry(here)))));
  stream.onopen = () => view.showStatus("Thinking");
  stream.onerror = () => {
    view.showStatus("Reconnecting");
    if (stream.readyState === EventSource.CLOSED) setTimeout(() => rejoin(address, here), RETRY_MS);
  };
}

/** The browser has given up connecting: see what has become of the question. */
async function rejoin(address, here) {
  if (!awaited.has(here)) return;
  try {
    const unanswered = await call("/api/v1/questions");
    if (unanswered.some(({ id: known }) => known === here.question.id)) watch(address, here);
    else {
      kept.set("pending", null);
      open(id);
    }
  } catch (error) {
    if (!(error instanceof SignedOut)) setTimeout(() => rejoin(address, here), RETRY_MS);
  }
}

function retry({ question, view }) {
  if (awaited.size) return;
  const fresh = new AnswerView(view.ask);
  view.root.replaceWith(fresh.root);
  composer.focus();
  const anew = { ...question, id: undefined, conversation: id, key: question.id ? freshId("k_") : question.key };
  kept.set("pending", anew);
  send(anew, fresh);
}

export async function stop() {
  const here = last();
  if (!here) return;
  here.view.showStatus("Stopping");
  try {
    await call(`/api/v1/questions/${await here.accepted}/stop`, {}); // how it ends comes with the events
  } catch (error) {
    here.view.showStatus(`Not stopped. ${error.message}`);
  }
}

// --- opening --------------------------------------------------------------------------------------------------------

/** Go to a conversation, or to a new one, so that Back leads to the one before, unless that is gone. */
export function go(wanted, gone = false) {
  const address = wanted ? `#${wanted}` : location.pathname;
  if (gone) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  return open(wanted);
}

export async function open(wanted) {
  leave();
  id = wanted || freshId("c_");
  const opened = id;
  greet(!wanted);
  mark(wanted);
  composer.focus();
  if (!wanted) return;
  try {
    const exchanges = await load(wanted);
    if (opened === id) fill(exchanges);
  } catch (error) {
    if (opened === id) log.replaceChildren(problem(`This conversation can’t be shown. ${error.message}`, again("Try again", () => open(wanted))));
  }
}

function leave() {
  for (const here of awaited) here.stream?.close();
  awaited.clear();
  composer.setRunning(false);
  hideMenu();
  log.replaceChildren();
  offerExport();
}

/** An answer can be exported once it is written. */
function offerExport() {
  $("exporting").hidden = !log.querySelector(".answer[aria-busy=false] > .text:not(:empty)");
  $("export").href = `/api/v1/conversations/${id}/export`;
}

function greet(isNew) {
  $("welcome").hidden = !isNew;
  $("title").hidden = isNew;
  $("title").textContent = "Conversation";
  document.title = "Mentee";
}

/** Questions that end between the two requests are in both: those with an answer count. */
async function load(wanted) {
  const unanswered = (await call("/api/v1/questions")).filter(({ conversation }) => conversation === wanted);
  const turns = await call(`/api/v1/conversations/${wanted}`);
  const answered = new Set(turns.map(({ question }) => question.id));
  const open_ = unanswered.filter((question) => !answered.has(question.id)).map((question) => ({ question, answer: null }));
  return [...turns, ...open_].sort((one, other) => one.question.asked_at.localeCompare(other.question.asked_at));
}

function fill(exchanges) {
  for (const { question, answer } of exchanges) {
    const view = show(question.text);
    if (answer) view.finish(answer);
    else if (question.state === "stopped") view.stopped(question.end, () => retry({ question, view }));
    else watch(question.events, begin({ ...question }, view, Promise.resolve(question.id)));
  }
  offerExport();
  resume(exchanges);
  if (!log.childElementCount) {
    id = freshId("c_");
    log.append(problem("There is no conversation at this address. It may have been erased, or somebody else had it."));
  }
  toEnd();
}

/** Send again what may not have arrived; its key makes it one question. */
function resume(exchanges) {
  const pending = kept.get("pending");
  if (pending?.conversation !== id) return;
  const same = ({ question, answer }) => (pending.id ? question.id === pending.id : !answer && question.text === pending.text);
  if (exchanges.some(same)) kept.set("pending", null);
  else send(pending, show(pending.text));
}

function show(text) {
  if (!log.querySelector(".question")) {
    greet(false);
    showTitle(titled(id) ?? text);
  }
  const view = new AnswerView((department) => ask(text, department));
  log.append(questionView(text, () => { composer.write(text); $("question").focus(); }), view.root);
  return view;
}
