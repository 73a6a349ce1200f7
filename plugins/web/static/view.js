// What the page shows. Text goes in by textContent; the only HTML is what the server has rendered and cleaned.

export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "class") node.className = value;
    else if (name in node && !name.startsWith("aria")) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

const REASONS = Object.entries(JSON.parse(document.body.dataset.reasons));
const MARKS = {
  curated: ["check", "Curated answer by a colleague", "curated"],
  passage: ["quote", "Weak match, quoted from the closest page", "quoted"],
  none: ["compass", "Closest I found", "nearest"],
};

export function questionView(text) {
  return el("article", { class: "question", "aria-label": "Your question" }, text);
}

const OUTCOMES = { done: "check", failed: "close", unknown: "compass" };
const LOOKS = 20;
/** How often and how far apart, in ms, to look for the end of an action. */
const LOOK_MS = 1500;

/** One answer, from the first sign of life to thumbs. `api` does what the buttons ask for. */
export class AnswerView {
  constructor(api) {
    this.api = api;
    this.status = el("p", { class: "status" }, el("span", { class: "dots", "aria-hidden": "true" }), el("span", {}, "Sending"));
    this.meta = el("p", { class: "meta" });
    this.body = el("div", { class: "text" });
    this.root = el("article", { class: "answer", "aria-label": "Answer", "aria-busy": "true" }, this.meta, this.body, this.status);
  }

  showStatus(text) { this.status.lastChild.textContent = text; }

  showText(html) { this.body.innerHTML = html; }

  fail(text, again) {
    this.root.setAttribute("aria-busy", "false");
    this.status.replaceWith(el("p", { class: "problem", role: "alert" }, text, again ? el("button", { class: "plain", onclick: again }, "Ask again") : ""));
  }

