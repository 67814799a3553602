// Sends a form once, however often its button is pressed: what a second answer shows would take the place of the first.
"use strict";

const SENDING = "sending";
const STOPPED_AFTER_MS = 10_000;

document.addEventListener("submit", (event) => {
  const { dataset } = event.target;
  if (SENDING in dataset) {
    event.preventDefault();
    return;
  }
  // The button stays enabled: a disabled one would not be sent with its form.
  dataset[SENDING] = "";
  // No event tells that the person has stopped it.
  setTimeout(() => delete dataset[SENDING], STOPPED_AFTER_MS);
});
// A page that comes back has been sent before.
window.addEventListener("pageshow", () => {
  for (const form of document.forms) {
    delete form.dataset[SENDING];
  }
});
