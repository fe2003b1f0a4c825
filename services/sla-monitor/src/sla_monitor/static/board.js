// Keeps the board true while it is open: changes come as server-sent events, the page is fetched
// again and only rows that differ are exchanged. Without this script the page works, and reloads itself.
"use strict";
(() => {
  const SILENT_AFTER = 12000; // the stream says something every 5 s
  const board = document.getElementById("board");
  const stale = document.getElementById("stale");
  const heard = document.getElementById("heard");
  let skew = Date.parse(board.dataset.now) - Date.now();
  let lastHeard = Date.now();
  let wanted = false;
  let fetching = false;

  const pad = (n) => String(n).padStart(2, "0");
  const clock = (at) => `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`;

  function span(ms) {
    const s = Math.max(0, Math.floor(ms / 1000));
    const units = [["d", Math.floor(s / 86400)], ["h", Math.floor(s / 3600) % 24], ["min", Math.floor(s / 60) % 60], ["s", s % 60]];
    let first = units.findIndex(([, n]) => n > 0);
    if (first < 0) first = 3;
    const shown = units.slice(first, first + (first >= 2 ? 1 : 2)).filter(([, n], i) => n || !i);
    return shown.map(([unit, n]) => `${n} ${unit}`).join(" ");
  }

  function set(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  function tick() {
    const now = Date.now() + skew;
    for (const time of board.querySelectorAll("time[data-style]")) {
      const at = new Date(time.dateTime);
      if (time.dataset.style === "due") {
        set(time, at < now ? `${span(now - at)} late` : `due in ${span(at - now)}`);
        time.title = `here: ${at.toLocaleString()}`;
      } else if (time.dataset.style === "clock") {
        set(time, clock(at));
      } else {
        set(time, span(now - at));
        time.title = `since ${at.toLocaleString()}`;
      }
    }
    const silent = Date.now() - lastHeard > SILENT_AFTER;
    if (silent) say(false);
  }

  function say(fresh) {
    if (fresh) lastHeard = Date.now();
    set(heard, clock(new Date(lastHeard)));
    stale.hidden = fresh;
    board.classList.toggle("doubtful", !fresh);
  }

  // Rows are exchanged one by one, so that what is looked at, focused or being clicked stays where it is.
  function exchange(fresh) {
    for (const part of board.querySelectorAll("[data-part]")) {
      const other = fresh.querySelector(`[data-part="${part.dataset.part}"]`);
      const rows = part.querySelector(".rows");
      const others = other && other.querySelector(".rows");
      if (!other) continue;
      if (rows && others) exchangeRows(rows, others);
      else if (part.innerHTML !== other.innerHTML) part.innerHTML = other.innerHTML;
    }
    document.title = fresh.title;
  }

  function exchangeRows(rows, others) {
    const known = new Map([...rows.children].map((row) => [row.dataset.key, row]));
    const focused = document.activeElement && document.activeElement.closest(".row");
    let place = rows.firstElementChild;
    for (const other of [...others.children]) {
      const row = known.get(other.dataset.key);
      known.delete(other.dataset.key);
      if (!row || meaning(row) !== meaning(other)) {
        const refocus = row && row === focused;
        other.classList.add("changed");
        if (row) {
          if (place === row) place = row.nextElementSibling;
          row.remove();
        }
        rows.insertBefore(other, place);
        if (refocus) (other.querySelector("button, a") || other).focus();
      } else if (row === place) {
        place = row.nextElementSibling;
      } else {
        rows.insertBefore(row, place);
      }
    }
    for (const gone of known.values()) gone.remove();
  }

  function meaning(row) {
    const copy = row.cloneNode(true);
    copy.classList.remove("changed");
    for (const time of copy.querySelectorAll("time")) { time.textContent = ""; time.removeAttribute("title"); }
    return copy.outerHTML.replace(/ class="row ([a-z]+) ?"/, ' class="row $1"');
  }

  async function refresh() {
    if (fetching) { wanted = true; return; }
    fetching = true;
    wanted = false;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store" });
      if (answer.redirected && new URL(answer.url).pathname === "/login") { location.reload(); return; }
      if (answer.ok) {
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        skew = Date.parse(fresh.getElementById("board").dataset.now) - Date.now();
        exchange(fresh);
        say(true);
        tick();
      }
    } catch { /* the stream says when the service is back */ }
    fetching = false;
    if (wanted) soon();
  }

  let timer = 0;
  function soon() {
    if (!timer) timer = setTimeout(() => { timer = 0; refresh(); }, 250);
  }

  const stream = new EventSource(board.dataset.stream);
  stream.addEventListener("ready", () => { say(true); soon(); });
  stream.addEventListener("alert", () => { say(true); soon(); });
  stream.addEventListener("alive", () => { say(true); soon(); });
  stream.addEventListener("reset", soon);
  stream.addEventListener("error", () => say(false));
  setInterval(tick, 1000);
  tick();
})();
