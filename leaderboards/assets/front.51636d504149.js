"use strict";
(() => {
// What all pages share: text that stays text, filters whose state is in the address, and the table library's looks.
// Whatever comes from data goes through text() into markup, or into textContent.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const place = (id) => document.getElementById(id);
for (const one of document.querySelectorAll(".unmade")) one.remove();
const text = (value) => String(value).replace(/[&<>"'`]/g, (sign) => "&#" + sign.charCodeAt(0) + ";");
const LANGUAGE = { lengthMenu: "_MENU_ lines a page", info: "lines _START_ to _END_ of _TOTAL_", infoEmpty: "no line",
  infoFiltered: "(_MAX_ in all)", emptyTable: "no entry", zeroRecords: "no entry fits" };
const LAYOUT = { topStart: "info", topEnd: null, bottomStart: "pageLength", bottomEnd: "paging" };

function element(tag, words, facts) {
  const made = Object.assign(document.createElement(tag), facts || {});
  if (words !== undefined) made.textContent = words;
  return made;
}

// What a reader has chosen, by name; "" is no choice. It stands in the address, so that a filtered page can be linked.
const chosen = {};
function readAddress() {
  const said = new URLSearchParams(location.hash.slice(1));
  for (const key of Object.keys(chosen)) chosen[key] = said.get(key) || "";
}
function address() {
  const words = new URLSearchParams(Object.entries(chosen).filter(([, value]) => value !== "")).toString();
  return location.pathname + location.search + (words ? "#" + words : "");
}
const remember = () => history.replaceState(null, "", address());

function select(label, key, options, every, after) {
  const outer = element("label", label), inner = element("select", undefined, { id: "by-" + key });
  for (const [value, shown] of [...(every ? [["", "all"]] : []), ...options]) inner.append(element("option", shown, { value }));
  inner.value = chosen[key];
  if (inner.selectedIndex < 0) inner.selectedIndex = 0;
  chosen[key] = inner.value;
  inner.addEventListener("change", () => { chosen[key] = inner.value; remember(); after(); });
  outer.append(inner);
  return outer;
}
function searchField(after) {
  const outer = element("label", "search"), inner = element("input", undefined, { id: "search", type: "search", value: chosen.search });
  let waiting;
  inner.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(() => { chosen.search = inner.value; remember(); after(); }, 150); });
  outer.append(inner);
  return outer;
}
// A filter is [name, label, options as [value, shown], a row's value]; one that leaves no choice is not shown.
function filterBar(box, filters, leading, after) {
  const offered = filters.filter(([, , options]) => options.length > 1);
  for (const [key] of filters) if (!offered.some((one) => one[0] === key)) chosen[key] = "";
  const clear = element("button", "clear", { type: "button", id: "clear" });
  clear.addEventListener("click", () => {
    for (const key of ["search", ...offered.map((one) => one[0])]) { chosen[key] = ""; place(key === "search" ? key : "by-" + key).value = ""; }
    remember();
    after();
  });
  box.replaceChildren(...leading, ...offered.map(([key, label, options]) => select(label, key, options, true, after)), searchField(after), clear);
  return offered;
}
function fitting(filters) {
  const active = filters.filter(([key]) => chosen[key] !== "");
  return (row) => active.every(([key, , , read]) => read(row) === chosen[key]);
}
const pairs = (values) => [...new Set(values)].sort().map((value) => [value, value]);
// The front page: its table is in the page already, and becomes sortable and searchable.
for (const key of ["suite", "tier", "task", "method", "search"]) chosen[key] = "";
readAddress();
document.documentElement.classList.toggle("dark", dark.matches);
dark.addEventListener("change", () => document.documentElement.classList.toggle("dark", dark.matches));
const boards = new DataTable("#boards", { order: [], paging: false, autoWidth: false, layout: { ...LAYOUT, bottomStart: null, bottomEnd: null },
  language: { ...LANGUAGE, info: "boards: _TOTAL_", infoEmpty: "no board", zeroRecords: "no board fits" } });
const parts = (row, name) => (row.dataset[name] ? row.dataset[name].split("|") : []);
const rows = boards.rows().nodes().toArray();
const filters = filterBar(place("filters"), ["suite", "tier", "task", "method"].map((name) => [name, name, pairs(rows.flatMap((row) => parts(row, name)))]), [], redraw);
function redraw() {
  const active = filters.map(([key]) => key).filter((key) => chosen[key] !== "");
  boards.search(chosen.search);
  boards.search.fixed("filters", (_, row, at) => active.every((key) => parts(boards.row(at).node(), key).includes(chosen[key]))).draw();
}
redraw();
})();
