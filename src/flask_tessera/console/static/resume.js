// Renews the session, once for all tabs, and asks for the page again.
"use strict";

const data = document.getElementById("resume").dataset;
const ATTEMPT = "tessera-resumed";

function fail() {
  document.getElementById("waiting").hidden = true;
  document.getElementById("failed").hidden = false;
}

function goOn() {
  // Where the browser keeps no cookies this page comes again at once, and no other in between.
  if (Date.now() - Number(sessionStorage.getItem(ATTEMPT) || 0) < 5000) {
    fail();
    return;
  }
  sessionStorage.setItem(ATTEMPT, Date.now());
  const form = document.getElementById("again");
  if (form) {
    form.submit();
  } else if (data.back) {
    // What was typed is not sent once more by itself.
    location.replace(data.back);
  } else {
    location.reload();
  }
}

let hasEnded = false;
document.addEventListener("tessera:ended", (event) => {
  hasEnded = true;
  const url = new URL(data.signIn, location.href);
  url.searchParams.set("reason", event.detail.error);
  location.replace(url);
});

async function resume() {
  if (await tessera.renew()) {
    goOn();
  } else if (!hasEnded) {
    fail();
  }
}

resume().catch(fail);
