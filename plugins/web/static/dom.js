// Making nodes. Text goes in by textContent; the only HTML is what the server has rendered and cleaned.

export const $ = (id) => document.getElementById(id);

/** Whether the sidebar is a menu over the page; as in style.css. */
export const narrow = matchMedia("(max-width: 56rem)");

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

export function iconButton(name, label, onclick) {
  return el("button", { type: "button", class: "icon", "aria-label": label, title: label, onclick }, icon(name));
}

export function problem(text, ...more) {
  return el("p", { class: "problem", role: "alert" }, text, ...more);
}

export function again(label, onclick) {
  return el("button", { type: "button", class: "plain", onclick }, label);
}

/** Name the conversation on the page, to those who hear it, and in the tab. */
export function showTitle(text) {
  $("title").textContent = text;
  document.title = `${text.slice(0, 60)} · Mentee`;
}
