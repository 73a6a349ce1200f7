// The field to ask in. What is typed is kept until it is sent, over a reload and over signing in again.

import { kept } from "./api.js";
import { $, icon } from "./dom.js";
import { following } from "./scrolling.js";

const limit = Number(document.body.dataset.limit);
const HEIGHT = 220;

/** So long after sending, the second half of a double click stops nothing. */
const DOUBLE_CLICK_MS = 600;

const box = $("question");
const button = $("send");
let runningSince = 0;

export function begin({ ask, stop }) {
  $("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    if (runningSince) {
      if (event.submitter && performance.now() - runningSince > DOUBLE_CLICK_MS) stop();
      return;
    }
    const text = box.value.trim();
    if (text && !button.disabled) ask(text);
    else box.focus();
  });
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !isComposing(event)) { event.preventDefault(); $("composer").requestSubmit(); }
  });
  box.addEventListener("input", changed);
  write(kept.get("draft") ?? "");
}

/** Whether a key belongs to an input method. Safari ends the composition before the Enter that confirms it; 229 tells. */
function isComposing(event) { return event.isComposing || event.keyCode === 229; }

export function write(text) {
  box.value = text;
  changed();
}

function changed() {
  kept.set("draft", box.value);
  following(() => {
    box.style.height = "auto";
    box.style.height = `${Math.min(box.scrollHeight, HEIGHT)}px`;
  });
  const over = [...box.value.trim()].length - limit;
  $("count").textContent = over > 0 ? `${over.toLocaleString("en")} characters too many. Shorten the question to ${limit.toLocaleString("en")}.` : "";
  box.setAttribute("aria-invalid", String(over > 0));
  button.disabled = over > 0 && !runningSince;
}

/** While an answer is being written, the button that sends stops it. */
export function setRunning(running) {
  runningSince = running ? performance.now() : 0;
  button.classList.toggle("stop", running);
  button.setAttribute("aria-label", running ? "Stop the answer" : "Send");
  button.title = running ? "Stop the answer" : "";
  button.replaceChildren(icon(running ? "stop" : "send"));
  changed();
}

/** Put the focus where the next question is typed; on phones, where this would open the keyboard, on the title. */
export function focus() {
  if (matchMedia("(pointer: fine)").matches) box.focus();
  else ($("welcome").hidden ? $("title") : $("greeting")).focus({ preventScroll: true });
}
