// The list of conversations; on phones it is a menu over the page.

import { call } from "./api.js";
import { $, el, narrow } from "./dom.js";

const LOOK_MS = 3000;
const BEHIND = [...document.body.children].filter((node) => !["sidebar", "shade", "source"].includes(node.id));
const sidebar = $("sidebar");
let go = null;
let looking = 0;
let current = "";

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
}

// --- the list -------------------------------------------------------------------------------------------------------

/** Show the list again; as long as an answer is being written somewhere, look again. */
export async function list(shown = current) {
  clearTimeout(looking);
  const found = await call("/api/conversations").catch(() => null);
  if (!found) return;
  const focused = document.activeElement?.dataset?.id;
  $("conversations").replaceChildren(...found.map(entry));
  mark(shown);
  if (focused) $("conversations").querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus();
  clearTimeout(looking);
  if (found.some(({ running }) => running)) looking = setTimeout(list, LOOK_MS);
}

function entry({ id, title, running }) {
  const dot = running ? el("span", { class: "dots", role: "img", "aria-label": "Being answered" }) : null;
  return el("button", { class: "conversation", "data-id": id, title, onclick: () => go(id) }, dot, el("span", {}, title));
}

export function mark(shown) {
  current = shown;
  for (const button of $("conversations").children) button.setAttribute("aria-current", String(button.dataset.id === shown));
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
