// What can be done next under an answer, such as opening a ticket, and what came of it.

import { el, icon, problem } from "./dom.js";

const OUTCOMES = { done: "check", failed: "close", unknown: "compass" };

/** How often and how far apart, in ms, to look for the end of an action. */
const LOOKS = 20;
const LOOK_MS = 1500;

export class Offers {
  constructor(answer, api) {
    this.answer = answer;
    this.api = api;
    this.root = el("div", { class: "offers", tabIndex: -1 });
    this.#show(answer.actions);
  }

  #show(offers, looks = LOOKS) {
    const ended = offers.filter(({ state }) => state in OUTCOMES);
    const open = offers.filter(({ state }) => state === "offered");
    const running = offers.filter(({ state }) => state === "running");
    const expired = !ended.length && !open.length && !running.length && offers.find(({ state }) => state === "expired");
    this.#fill(
      ...ended.map(({ state, label, result }) => el("p", { class: `outcome ${state}`, role: "status" }, icon(OUTCOMES[state]), el("span", {}, el("strong", {}, label), ` ${result}`))),
      ...running.map(({ label }) => working(label)),
      expired ? el("p", { class: "outcome" }, expired.result) : "",
      open.length && !running.length ? el("div", { class: "row" }, ...open.map((offer) => this.#button(offer))) : "");
    if (looks > 0 && (running.length || ended.at(-1)?.state === "unknown")) setTimeout(() => this.#lookAgain(offers, looks - 1), LOOK_MS);
  }

  /** Replace what is shown; a focus on it stays here instead of dropping to the page. */
  #fill(...nodes) {
    const focused = this.root.contains(document.activeElement);
    this.root.replaceChildren(...nodes);
    if (focused) this.root.focus({ preventScroll: true });
  }

  #button(offer) {
    return el("button", { type: "button", class: `offer ${offer.style}`, onclick: () => (offer.confirm ? this.#askFirst(offer) : this.#confirm(offer)) }, offer.label);
  }

  #askFirst(offer) {
    const cancel = el("button", { type: "button", class: "plain", onclick: () => this.#show(this.answer.actions) }, "Cancel");
    const yes = el("button", { type: "button", class: `offer ${offer.style}`, onclick: () => this.#confirm(offer) }, offer.label);
    this.root.replaceChildren(el("div", { class: "feedback", role: "group", "aria-label": offer.confirm }, el("p", { class: "ask" }, offer.confirm), el("div", { class: "row" }, yes, cancel)));
    cancel.focus();
  }

  async #confirm(offer) {
    this.#fill(working(offer.label));
    let failure = null;
    try {
      this.answer.actions = await this.api.confirm(offer.id);
    } catch (error) {
      failure = problem(error.message);
    }
    this.#show(this.answer.actions);
    if (failure) this.root.append(failure);
  }

  async #lookAgain(before, looks) {
    const actions = await this.api.actions(this.answer.id).catch(() => before);
    this.answer.actions = actions;
    if (JSON.stringify(actions) !== JSON.stringify(before) || !this.root.isConnected) looks = this.root.isConnected ? LOOKS : 0;
    this.#show(actions, looks);
  }
}

function working(label) {
  return el("p", { class: "outcome", role: "status" }, el("span", { class: "dots", "aria-hidden": "true" }), el("span", {}, el("strong", {}, label), " Working on it …"));
}
