// Buttons that ask the browser for a passkey, and send the form that they stand in with its answer.
"use strict";

const failed = document.getElementById("passkey-failed");

async function optionsOf(button) {
  if (!button.dataset.optionsUrl) {
    return JSON.parse(button.dataset.options);
  }
  const answer = await fetch(button.dataset.optionsUrl, { method: "POST" });
  return answer.json();
}

async function ask(button) {
  failed.hidden = true;
  button.disabled = true;
  try {
    const options = await optionsOf(button);
    const { passkey } = tessera;
    const answer = button.dataset.passkey === "create" ? await passkey.create(options) : await passkey.prove(options);
    const { passkey: field, remember } = button.form.elements;
    field.value = JSON.stringify(answer);
    // Another form of the page may ask whether to stay signed in: it is asked once for both.
    const asked = document.getElementById("remember");
    if (asked && remember) {
      remember.disabled = !asked.checked;
    }
    button.form.submit();
  } catch {
    // The person, or the device, has said no; which is not told.
    failed.hidden = false;
    button.disabled = false;
    button.focus();
  }
}

for (const button of document.querySelectorAll("button[data-passkey]")) {
  button.hidden = !("PublicKeyCredential" in window);
  button.addEventListener("click", () => ask(button));
}
const none = document.getElementById("no-passkeys");
if (none) {
  none.hidden = "PublicKeyCredential" in window;
}
// A page that comes back has a form of before.
window.addEventListener("pageshow", (event) => event.persisted && location.reload());
