// Copying, also where browsers offer no clipboard: on plain HTTP away from localhost.

import { el } from "./dom.js";

/** A button that copies what `text()` gives when it is pressed, and says whether it did. */
export function copyButton(label, text, described = null) {
  const button = el("button", { type: "button", "aria-label": described });
  button.textContent = label;
  let restore = 0;
  button.addEventListener("click", async () => {
    const copied = await copy(text());
    button.textContent = copied ? "Copied" : "Press Ctrl+C";
    clearTimeout(restore);
    restore = setTimeout(() => (button.textContent = label), 2000);
  });
  // What the button says after a press is news; its name alone would hide it from a screen reader.
  return el("span", { "aria-live": "polite" }, button);
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Missing on plain HTTP (a TypeError), or refused: the old way, then leave the text selected for the reader.
    return copySelected(text);
  }
}

function copySelected(text) {
  document.querySelector(".copy-by-hand")?.remove();
  const area = el("textarea", { class: "copy-by-hand", readonly: true, rows: "4", "aria-label": "Text to copy" });
  area.value = text;
  // Inside an open dialog: what is outside of it can neither be focused nor seen.
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.focus();
  area.select();
  const copied = document.execCommand("copy");
  if (copied) area.remove();
  else area.addEventListener("blur", () => area.remove());
  return copied;
}

/** A button that saves text as a file, made here and sent nowhere. */
export function downloadButton(label, fileName, text) {
  return el("button", {
    type: "button",
    text: label,
    on: {
      click: () => {
        const url = URL.createObjectURL(new Blob([text()], { type: "application/sql" }));
        const link = el("a", { href: url, download: fileName });
        link.click();
        setTimeout(() => URL.revokeObjectURL(url), 1000);
      },
    },
  });
}
