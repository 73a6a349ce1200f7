// The list of conversations; on phones it is a menu over the page.

import { call } from "./api.js";
import { $, el, iconButton, narrow, showTitle } from "./dom.js";

const LOOK_MS = 3000;
const TYPING_MS = 250;
const BEHIND = [...document.body.children].filter((node) => !["sidebar", "shade", "source", "delete", "rename"].includes(node.id));
const sidebar = $("sidebar");
let go = null;
let looking = 0;
let current = "";
const titles = new Map();

export function begin(openConversation) {
  go = openConversation;
  $("new").addEventListener("click", () => go(""));
  $("new-narrow").addEventListener("click", () => go(""));
  $("sidebar-open").addEventListener("click", openMenu);
  $("sidebar-close").addEventListener("click", closeMenu);
  $("shade").addEventListener("click", closeMenu);
  sidebar.addEventListener("keydown", (event) => {
    if (event.key === "Escape") closeMenu();
    if (event.key === "Tab") wrap(event);
  });
  narrow.addEventListener("change", hideMenu);
  let typing = 0;
  $("find").addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(list, TYPING_MS, current); });
  $("delete-no").addEventListener("click", () => $("delete").close());
  $("delete-yes").addEventListener("click", remove);
  $("rename-form").addEventListener("submit", rename);
  $("rename-no").addEventListener("click", () => $("rename").close());
  $("rename").addEventListener("close", () => row($("rename").dataset.conversation)?.children[1].focus());
}

// --- the list -------------------------------------------------------------------------------------------------------

/** Show the list again; as long as an answer is being written somewhere, look again. */
export async function list(shown = current) {
  clearTimeout(looking);
  const wanted = $("find").value.trim();
  const found = await call(`/api/v1/conversations?q=${encodeURIComponent(wanted)}`).catch(() => null);
  if (!found || wanted !== $("find").value.trim()) return; // more was typed meanwhile
  $("found").textContent = wanted ? `${found.length} found` : "";
  $("found").classList.toggle("hidden", !wanted || found.length > 0);
  const here = document.activeElement.closest(".entry");
  const [focused, at] = [here?.firstChild.dataset.id, here ? [...here.children].indexOf(document.activeElement) : 0];
  $("conversations").replaceChildren(...found.map(entry));
  for (const { id, title } of found) titles.set(id, title);
  mark(shown);
  if (focused) row(focused)?.children[at].focus();
  clearTimeout(looking);
  if (found.some(({ running }) => running)) looking = setTimeout(list, LOOK_MS);
}

/** What the list shows of a conversation; a new node each time that it is shown. */
const row = (id) => $("conversations").querySelector(`[data-id="${CSS.escape(id)}"]`)?.parentElement;

function entry({ id, title, running }) {
  const dot = running ? el("span", { class: "dots", role: "img", "aria-label": "Being answered" }) : null;
  const pen = iconButton("pen", `Rename “${title}”`, () => askTitle(id, title));
  const bin = iconButton("bin", `Delete “${title}”`, () => confirm(id, title));
  return el("div", { class: "entry" }, el("button", { class: "conversation", "data-id": id, title, onclick: () => go(id) }, dot, el("span", {}, title)), pen, bin);
}

function askTitle(id, title) {
  $("rename").dataset.conversation = id;
  $("rename-problem").hidden = true;
  $("rename-title").value = title;
  $("rename").showModal();
  $("rename-title").select();
}

async function rename(event) {
  event.preventDefault();
  const id = $("rename").dataset.conversation;
  try {
    await call(`/api/v1/conversations/${id}`, { title: $("rename-title").value }, "PATCH");
  } catch (error) {
    $("rename-problem").textContent = error.message;
    $("rename-problem").hidden = false;
    $("rename-title").focus();
    return;
  }
  $("rename").close();
  await list();
}

function confirm(id, title) {
  $("delete").dataset.conversation = id;
  $("delete-problem").hidden = true;
  $("delete-what").textContent = `“${title}”: its questions and answers are erased, with people’s replies and the votes, corrections and curated answers that came of them. This can’t be undone.`;
  $("delete").showModal();
}

async function remove() {
  const id = $("delete").dataset.conversation;
  try {
    await call(`/api/v1/conversations/${id}`, undefined, "DELETE");
  } catch (error) {
    $("delete-problem").textContent = error.message;
    $("delete-problem").hidden = false;
    return;
  }
  $("delete").close();
  if (id === current) go("", true);
  await list();
  ($("conversations").querySelector("button") ?? $("new")).focus();
}

/** The title of a conversation, if the list has shown it. */
export const titled = (id) => titles.get(id);

export function mark(shown) {
  current = shown;
  if (titles.has(shown)) showTitle(titles.get(shown));
  for (const button of $("conversations").querySelectorAll(".conversation")) button.setAttribute("aria-current", String(button.dataset.id === shown));
}

// --- the menu -------------------------------------------------------------------------------------------------------

function openMenu() {
  sidebar.classList.add("open");
  $("shade").hidden = false;
  $("sidebar-open").setAttribute("aria-expanded", "true");
  for (const node of BEHIND) node.inert = true;
  $("sidebar-close").focus();
}

export function hideMenu() {
  sidebar.classList.remove("open");
  $("shade").hidden = true;
  $("sidebar-open").setAttribute("aria-expanded", "false");
  for (const node of BEHIND) node.inert = false;
}

function closeMenu() {
  if (!sidebar.classList.contains("open")) return;
  hideMenu();
  $("sidebar-open").focus();
}

/** Keep Tab inside the open menu. */
function wrap(event) {
  if (!sidebar.classList.contains("open")) return;
  const stops = [...sidebar.querySelectorAll("a, button, input")].filter((node) => node.checkVisibility());
  const edge = event.shiftKey ? stops[0] : stops.at(-1);
  if (document.activeElement !== edge) return;
  event.preventDefault();
  (event.shiftKey ? stops.at(-1) : stops[0]).focus();
}
