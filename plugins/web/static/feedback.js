// Thumbs, reasons and corrections below an answer. What it says of them comes from the server (wording.py).

import { kept } from "./api.js";
import { el, icon, iconButton, problem } from "./dom.js";

const WORDS = JSON.parse(document.body.dataset.words);

export class Feedback {
  /** `api` sends what is given; `panel` is where the forms go. */
  constructor(answer, api, panel) {
    this.answer = answer;
    this.api = api;
    this.panel = panel;
    this.up = this.#thumb("up", "Good answer");
    this.down = this.#thumb("down", "Bad answer");
    this.write = el("button", { type: "button", class: "icon text", onclick: () => this.#showCorrection(this.write) }, icon("pen"), "Correct");
    this.#press(answer.vote?.value ?? null);
    if (answer.decided) panel.replaceChildren(...decision(answer.decided));
    else if (answer.correction) this.#say("You corrected this answer.");
    panel.addEventListener("keydown", (event) => { if (event.key === "Escape") this.#close(); });
  }

  #thumb(value, label) {
    const button = iconButton(value, label, () => this.#vote(value));
    button.classList.add("thumb");
    return button;
  }

  #press(value) {
    this.value = value;
    this.up.setAttribute("aria-pressed", String(value === "up"));
    this.down.setAttribute("aria-pressed", String(value === "down"));
  }

  async #vote(value) {
    const wanted = this.value === value ? null : value;
    if (!(await this.#try(() => this.api.vote(this.answer.id, { value: wanted })))) return;
    this.#press(wanted);
    if (wanted === "down") this.#showReasons();
    else this.#say(wanted === "up" ? WORDS.up : WORDS.none);
  }

  #showReasons() {
    let reason = "";
    const thanks = this.answer.corrects_at_once ? "thanks_to_agents" : "thanks";
    const told = () => WORDS.reasons.find(({ code }) => code === reason)?.[thanks] ?? WORDS.down;
    const comment = el("textarea", { rows: 2, maxLength: 2000, placeholder: "Anything to add? (optional)", "aria-label": "Comment" });
    const record = () => this.#try(() => this.api.vote(this.answer.id, { value: "down", reason, comment: comment.value }), form);
    const note = el("p", { class: "note", role: "status" });
    const chips = WORDS.reasons.map(({ code, label }) => el("button", { type: "button", class: "chip", "aria-pressed": "false", onclick: async (event) => {
      reason = code;
      for (const chip of chips) chip.setAttribute("aria-pressed", String(chip === event.currentTarget));
      if (await record()) note.textContent = told();
    } }, label));
    const send = async (event) => {
      event.preventDefault();
      if (await record()) this.#end(told());
    };
    const correct = el("button", { type: "button", class: "plain", onclick: () => this.#showCorrection(this.down) }, "Write the right answer");
    const form = el("form", { class: "feedback", onsubmit: send },
      el("p", { class: "ask" }, "What was wrong with it?"), el("div", { class: "chips" }, ...chips), note, comment,
      el("div", { class: "row" }, el("button", { class: "primary" }, "Send"), correct));
    this.#open(form, chips[0], this.down);
  }

  #showCorrection(opener) {
    const draft = `correction ${this.answer.id}`;
    const before = this.answer.correction ?? (this.answer.known ? plain(this.answer) : "");
    const text = el("textarea", { rows: 6, maxLength: 8000, required: true, value: kept.get(draft) ?? before, oninput: () => kept.set(draft, text.value) });
    const send = async (event) => {
      event.preventDefault();
      if (text.value.trim() === before.trim()) return this.#mistake(form, text, "This is the answer as it is. Change it to what would have been right.");
      const sent = await this.#try(() => this.api.correct(this.answer.id, text.value), form);
      if (!sent) return;
      kept.set(draft, null);
      this.answer.correction = text.value;
      this.#press(this.value ?? "down");
      this.#end(sent.live ? WORDS.live : WORDS.proposed);
    };
    const form = el("form", { class: "feedback", onsubmit: send }, el("label", { class: "ask" }, "What should the answer have been?", text),
      el("p", { class: "note" }, this.answer.corrects_at_once ? WORDS.will_be_live : WORDS.will_be_proposed),
      el("div", { class: "row" }, el("button", { class: "primary" }, "Save the correction"), el("button", { type: "button", class: "plain", onclick: () => this.#close() }, "Cancel")));
    this.#open(form, text, opener);
  }

  #open(form, first, opener) {
    this.opener = opener;
    this.panel.replaceChildren(form);
    this.#focus(first);
    this.panel.scrollIntoView({ block: "nearest" });
  }

  #close() {
    if (!this.panel.querySelector("form")) return;
    this.panel.replaceChildren();
    this.#focus(this.opener);
  }

  /** Close the form and say what came of it. The focus goes back to the button that opened it. */
  #end(text) {
    this.#say(text);
    this.#focus(this.opener);
  }

  /** Put the focus there, unless the person has gone on to something else, such as the next question, meanwhile. */
  #focus(element) {
    const focused = document.activeElement;
    if (focused === document.body || this.panel.parentElement.contains(focused)) element.focus({ preventScroll: true });
  }

  #say(text) { this.panel.replaceChildren(el("p", { class: "thanks", role: "status" }, icon("check"), text)); }

  #mistake(form, field, text) {
    form.querySelector(".problem")?.remove();
    form.prepend(problem(text));
    field?.focus();
  }

  /** Return what came of it, or null after saying why nothing did; a form keeps what was typed. */
  async #try(work, form = null) {
    try {
      return (await work()) ?? true;
    } catch (error) {
      if (form) this.#mistake(form, null, error.message);
      else this.panel.replaceChildren(problem(error.message));
      return null;
    }
  }
}

/** What an agent made of the reader's correction: the published text, or why it wasn't taken over. */
function decision({ taken, said, text }) {
  const told = el("p", { class: taken ? "thanks" : "note", role: "note" }, taken ? icon("check") : null, said);
  return text ? [told, el("blockquote", { class: "note", dir: "auto" }, text)] : [told];
}

/** The answer's text without the numbers of its sources. */
function plain({ text, citations }) {
  return text.replace(/ ?\[(\d+)\]/g, (number, n) => (citations.some((source) => source.n === Number(n)) ? "" : number));
}
