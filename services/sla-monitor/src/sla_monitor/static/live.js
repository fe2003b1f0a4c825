// Keeps the board true while it is open. Rows come drawn, as server-sent events, and each goes to its place;
// now and then the whole page is read again and only what differs is exchanged. Nothing that is looked at,
// focused or selected is lost by it. Without this script the page works, and reloads itself.
"use strict";
(() => {
  const SILENT_AFTER = 12000; // the stream says something every 5 s
  const READ_AGAIN = 15000; // what no alert speaks of: contacts that are on time, rows past the last one
  const byId = (id) => document.getElementById(id);
  const board = byId("board");
  const list = byId("rows");
  const stale = byId("stale");
  const heard = byId("heard");
  const most = Number(board.dataset.most);
  let skew = Date.parse(board.dataset.now) - Date.now();
  let lastHeard = Date.now();
  let lastRead = Date.now();
  let fetching = false;
  let wanted = false;
  let pushed = null; // keys of rows that came while the page was being read: they are newer than it

  const pad = (n) => String(n).padStart(2, "0");
  const clock = (at) => `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`;

  function date(at, now) {
    const day = at.toDateString() === now.toDateString() ? "" : `${at.getDate()} ${at.toLocaleString([], { month: "short" })} `;
    return `${day}${pad(at.getHours())}:${pad(at.getMinutes())}`;
  }

  function span(ms) {
    const s = Math.max(0, Math.floor(ms / 1000));
    const units = [["d", Math.floor(s / 86400)], ["h", Math.floor(s / 3600) % 24], ["min", Math.floor(s / 60) % 60], ["s", s % 60]];
    let first = units.findIndex(([, n]) => n > 0);
    if (first < 0) first = 3;
    const alone = first >= 2 || units[0][1] >= 100;
    const shown = units.slice(first, first + (alone ? 1 : 2)).filter(([, n], i) => n || !i);
    return shown.map(([unit, n]) => `${n} ${unit}`).join(" ");
  }

  function set(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  // --- time: what is late grows later by itself ------------------------------------------------

  function tell(time, now) {
    const at = new Date(time.dateTime);
    if (time.dataset.style === "due") set(time, at < now ? `${span(now - at)} late` : `due in ${span(at - now)}`);
    else if (time.dataset.style === "clock") set(time, clock(at));
    else if (time.dataset.style === "date") set(time, date(at, new Date(now)));
    else set(time, span(now - at));
  }

  // The calendar's time stands there; the viewer's own beside it where that is another.
  function localise(row) {
    const time = row.querySelector('time[data-style="due"]');
    const there = row.querySelector(".abs");
    if (!time || there.dataset.here) return;
    const at = new Date(time.dateTime);
    const here = `${pad(at.getHours())}:${pad(at.getMinutes())}`;
    there.dataset.here = here;
    there.title = at.toLocaleString();
    if (there.textContent.includes(here)) return;
    const own = document.createElement("span");
    own.className = "own";
    own.textContent = `${here} here`;
    there.append(" · ", own);
  }

  function tick() {
    const now = Date.now() + skew;
    for (const time of board.querySelectorAll("time[data-style]")) tell(time, now);
    if (Date.now() - lastHeard > SILENT_AFTER) say(false);
    if (Date.now() - lastRead > READ_AGAIN && !document.hidden) soon();
  }

  function say(fresh) {
    if (fresh) lastHeard = Date.now();
    set(heard, clock(new Date(lastHeard)));
    if (stale.hidden !== fresh) stale.hidden = fresh;
    board.classList.toggle("doubtful", !fresh);
  }

  // --- rows ------------------------------------------------------------------------------------

  const known = new Map([...list.children].map((row) => [row.dataset.key, row]));

  function drawn(html) {
    const holder = document.createElement("template");
    holder.innerHTML = html;
    return holder.content.querySelector(".row");
  }

  // What a row says, but for the passing of time and for what its viewer has done to it.
  function meaning(row) {
    if (row.meaning === undefined) {
      const copy = row.cloneNode(true);
      copy.className = "";
      for (const time of copy.querySelectorAll("time")) time.textContent = "";
      for (const there of copy.querySelectorAll(".abs")) there.remove();
      row.meaning = `${row.classList[1]} ${copy.innerHTML}`;
    }
    return row.meaning;
  }

  function place(row) {
    const rows = list.children;
    let low = 0;
    let high = rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (rows[middle].dataset.sort < row.dataset.sort) low = middle + 1;
      else high = middle;
    }
    list.insertBefore(row, rows[low] || null);
  }

  function put(row) {
    const old = known.get(row.dataset.key);
    if (old && meaning(old) === meaning(row)) return;
    const had = old && old.contains(document.activeElement) ? document.activeElement : null;
    const box = old && old.querySelector("input:checked");
    row.classList.add("changed");
    localise(row);
    const time = row.querySelector("time[data-style]");
    if (time) tell(time, Date.now() + skew);
    if (old && old.dataset.sort === row.dataset.sort) old.replaceWith(row);
    else {
      if (old) old.remove();
      place(row);
    }
    known.set(row.dataset.key, row);
    if (box && row.querySelector("input")) row.querySelector("input").checked = true;
    if (had) refocus(row, had);
  }

  function refocus(row, had) {
    const same = had.className && row.querySelector(`${had.tagName}.${had.classList[0]}`);
    const input = had.tagName === "INPUT" && row.querySelector("input");
    (input || same || row).focus({ preventScroll: true });
  }

  function drop(key) {
    const row = known.get(key);
    if (!row) return;
    known.delete(key);
    if (row.contains(document.activeElement)) (row.nextElementSibling || row.previousElementSibling || list).focus({ preventScroll: true });
    row.remove();
  }

  function settle() {
    byId("empty").hidden = list.children.length > 0;
    list.hidden = list.children.length === 0;
    document.dispatchEvent(new Event("rows"));
  }

  function onRows(rows) {
    for (const { key, contact, html } of rows) {
      if (pushed) pushed.add(key).add(contact);
      if (html) {
        drop(contact);
        put(drawn(html));
      } else if (known.has(key)) {
        drop(key);
        if (Number(byId("cut").dataset.total) > most) soon(2000);
      }
    }
    while (list.children.length > most) drop(list.lastElementChild.dataset.key);
    settle();
  }

  function onFigures(html) {
    const figures = byId("figures");
    const fresh = document.createElement("section");
    fresh.innerHTML = html;
    const now = Date.now() + skew;
    for (const time of fresh.querySelectorAll("time[data-style]")) tell(time, now);
    const pairs = [...figures.querySelectorAll(".figure")].map((old, i) => [old, fresh.querySelectorAll(".figure")[i]]);
    for (const [old, other] of [...pairs, [figures.querySelector(".trust"), fresh.querySelector(".trust")]]) {
      if (old.outerHTML !== other.outerHTML && !old.contains(document.activeElement)) old.replaceWith(other);
    }
    const waiting = Number(fresh.querySelector("dl").dataset.waiting);
    document.title = `${waiting ? `(${waiting}) ` : ""}On-call board · Rapport`;
  }

  // --- reading the page again ------------------------------------------------------------------

  function exchange(fresh) {
    onFigures(fresh.getElementById("figures").innerHTML);
    const kept = new Set();
    for (const row of [...fresh.getElementById("rows").children]) {
      kept.add(row.dataset.key);
      if (!pushed.has(row.dataset.key)) put(row);
    }
    for (const key of [...known.keys()]) if (!kept.has(key) && !pushed.has(key)) drop(key);
    const cut = fresh.getElementById("cut");
    byId("cut").dataset.total = cut.dataset.total;
    set(byId("cut"), cut.textContent);
    settle();
  }

  async function refresh() {
    if (fetching) { wanted = true; return; }
    fetching = true;
    wanted = false;
    pushed = new Set();
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store" });
      if (answer.redirected && new URL(answer.url).pathname === "/login") { location.reload(); return; }
      if (answer.ok) {
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        skew = Date.parse(fresh.getElementById("board").dataset.now) - Date.now();
        exchange(fresh);
        lastRead = Date.now();
        say(true);
        tick();
      }
    } catch { /* the stream says when the service is back */ }
    pushed = null;
    fetching = false;
    if (wanted) soon();
  }

  let timer = 0;
  function soon(after = 250) {
    if (!timer) timer = setTimeout(() => { timer = 0; refresh(); }, after);
  }

  const stream = new EventSource(board.dataset.stream);
  const on = (name, then) => stream.addEventListener(name, (event) => { say(true); then(JSON.parse(event.data)); });
  on("ready", () => soon());
  on("rows", onRows);
  on("figures", ({ html }) => onFigures(html));
  on("reset", () => soon());
  stream.addEventListener("error", () => say(false));
  document.addEventListener("visibilitychange", () => { if (!document.hidden) soon(); });
  setInterval(tick, 1000);
  for (const row of list.children) localise(row);
  settle();
  tick();
})();
