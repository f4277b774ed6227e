"use strict";
const rows = [...document.querySelectorAll("#task-table tbody tr")];
const sections = [...document.querySelectorAll("details.task")];
const filters = document.querySelector(".filters");
const find = document.querySelector("#find");
const more = document.querySelector("#more");
const boxes = [...filters.querySelectorAll("[name=status]")];
const texts = rows.map((row) => row.textContent.toLowerCase());
const step = Number(document.querySelector("#task-table").dataset.step);
let most = step;

function show() {
  const wanted = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
  const known = new Set(boxes.map((box) => box.value));
  const word = find.value.trim().toLowerCase();
  let found = 0;
  rows.forEach((row, place) => {
    const status = known.has(row.dataset.status) ? row.dataset.status : "not finished";
    const matches = wanted.has(status) && texts[place].includes(word);
    found += matches ? 1 : 0;
    const hidden = !matches || found > most;
    if (row.hidden !== hidden) row.hidden = hidden;
    if (sections[place] && sections[place].hidden !== hidden) sections[place].hidden = hidden;
  });
  const shown = Math.min(found, most);
  more.hidden = shown === found;
  more.textContent = `Show ${Math.min(step, found - shown)} more of ${(found - shown).toLocaleString("en")}`;
  const all = found > shown ? ` (${found.toLocaleString("en")} match)` : "";
  document.querySelector("#shown").textContent =
    `${shown.toLocaleString("en")} of ${rows.length.toLocaleString("en")} tasks${all}`;
}

function fill(event) {
  const kept = event.target.querySelector(":scope > script");
  if (event.target.open && kept) kept.outerHTML = kept.textContent;
}

function open() {
  let place = null;
  try { place = document.getElementById(decodeURIComponent(location.hash.slice(1))); } catch { return; }
  if (place && place.matches("details.task")) {
    place.hidden = false;
    place.open = true;
    place.scrollIntoView();
    place.querySelector("summary").focus();
  }
}

let soon = 0;
filters.hidden = false;
filters.addEventListener("submit", (event) => event.preventDefault());
filters.addEventListener("input", () => {
  most = step;
  clearTimeout(soon);
  soon = setTimeout(show, 100);
});
more.addEventListener("click", () => { most += step; show(); });
sections.forEach((section) => section.addEventListener("toggle", fill));
addEventListener("hashchange", open);
show();
open();
