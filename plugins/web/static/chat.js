// The chat page: puts its parts together.

import { call } from "./api.js";
import * as composer from "./composer.js";
import { ask, go, open, stop } from "./conversation.js";
import { $, el } from "./dom.js";
import * as sidebar from "./sidebar.js";

const CONVERSATION = /^[A-Za-z0-9_-]{8,64}$/;
const EXAMPLES = 6;
const READY_MS = 1500;
let departments = [];

/** The conversation that the address names, or an empty text. */
function addressed() {
  const hash = location.hash.slice(1);
  return CONVERSATION.test(hash) ? hash : "";
}

function showExamples() {
  const chosen = $("department").value;
  const from = departments.filter((department) => !chosen || department.name === chosen);
  const examples = chosen ? from.flatMap((department) => department.examples) : from.flatMap((department) => department.examples.slice(0, 1));
  $("examples").replaceChildren(...examples.slice(0, EXAMPLES).map((text) => el("li", {}, el("button", { class: "chip", onclick: () => ask(text) }, text))));
}

async function listDepartments() {
  departments = await call("/api/v1/departments").catch(() => []);
  $("department").append(...departments.map(({ name, title }) => el("option", { value: name }, title)));
  $("department").value = departments.some(({ name }) => name === localStorage.getItem("department")) ? localStorage.getItem("department") : "";
  showExamples();
}

async function showReadiness() {
  const response = await fetch("/readyz").catch(() => null);
  const starting = !response?.ok;
  $("notice").hidden = !starting;
  $("notice").textContent = starting ? "Mentee is starting: its model is being loaded. You can ask already; the answer follows." : "";
  if (starting) setTimeout(showReadiness, READY_MS);
}

composer.begin({ ask: (text) => { composer.write(""); ask(text); }, stop });
sidebar.begin(go);
$("department").addEventListener("change", () => { localStorage.setItem("department", $("department").value); showExamples(); });
$("source").addEventListener("click", (event) => { if (event.target === $("source")) $("source").close(); });
$("skip").addEventListener("click", (event) => { event.preventDefault(); $("question").focus(); });
document.querySelector("form[action='/sign-out']")?.addEventListener("submit", () => sessionStorage.clear());
addEventListener("hashchange", () => open(addressed())); // Back, Forward, or an address that was typed

showReadiness();
await listDepartments();
await Promise.all([open(addressed()), sidebar.list(addressed())]);
document.body.dataset.ready = "true";
