// A question handed to a person: the button under an answer, the wait, and the reply as a turn of its own.

import { SignedOut } from "./api.js";
import { el, icon, problem } from "./dom.js";
import { following } from "./scrolling.js";

/** How soon to look for the reply, and how much later each further time, at most. */
const FIRST_MS = 2000;
const LATER = 1.5;
const MOST_MS = 30_000;

export class AskPerson {
  /** `turn` is the answer on the page, which the reply follows; `api` hands the question on and looks for the reply. */
  constructor(answer, api, turn) {
    this.answer = answer;
    this.api = api;
    this.turn = turn;
    this.button = answer.can_ask_person ? el("button", { type: "button", class: answer.known ? "icon text" : "offer", onclick: () => this.#askFirst() }, icon("person"), "Ask a person") : null;
    this.root = el("div", { class: "offers", tabIndex: -1, onkeydown: (event) => { if (event.key === "Escape") this.#close(); } });
    if (answer.escalation) this.#show(answer.escalation);
  }

  #askFirst() {
    const ask = el("button", { type: "button", class: "primary", onclick: () => this.#ask(ask) }, "Ask");
    const no = el("button", { type: "button", class: "plain", onclick: () => this.#close() }, "Not now");
    const what = `The people who handle questions for ${this.answer.department_title} will see your question, this answer and your name. The reply will appear here, in this conversation.`;
    this.root.replaceChildren(el("div", { class: "feedback", role: "group", "aria-label": "Ask a person" }, el("p", { class: "note" }, what), el("div", { class: "row" }, ask, no)));
    ask.focus({ preventScroll: true });
    this.root.scrollIntoView({ block: "nearest" });
  }

  #close() {
    if (!this.root.querySelector(".feedback")) return;
    this.root.replaceChildren();
    this.button.focus();
  }

  async #ask(pressed) {
    pressed.disabled = true;
    try {
      const escalation = await this.api.askPerson(this.answer.id);
      following(() => this.#show(escalation));
      this.root.focus({ preventScroll: true });
    } catch (error) {
      pressed.disabled = false;
      this.root.querySelector(".problem")?.remove();
      this.root.append(problem(error.message));
      pressed.focus();
    }
  }

  #show(escalation) {
    this.button?.remove();
    const { state, since, at, by } = escalation;
    if (state === "waiting") {
      this.root.replaceChildren(outcome("person", "Waiting for a person since ", time(since), `. The people who handle questions for ${this.answer.department_title} have your question. The reply will appear here.`));
      this.#look(FIRST_MS);
    } else if (state === "closed") {
      this.root.replaceChildren(outcome("close", "Closed without a reply", " by ", el("bdi", {}, by || "a colleague"), ", ", time(at), ". Ask again if you still need an answer."));
    } else {
      this.root.replaceChildren();
      this.turn.after(replyView(escalation));
    }
  }

  /** Look for the reply after a while, and again, but only while somebody sees the page. */
  #look(ms) {
    setTimeout(() => {
      if (document.hidden) document.addEventListener("visibilitychange", () => this.#look(0), { once: true });
      else this.#lookNow(ms || FIRST_MS);
    }, ms);
  }

  async #lookNow(ms) {
    if (!this.root.isConnected) return;
    try {
      const found = await this.api.escalation(this.answer.id);
      if (!found || !this.root.isConnected) return;
      if (found.state !== "waiting") return following(() => this.#show(found));
    } catch (error) {
      if (error instanceof SignedOut) return;
    }
    this.#look(Math.min(ms * LATER, MOST_MS));
  }
}

function replyView({ by, at, html }) {
  const who = by || "A colleague";
  const text = el("div", { class: "text" });
  if (html) text.innerHTML = html;
  else text.append(el("p", { class: "note" }, "This reply is no longer shown."));
  return el("article", { class: "reply", "aria-label": `${who} replied` }, el("p", { class: "meta" }, el("span", { class: "mark curated" }, icon("person"), el("span", {}, el("bdi", {}, who), " replied")), time(at)), text);
}

function outcome(name, state, ...more) {
  return el("p", { class: "outcome", role: "status" }, icon(name), el("span", {}, el("strong", {}, state), ...more));
}

function time(at) {
  const when = new Date(at);
  return el("time", { dateTime: at, title: when.toLocaleString("en") }, when.toLocaleString("en", { dateStyle: "medium", timeStyle: "short" }));
}
