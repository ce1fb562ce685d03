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
