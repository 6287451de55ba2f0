// Tables that can be filtered and sorted. Without this script they are plain tables, complete and readable.
(() => {
  const text = (cell) => cell.textContent.trim().toLowerCase()
  const value = (cell) => {
    const number = parseFloat(text(cell).replace(/[, ]/g, "").replace("−", "-"))
    return Number.isNaN(number) ? text(cell) : number
  }

  const filterable = (box) => {
    const rows = [...box.querySelectorAll("tbody tr")].map((row) => ({ row, words: text(row) }))
    if (rows.length < 8) return
    const bar = document.createElement("div")
    bar.className = "filter"
    const input = Object.assign(document.createElement("input"), { type: "search", placeholder: "Filter" })
    input.setAttribute("aria-label", "Filter the table")
    const count = document.createElement("output")
    const apply = () => {
      const wanted = input.value.trim().toLowerCase().split(/\s+/).filter(Boolean)
      let shown = 0
      for (const { row, words } of rows) {
        row.hidden = !wanted.every((word) => words.includes(word))
        shown += !row.hidden
      }
      count.value = wanted.length ? `${shown} of ${rows.length}` : `${rows.length}`
    }
    input.addEventListener("input", apply)
    bar.append(input, count)
    box.before(bar)
    apply()
  }

  const sortable = (box) => {
    const body = box.querySelector("tbody")
    box.querySelectorAll("thead th").forEach((head, column) => {
      if (!head.textContent.trim()) return
      const button = document.createElement("button")
      button.type = "button"
      button.append(...head.childNodes)
      head.append(button)
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending"
        box.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"))
        head.setAttribute("aria-sort", down ? "descending" : "ascending")
        const sign = down ? -1 : 1
        const rows = [...body.rows].map((row) => [value(row.cells[column]), row])
        rows.sort(([a], [b]) => sign * (typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === "number" ? -1 : 1))
        body.append(...rows.map(([, row]) => row))
      })
    })
  }

  const copies = () => {
    for (const button of document.querySelectorAll("button.copy[data-bibtex]")) {
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(button.dataset.bibtex)
        button.textContent = "copied"
        setTimeout(() => (button.textContent = "BibTeX"), 1500)
      })
    }
  }

  const start = () => {
    for (const box of document.querySelectorAll(".table.filterable")) {
      filterable(box)
      sortable(box)
    }
    copies()
  }
  // Material loads pages without leaving the document: it says so through document$.
  if (typeof document$ !== "undefined") document$.subscribe(start)
  else if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start)
  else start()
})()
