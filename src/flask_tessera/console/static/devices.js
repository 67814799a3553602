// Times as this browser writes them, and a page that follows what other tabs do to the session.
"use strict";

for (const each of document.querySelectorAll("time")) {
  const moment = new Date(each.dateTime);
  each.textContent = moment.toLocaleString(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
}

// A page that is there needs no renewal just now: see resume.js.
sessionStorage.removeItem("tessera-resumed");

const page = document.getElementById("page");
let isLeaving = false;

// The CSRF token belongs to one session: another one in the cookie, or none, means another session, or none.
function followSession() {
  const { csrf, csrfCookie } = page.dataset;
  if (!isLeaving && !document.cookie.split("; ").includes(`${csrfCookie}=${csrf}`)) {
    location.reload();
  }
}

// What this tab's own form does to the session its answer shows.
document.addEventListener("submit", () => (isLeaving = true));
if ("cookieStore" in window) {
  cookieStore.addEventListener("change", followSession);
}
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && followSession());
window.addEventListener("pageshow", (event) => event.persisted && followSession());
