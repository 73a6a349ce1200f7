// A question, and its answer from the first sign of life to the thumbs.

import { answers } from "./api.js";
import { copy, select } from "./copying.js";
import { again, el, icon, iconButton, problem } from "./dom.js";
import { Feedback } from "./feedback.js";
import { Offers } from "./offers.js";
import { AskPerson } from "./person.js";
import { linkNumbers, sourcesView, suggestionView } from "./sources.js";

const MARKS = {
  curated: ["check", "Curated answer by a colleague", "curated"],
  passage: ["quote", "Weak match, quoted from the closest page", "quoted"],
  none: ["compass", "Closest I found", "nearest"],
};

export function questionView(text, edit) {
  return el("article", { class: "question", "aria-label": "Your question" }, el("h2", {}, text), iconButton("pen", "Edit and ask again", edit));
}

export class AnswerView {
  /** `ask` asks the same question again, in a department if one is given. */
  constructor(ask) {
    this.ask = ask;
    this.status = el("p", { class: "status" }, el("span", { class: "dots", "aria-hidden": "true" }), el("span", {}, "Sending"));
    this.meta = el("p", { class: "meta" });
    this.body = el("div", { class: "text" });
    this.root = el("article", { class: "answer", "aria-label": "Answer", "aria-busy": "true" }, this.meta, this.body, this.status);
  }

  showStatus(text) { this.status.lastChild.textContent = text; }

  showText(html) { this.body.innerHTML = html; }

  fail(text, retry) {
    this.#end();
    this.root.append(problem(text, again("Ask again", retry)));
  }

  stopped(text, retry) {
    this.#end();
    this.root.classList.add("unknown");
    this.root.append(el("p", { class: "outcome", role: "status" }, el("span", {}, text), again("Ask again", retry)));
  }

  #end() {
    this.root.setAttribute("aria-busy", "false");
    this.status.remove();
  }

  finish(answer) {
    this.answer = answer;
    this.#end();
    this.showText(answer.html);
    if (answer.source === "courtesy") return;
    this.root.classList.toggle("unknown", !answer.known);
    this.meta.replaceChildren(el("span", { class: "tag" }, answer.department_title), ...this.#mark());
    linkNumbers(this.body, answer.citations);
    if (answer.citations.length) this.root.append(sourcesView(answer));
    if (answer.suggestion) this.root.append(suggestionView(answer.suggestion));
    this.root.append(new Offers(answer, answers).root);
    const person = new AskPerson(answer, answers, this.root);
    const next = [...this.#elsewhere(), answer.known ? null : person.button].filter(Boolean);
    if (next.length) this.root.append(el("div", { class: "offers" }, el("div", { class: "row" }, ...next)));
    this.panel = el("div", { class: "panel" });
    this.root.append(this.#buttons(answer.known ? person.button : null), person.root, this.panel);
  }

  #mark() {
    const mark = MARKS[this.answer.known || this.answer.source === "curated" ? this.answer.source : "none"];
    return mark ? [el("span", { class: `mark ${mark[2]}` }, icon(mark[0]), mark[1])] : [];
  }

  /** Departments whose documents seem to have the answer that this one lacks. */
  #elsewhere() {
    const buttons = this.answer.elsewhere.map(({ name, title }) => el("button", { type: "button", class: "offer", onclick: () => {
      for (const button of buttons) button.disabled = true;
      this.ask(name);
    } }, `Ask in ${title}`));
    return buttons;
  }

  #buttons(askPerson) {
    const { up, down, write } = new Feedback(this.answer, answers, this.panel);
    const copying = iconButton("copy", "Copy the answer", () => this.#copy(copying));
    return el("div", { class: "actions" }, up, down, copying, iconButton("again", "Ask again", () => this.ask()), write, askPerson);
  }

  async #copy(button) {
    if (!(await copy(this.answer.text))) {
      select(this.body);
      this.panel.replaceChildren(problem("This browser doesn’t let Mentee copy. The answer is selected: press Ctrl+C, or ⌘C on a Mac."));
      return;
    }
    button.replaceChildren(icon("check"));
    setTimeout(() => button.replaceChildren(icon("copy")), 1500);
  }
}
