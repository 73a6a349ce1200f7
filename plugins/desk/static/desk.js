// The keys that the buttons show. Everything else works without this.

const FIELDS = "input, textarea, select, [contenteditable]";

function opened(details) {
  details.querySelector("textarea, form button")?.focus();
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
