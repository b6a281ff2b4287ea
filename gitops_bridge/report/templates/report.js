"use strict";
const find = document.getElementById("find");
const environment = document.getElementById("environment");
const phase = document.getElementById("phase");
const count = document.getElementById("count");
const rows = [...document.querySelectorAll(".deployment")].map(element => ({
  element,
  section: element.closest("section"),
  phase: element.dataset.phase,
  text: "",
}));

function textOf(row) {
  if (!row.text) {
    const people = [...row.element.querySelectorAll(".facts strong")].map(one => one.textContent);
    const model = row.element.querySelector("dd code");
    const words = [row.element.querySelector("summary").textContent, ...people];
    row.text = [...words, model ? model.textContent : ""].join(" ").toLowerCase();
  }
  return row.text;
}

function filter() {
  const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = new Set();
  let number = 0;
  for (const row of rows) {
    const fits = (!environment.value || row.section.dataset.environment === environment.value)
      && (!phase.value || row.phase === phase.value)
      && (!words.length || words.every(word => textOf(row).includes(word)));
    row.element.hidden = !fits;
    if (fits) { shown.add(row.section); number += 1; }
  }
  for (const section of document.querySelectorAll("section")) section.hidden = !shown.has(section);
  count.value = number === rows.length ? "" : `${number} of ${rows.length} shown`;
}

function openLinked() {
  const linked = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (linked instanceof HTMLDetailsElement) { linked.open = true; linked.scrollIntoView(); }
}

find.form.addEventListener("submit", event => event.preventDefault());
for (const control of [find, environment, phase]) control.addEventListener("input", filter);
addEventListener("hashchange", openLinked);
filter();
openLinked();
