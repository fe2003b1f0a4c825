// Acts without leaving the board: what is selected, what a row's button says, and by keyboard.
// Without this script the same buttons send the form.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const form = byId("acting");
  const list = byId("rows");
  const bulk = byId("bulk");
  const said = byId("said");
  const help = byId("help");
  const keysOn = byId("keys-on");
  const mayAct = Boolean(form.dataset.mayAct);
  let hush = 0;

  function tell(text) {
    said.textContent = text;
    clearTimeout(hush);
    hush = setTimeout(() => { said.textContent = ""; }, 8000);
  }

  // --- what is selected ------------------------------------------------------------------------

  const boxes = () => [...list.querySelectorAll("input[name=id]")];
  const picked = () => boxes().filter((box) => box.checked);

  function count() {
    if (!bulk) return;
    const n = picked().length;
    bulk.hidden = n === 0;
    byId("picked").textContent = `${n} selected:`;
  }

  // --- sending ---------------------------------------------------------------------------------

  async function send(button) {
    const body = new URLSearchParams(new FormData(form));
    if (button.name === "acknowledge") body.delete("id");
    body.set(button.name, button.value);
    button.disabled = true;
    try {
      const answer = await fetch(form.getAttribute("action"), { method: "POST", body, headers: { accept: "application/json" } });
      if (answer.status === 401) { location.reload(); return; }
      const told = await answer.json();
      if (!answer.ok) tell(`Not done: ${told.detail || told.title}.`);
      else report(told, button);
    } catch {
      tell("Not done: the service can't be reached.");
    }
    button.disabled = false;
  }

  function report({ done, said: words, refused }, button) {
    const why = refused.length ? `Not done: ${refused[0].reason}${refused.length > 1 ? `, and ${refused.length - 1} more` : ""}.` : "";
    tell([words && `${words[0].toUpperCase()}${words.slice(1)}.`, why].filter(Boolean).join(" "));
    if (!done || button.name === "acknowledge") return;
    const left = new Set(refused.map((one) => one.id));
    for (const box of picked()) box.checked = left.has(box.value);
    for (const field of bulk.querySelectorAll("input")) field.value = "";
    if (bulk.contains(document.activeElement)) (here || list.firstElementChild || list).focus();
    count();
  }

  form.addEventListener("submit", (event) => {
    if (!event.submitter) return;
    event.preventDefault();
    send(event.submitter);
  });

  // --- the keyboard ----------------------------------------------------------------------------

  let here = null;

  function row() {
    const focused = document.activeElement.closest && document.activeElement.closest(".row");
    if (focused) return focused;
    if (here && !here.isConnected) here = list.querySelector(`[data-key="${CSS.escape(here.dataset.key)}"]`);
    return here;
  }

  function go(step) {
    const from = row();
    const to = from ? (step > 0 ? from.nextElementSibling : from.previousElementSibling) : list.firstElementChild;
    if (to) to.focus();
  }

  list.addEventListener("focusin", (event) => { here = event.target.closest(".row") || here; });

  // An action of the bar: for all that are selected, else for the row one stands on.
  function start(action) {
    if (!mayAct) return;
    const box = row() && row().querySelector("input[name=id]");
    if (!picked().length && box) box.checked = true;
    if (!picked().length) return;
    count();
    const button = bulk.querySelector(`[value=${action}]`);
    const pair = button.closest(".pair");
    if (pair) pair.querySelector("input, select").focus();
    else button.click();
  }

  function acknowledge() {
    const button = row() && row().querySelector("button[name=acknowledge]");
    if (picked().length) start("acknowledge");
    else if (mayAct && button) button.click();
  }

  function pick() {
    const box = row() && row().querySelector("input[name=id]");
    if (box) box.checked = !box.checked;
    count();
  }

  function pickAll() {
    const all = boxes().every((box) => box.checked);
    for (const box of boxes()) box.checked = !all;
    count();
  }

  function release() {
    for (const box of picked()) box.checked = false;
    count();
    if (row()) row().focus();
  }

  const KEYS = {
    j: () => go(1),
    k: () => go(-1),
    a: acknowledge,
    s: () => start("snooze"),
    o: () => start("assign"),
    c: () => start("close"),
    x: pick,
    X: pickAll,
    "/": () => { byId("narrow").open = true; document.querySelector("[name=q]").focus(); },
    "?": () => help.showModal(),
    Escape: release,
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    const at = event.target;
    const writing = at.matches("input:not([type=checkbox]), select, textarea");
    if (event.key === "Enter" && at.matches(".row")) { at.querySelector(".title").click(); return; }
    if (event.key === "Enter" && writing && bulk && bulk.contains(at)) {
      event.preventDefault();
      at.closest(".pair").querySelector("button").click();
      return;
    }
    if (event.key === "Escape" ? !(writing && !(bulk && bulk.contains(at))) : !writing && keysOn.checked) {
      const act = KEYS[event.key];
      if (act) { event.preventDefault(); act(); }
    }
  });

  // On a phone the filters make room for the rows.
  const phone = matchMedia("(max-width: 30rem)");
  const fold = () => { byId("narrow").open = !phone.matches; };
  phone.addEventListener("change", fold);
  fold();

  try { keysOn.checked = localStorage.getItem("rapport-keys") !== "off"; } catch { /* then they are on */ }
  keysOn.addEventListener("change", () => {
    try { localStorage.setItem("rapport-keys", keysOn.checked ? "on" : "off"); } catch { /* for this page only */ }
  });
  byId("keys").hidden = false;
  byId("keys").addEventListener("click", () => help.showModal());
  form.addEventListener("change", count);
  document.addEventListener("rows", count);
  count();
})();
