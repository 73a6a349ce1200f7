// The keys that the buttons show. Everything else works without this.

const FIELDS = "input:not([type=radio]), textarea, select, [contenteditable]";

function opened(details) {
  details.querySelector("textarea, form button")?.focus();
}

// Grades: 1, 2 and 3 grade one line after the other. They are sent with the decision.

const rate = document.querySelector("#rate");
const lines = rate ? [...rate.querySelectorAll("[data-criterion]")] : [];
const chosen = (line) => line.querySelector(":checked");

function markLine() {
  const next = lines.find((line) => !chosen(line));
  for (const line of lines) line.toggleAttribute("data-now", line === next);
}

/** Take a key as a grade; say whether it was one. */
function graded(key) {
  if (key === "Backspace" || key === "ArrowLeft") {
    const last = lines.findLast(chosen);
    if (!last || (key === "ArrowLeft" && document.activeElement.matches("[type=radio]"))) return false;
    chosen(last).checked = false;
  } else {
    const radio = lines.find((line) => !chosen(line))?.querySelector(`[value="${CSS.escape(key)}"]`);
    if (!radio) return false;
    radio.checked = true;
  }
  rate.dataset.touched = "yes";
  markLine();
  return true;
}

if (rate) {
  rate.querySelector(".scripted").hidden = false;
  rate.addEventListener("change", () => ((rate.dataset.touched = "yes"), markLine()));
  markLine();
  for (const form of document.querySelectorAll(".decide form")) {
    form.addEventListener("formdata", ({ formData }) => {
      if (!rate.dataset.touched || !lines.every(chosen)) return;
      for (const [name, value] of new FormData(rate)) formData.append(name, value);
    });
  }
}

document.addEventListener("keydown", (event) => {
  const field = event.target.closest?.(FIELDS);
  if (field) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.repeat) field.form?.requestSubmit();
    if (event.key === "Escape") {
      const details = field.closest("details");
      if (!details) return;
      details.open = false;
      details.querySelector("summary").focus();
    }
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (rate && graded(event.key)) return event.preventDefault();
  const shown = document.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  if (!shown) return;
  event.preventDefault(); // or the letter would be typed into the field that gets the focus
  if (shown.matches("summary") && !shown.parentElement.open) {
    shown.parentElement.open = true;
    opened(shown.parentElement); // at once: the next letter may come before the toggle event
  } else {
    shown.click();
  }
});

for (const details of document.querySelectorAll(".decide details")) {
  details.addEventListener("toggle", () => details.open && opened(details));
}

// A second press while the first is on its way would decide twice.
for (const form of document.forms) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
}
addEventListener("pageshow", () => {
  for (const form of document.forms) delete form.dataset.sent;
});

// Holding the item that is shown: longer while the agent types, no longer when they leave the page.

const claim = document.querySelector("#claim");
const OFTEN = 30_000; // between two requests, at most
let held = performance.now();

async function hold() {
  held = performance.now();
  const response = await fetch(`${claim.dataset.item}/hold`, { method: "POST" }).catch(() => null);
  if (!response) return; // the next key tries again
  if (response.ok) {
    const { token, until } = await response.json();
    claim.dataset.token = token;
    claim.querySelector("time").dateTime = until;
    claim.querySelector("time").textContent = until.slice(11, 16);
    return;
  }
  const { detail, hint } = await response.json().catch(() => ({}));
  claim.className = "problem";
  claim.setAttribute("role", "alert");
  claim.textContent = [detail ?? "You no longer hold this item.", hint, "What you typed stays here."].filter(Boolean).join(" ");
  delete claim.dataset.token;
}

if (claim?.dataset.token) {
  const wait = Math.min(OFTEN, (Number(claim.dataset.seconds) * 1000) / 4);
  document.addEventListener("input", () => performance.now() - held > wait && hold());
  addEventListener("pagehide", () => {
    const deciding = [...document.forms].some((form) => form.dataset.sent);
    if (deciding || !claim.dataset.token) return;
    navigator.sendBeacon(`${claim.dataset.item}/leave`, new URLSearchParams({ token: claim.dataset.token }));
  });
  addEventListener("pageshow", (event) => event.persisted && hold());
}
