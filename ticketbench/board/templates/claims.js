// The claims' page: its table is in the page already; filters by status and suite, and a search, hide what does not fit.
for (const key of ["status", "suite", "search"]) chosen[key] = "";
readAddress();
const groups = [...document.querySelectorAll("#claims tbody")];
const filters = filterBar(place("filters"), ["status", "suite"].map((name) => [name, name, pairs(groups.map((one) => one.dataset[name])), (one) => one.dataset[name]]), [], redraw);
function redraw() {
  const fits = fitting(filters), words = chosen.search.toLowerCase();
  let shown = 0;
  for (const one of groups) {
    one.hidden = !fits(one) || !one.textContent.toLowerCase().includes(words);
    shown += !one.hidden;
  }
  place("count").textContent = "claims: " + shown + " of " + groups.length;
}
redraw();
