// The sources of an answer: numbers in its text, cards below it, and a source opened beside it.

import { $, el } from "./dom.js";

/** A source is named as the answer names it: by its page. What follows is the part of the page. */
function named({ heading, document: address }) {
  const [page, ...part] = heading.split(" › ");
  return { page: page || shortName(address), part: part.join(" › ") };
}

function shortName(address) { return address.split("/").slice(-2).join("/"); }

/** Turn each [n] that names a source into a button that opens it. */
export function linkNumbers(root, citations) {
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
  return el("button", { class: "cite", "aria-label": `Source ${citation.n}: ${named(citation).page}`, onclick: () => openSource(citation) }, String(citation.n));
}

export function sourcesView(answer) {
  const items = answer.citations.map((citation) => {
    const { page, part } = named(citation);
    return el("li", {}, el("button", { class: "sourcecard", onclick: () => openSource(citation) }, el("span", { class: "n" }, String(citation.n)),
      el("span", { class: "what" }, el("strong", {}, page), el("small", {}, part || shortName(citation.document)))));
  });
  return el("div", { class: "sources" }, el("h3", {}, answer.known ? "Sources" : "Nearest pages"), el("ol", {}, ...items));
}

/** A colleague's answer to a similar question: closed, because it may not be what was asked. */
export function suggestionView({ question, html }) {
  const text = el("div", { class: "text" });
  text.innerHTML = html;
  return el("details", { class: "suggestion" }, el("summary", {}, "A colleague answered a similar question: ", el("q", {}, question)), text);
}

function openSource(citation) {
  const { page, part } = named(citation);
  $("source-path").textContent = [`Source ${citation.n}`, part].filter(Boolean).join(" · ");
  $("source-heading").textContent = page;
  $("source-text").innerHTML = citation.html;
  $("source-document").replaceChildren(/^https?:\/\//.test(citation.document)
    ? el("a", { href: citation.address ?? citation.document, target: "_blank", rel: "noopener noreferrer" }, citation.document)
    : shortName(citation.document));
  $("source").showModal();
  $("source-text").scrollTop = 0;
}
