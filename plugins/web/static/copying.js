// Copying a text. Browsers offer the clipboard only on https and on this machine; elsewhere a selection is copied.

/** Return whether the text was copied. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copySelected(text);
  }
}

function copySelected(text) {
  const focused = document.activeElement;
  const box = document.createElement("textarea");
  box.value = text;
  box.readOnly = true;
  box.className = "hidden";
  document.body.append(box);
  box.select();
  let copied = false;
  try {
    copied = document.execCommand("copy");
  } catch {
    copied = false;
  }
  box.remove();
  focused?.focus({ preventScroll: true });
  return copied;
}

export function select(node) {
  getSelection().selectAllChildren(node);
}