  finish(answer) {
    this.answer = answer;
    this.root.setAttribute("aria-busy", "false");
    this.status.remove();
    this.showText(answer.html);
    if (answer.source === "courtesy") return;
    this.root.classList.toggle("unknown", !answer.known);
    this.meta.replaceChildren(el("span", { class: "tag" }, answer.department_title), ...this.#mark());
    linkNumbers(this.body, answer.citations);
    if (answer.citations.length) this.root.append(sourcesView(answer));
    if (answer.suggestion) this.root.append(suggestionView(answer.suggestion));
    this.offers = el("div", { class: "offers" });
    this.root.append(this.offers);
    this.#showOffers(answer.actions);
    if (answer.elsewhere.length) this.root.append(this.#elsewhere());
    this.root.append(this.#actions(), this.panel = el("div", { class: "panel" }));
    if (answer.correction) this.#thank("You corrected this answer.");
  }

  #mark() {
    const mark = MARKS[this.answer.known || this.answer.source === "curated" ? this.answer.source : "none"];
    return mark ? [el("span", { class: `mark ${mark[2]}` }, icon(mark[0]), mark[1])] : [];
  }

  /** Departments whose documents seem to have the answer that this one lacks. */
  #elsewhere() {
    const buttons = this.answer.elsewhere.map(({ name, title }) => el("button", { type: "button", class: "offer", onclick: (event) => {
      for (const button of event.currentTarget.parentElement.children) button.disabled = true;
      this.api.askElsewhere(name);
    } }, `Ask in ${title}`));
    return el("div", { class: "offers elsewhere" }, el("div", { class: "row" }, ...buttons));
  }

  #actions() {
    const thumb = (value, name, label) => el("button", { class: "icon thumb", "aria-label": label, "aria-pressed": "false", title: label,
      onclick: () => this.#vote(value) }, icon(name));
    this.up = thumb("up", "up", "Good answer");
    this.down = thumb("down", "down", "Bad answer");
    this.#press(this.answer.vote?.value ?? null);
    const copy = el("button", { class: "icon", "aria-label": "Copy the answer", title: "Copy the answer", onclick: () => this.#copy(copy) }, icon("copy"));
    const correct = el("button", { class: "icon text", onclick: () => this.#showCorrection() }, icon("pen"), "Correct");
    return el("div", { class: "actions" }, this.up, this.down, copy, correct);
  }

  /** Show what can be done next, and what came of what was done. */
  #showOffers(offers, looks = LOOKS) {
    const ended = offers.filter(({ state }) => state in OUTCOMES);
    const open = offers.filter(({ state }) => state === "offered");
    const running = offers.filter(({ state }) => state === "running");
    const expired = !ended.length && !open.length && !running.length && offers.find(({ state }) => state === "expired");
    this.offers.replaceChildren(
      ...ended.map(({ state, label, result }) => el("p", { class: `outcome ${state}`, role: "status" }, icon(OUTCOMES[state]), el("span", {}, el("strong", {}, label), ` ${result}`))),
      ...running.map(({ label }) => working(label)),
      expired ? el("p", { class: "outcome" }, expired.result) : "",
      open.length && !running.length ? el("div", { class: "row" }, ...open.map((offer) => this.#offerButton(offer))) : "");
    if (looks > 0 && (running.length || ended.at(-1)?.state === "unknown")) setTimeout(() => this.#lookAgain(offers, looks - 1), LOOK_MS);
  }

  #offerButton(offer) {
    return el("button", { type: "button", class: `offer ${offer.style}`, onclick: () => (offer.confirm ? this.#askFirst(offer) : this.#confirm(offer)) }, offer.label);
  }

  #askFirst(offer) {
    const cancel = el("button", { type: "button", class: "plain", onclick: () => this.#showOffers(this.answer.actions) }, "Cancel");
    const yes = el("button", { type: "button", class: `offer ${offer.style}`, onclick: () => this.#confirm(offer) }, offer.label);
    this.offers.replaceChildren(el("div", { class: "feedback", role: "group", "aria-label": offer.confirm }, el("p", { class: "ask" }, offer.confirm), el("div", { class: "row" }, yes, cancel)));
    cancel.focus();
  }

  async #confirm(offer) {
    this.offers.replaceChildren(working(offer.label));
    this.panel.replaceChildren();
    const actions = await this.#try(() => this.api.confirm(offer.id));
    if (actions) this.answer.actions = actions;
    this.#showOffers(this.answer.actions);
  }

  async #lookAgain(before, looks) {
    const actions = await this.api.actions(this.answer.id).catch(() => before);
    this.answer.actions = actions;
    if (JSON.stringify(actions) !== JSON.stringify(before) || !this.root.isConnected) looks = this.root.isConnected ? LOOKS : 0;
    this.#showOffers(actions, looks);
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
    else this.panel.replaceChildren(wanted === "up" ? thanks("Thank you. Mentee learns from this.") : "");
  }

  #showReasons() {
    let reason = "";
    const comment = el("textarea", { rows: 2, maxLength: 2000, placeholder: "Anything to add? (optional)", "aria-label": "Comment" });
    const chips = REASONS.map(([code, label]) => el("button", { type: "button", class: "chip", "aria-pressed": "false", onclick: async (event) => {
      reason = code;
      for (const chip of chips) chip.setAttribute("aria-pressed", String(chip === event.currentTarget));
      await this.#try(() => this.api.vote(this.answer.id, { value: "down", reason, comment: comment.value }));
    } }, label));
    const send = async (event) => {
      event.preventDefault();
      if (await this.#try(() => this.api.vote(this.answer.id, { value: "down", reason, comment: comment.value }))) this.#thank("Thank you. Mentee learns from this.");
    };
    const correct = el("button", { type: "button", class: "plain", onclick: () => this.#showCorrection() }, "Write the right answer");
    this.panel.replaceChildren(el("form", { class: "feedback", onsubmit: send },
      el("p", { class: "ask" }, "What was wrong with it?"), el("div", { class: "chips" }, ...chips), comment,
      el("div", { class: "row" }, el("button", { class: "primary" }, "Send"), correct)));
    this.#reveal(chips[0]);
  }

  #showCorrection() {
    const text = el("textarea", { rows: 4, maxLength: 8000, required: true, value: this.answer.correction ?? "" });
    const send = async (event) => {
      event.preventDefault();
      const sent = await this.#try(() => this.api.correct(this.answer.id, text.value));
      if (!sent) return;
      this.answer.correction = text.value;
      this.#press(this.value ?? "down");
      this.#thank(sent.live ? "Thank you. From now on, everyone who asks this gets your answer." : "Thank you. A support agent will review your correction.");
    };
    const cancel = el("button", { type: "button", class: "plain", onclick: () => this.panel.replaceChildren() }, "Cancel");
    this.panel.replaceChildren(el("form", { class: "feedback", onsubmit: send }, el("label", { class: "ask" }, "What should the answer have been?", text),
      el("div", { class: "row" }, el("button", { class: "primary" }, "Save the correction"), cancel)));
    this.#reveal(text);
  }

  #reveal(control) {
    control.focus({ preventScroll: true });
    this.panel.scrollIntoView({ block: "nearest" });
  }

  #thank(text) { this.panel.replaceChildren(thanks(text)); }

  async #copy(button) {
    await navigator.clipboard?.writeText(this.answer.text);
    button.replaceChildren(icon("check"));
    setTimeout(() => button.replaceChildren(icon("copy")), 1500);
  }

  async #try(work) {
    try {
      return (await work()) ?? true;
    } catch (error) {
      this.panel.replaceChildren(el("p", { class: "problem", role: "alert" }, error.message));
      return null;
    }
  }
}

function working(label) {
  return el("p", { class: "outcome", role: "status" }, el("span", { class: "dots", "aria-hidden": "true" }), el("span", {}, el("strong", {}, label), " Working on it …"));
}

function thanks(text) { return el("p", { class: "thanks", role: "status" }, icon("check"), text); }

/** Turn each [n] that names a source into a button that opens it. */
function linkNumbers(root, citations) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const texts = [];
  while (walker.nextNode()) if (!walker.currentNode.parentElement.closest("code, pre, a")) texts.push(walker.currentNode);
  for (const node of texts) {
    const parts = node.data.split(/\[(\d+)\]/);
    if (parts.length < 2) continue;
    const known = (part) => citations.find((source) => source.n === Number(part));
    const pieces = parts.flatMap((part, at) => {
      if (at % 2 === 0) return [known(parts[at + 1]) ? part.trimEnd() : part];
      return known(part) ? ["\u2060", citeButton(known(part)), "\u2060"] : [`[${part}]`];
    });
    node.replaceWith(...pieces);
  }
}

function citeButton(citation) {
  return el("button", { class: "cite", "aria-label": `Source ${citation.n}: ${citation.heading || citation.document}`, onclick: () => openSource(citation) }, String(citation.n));
}

function sourcesView(answer) {
  const items = answer.citations.map((citation) => {
    const path = citation.heading.split(" › ");
    return el("li", {}, el("button", { class: "sourcecard", onclick: () => openSource(citation) }, el("span", { class: "n" }, String(citation.n)),
      el("span", { class: "what" }, el("strong", {}, path.at(-1) || shortName(citation.document)), el("small", {}, path.length > 1 ? path.slice(0, -1).join(" › ") : shortName(citation.document)))));
  });
  return el("section", { class: "sources", "aria-label": "Sources" }, el("h3", {}, answer.known ? "Sources" : "Nearest pages"), el("ol", {}, ...items));
}

/** A colleague's answer to a similar question: closed, because it may not be what was asked. */
function suggestionView({ question, html }) {
  const text = el("div", { class: "text" });
  text.innerHTML = html;
  return el("details", { class: "suggestion" }, el("summary", {}, "A colleague answered a similar question: ", el("q", {}, question)), text);
}

function openSource(citation) {
  const dialog = document.getElementById("source");
  const path = citation.heading.split(" › ");
  document.getElementById("source-path").textContent = [`Source ${citation.n}`, ...path.slice(0, -1)].join(" › ");
  document.getElementById("source-heading").textContent = path.at(-1) || shortName(citation.document);
  document.getElementById("source-text").innerHTML = citation.html;
  const document_ = /^https?:\/\//.test(citation.document)
    ? el("a", { href: citation.address ?? citation.document, target: "_blank", rel: "noopener noreferrer" }, citation.document)
    : shortName(citation.document);
  document.getElementById("source-document").replaceChildren(document_);
  dialog.showModal();
  document.getElementById("source-text").scrollTop = 0;
}

function shortName(document_) { return document_.split("/").slice(-2).join("/"); }
