// Keeps a contact's page true while it is open: read again when the contact has changed, and now and then for what
// only time changes. Exchanged is what differs; what somebody writes in, has unfolded or stands on stays as it is.
// Without this script the page works, and shows what was true when it was opened.
"use strict";
(() => {
  const SILENT_AFTER = 12000; // the stream says something every 5 s
  const READ_AGAIN = 15000;
  const byId = (id) => document.getElementById(id);
  const pad = (n) => String(n).padStart(2, "0");
  const clock = (at) => `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`;
  let lastHeard = Date.now();
  let lastRead = Date.now();
  let fetching = false;
  let wanted = false;

  function say(fresh) {
    if (fresh) lastHeard = Date.now();
    byId("heard").textContent = clock(new Date(lastHeard));
    if (byId("stale").hidden !== fresh) byId("stale").hidden = fresh;
  }

  // Whether somebody is writing or choosing there.
  function busy(part) {
    const fields = [...part.querySelectorAll("input:not([type=hidden])")];
    return fields.some((field) => field.value !== field.defaultValue) || Boolean(part.querySelector("input:focus, select:focus"));
  }

  // The calendar's time stands there; the viewer's own is said by whoever points at it.
  function localise(part) {
    for (const time of part.querySelectorAll("time[datetime]")) time.title = `${new Date(time.dateTime).toLocaleString()} here`;
  }

  function put(old, fresh) {
    localise(fresh);
    for (const [i, unfolded] of [...old.querySelectorAll("details")].entries()) {
      const other = fresh.querySelectorAll("details")[i];
      if (other) other.open = unfolded.open;
    }
    if (old.outerHTML === fresh.outerHTML || busy(old)) return old;
    const can = "a, button, input:not([type=hidden]), select, summary, [tabindex]";
    const at = [...old.querySelectorAll(can)].indexOf(document.activeElement);
    const top = old.querySelector(".scroll") ? old.querySelector(".scroll").scrollLeft : 0;
    old.replaceWith(fresh);
    if (top) fresh.querySelector(".scroll").scrollLeft = top;
    if (at >= 0) (fresh.querySelectorAll(can)[at] || byId("main")).focus({ preventScroll: true });
    return fresh;
  }

  // Deadlines come, and change their order; each is known by its name.
  function order(list, fresh) {
    let next = list.firstElementChild;
    const kept = new Set();
    for (const part of [...fresh.children]) {
      const old = part.id && byId(part.id);
      const stands = old ? put(old, document.adoptNode(part)) : part;
      if (old === next) next = stands;
      if (stands === next) next = next.nextElementSibling;
      else list.insertBefore(stands, next);
      kept.add(stands);
    }
    for (const part of [...list.children]) if (!kept.has(part)) part.remove();
  }

  async function refresh() {
    if (fetching) { wanted = true; return; }
    fetching = true;
    wanted = false;
    try {
      const address = `${location.pathname}`;
      const answer = await fetch(address, { headers: { accept: "text/html" }, cache: "no-store" });
      const lost = answer.status === 404 || answer.status === 401 || new URL(answer.url).pathname === "/login";
      if (lost) { location.assign(address); return; }
      if (answer.ok) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const id of ["subject", "facts", "history"]) put(byId(id), page.getElementById(id));
        order(byId("deadlines"), page.getElementById("deadlines"));
        document.title = page.title;
        lastRead = Date.now();
        say(true);
      }
    } catch { /* the stream says when the service is back */ }
    fetching = false;
    if (wanted) refresh();
  }

  const zone = byId("zone").dataset.zone;
  const shown = (timeZone) => new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false, timeZone });
  if (shown(zone) !== shown()) byId("zone").append(` Now it is ${shown(zone)} there and ${shown()} here.`);
  localise(byId("contact"));

  const stream = new EventSource(byId("contact").dataset.stream);
  stream.addEventListener("ready", () => { say(true); refresh(); });
  stream.addEventListener("changed", () => { say(true); refresh(); });
  stream.addEventListener("alive", () => say(true));
  stream.addEventListener("error", () => say(false));
  document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
  setInterval(() => {
    if (Date.now() - lastHeard > SILENT_AFTER) say(false);
    if (Date.now() - lastRead > READ_AGAIN && !document.hidden) refresh();
  }, 1000);
})();
