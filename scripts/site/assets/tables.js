// Tables that can be filtered and sorted. Without this script they are plain tables, complete and readable.
(() => {
  const text = (cell) => cell.textContent.trim().toLowerCase()
  const value = (cell) => {
    const number = parseFloat(text(cell).replace(/[, ]/g, "").replace("−", "-"))
    return Number.isNaN(number) ? text(cell) : number
  }

  // A choice for each attribute of the rows that the table names in data-facets.
  const choices = (rows, facets) =>
    Object.entries(facets).flatMap(([name, said]) => {
      const values = [...new Set(rows.map(({ row }) => row.dataset[name]))].filter(Boolean)
      if (values.length < 2) return []
      const select = document.createElement("select")
      select.append(new Option("any", ""), ...values.map((each) => new Option(each, each)))
      const label = document.createElement("label")
      label.append(said, select)
      return [{ name, select, label }]
    })

  const filterable = (box) => {
    const rows = [...box.querySelectorAll("tbody tr:not(.group)")].map((row) => ({ row, words: text(row) }))
    if (rows.length < 8) return
    const bar = document.createElement("div")
    bar.className = "filter"
    const input = Object.assign(document.createElement("input"), { type: "search", placeholder: "Filter" })
    input.setAttribute("aria-label", "Filter the table")
    const count = document.createElement("output")
    const facets = choices(rows, JSON.parse(box.dataset.facets || "{}"))
    const apply = () => {
      const wanted = input.value.trim().toLowerCase().split(/\s+/).filter(Boolean)
      const chosen = facets.filter(({ select }) => select.value)
      let shown = 0
      for (const { row, words } of rows) {
        const fits = chosen.every(({ name, select }) => row.dataset[name] === select.value)
        row.hidden = !fits || !wanted.every((word) => words.includes(word))
        shown += !row.hidden
      }
      for (const head of box.querySelectorAll("tr.group")) {
        head.hidden = ![...head.parentNode.rows].some((row) => row !== head && !row.hidden)
      }
      count.value = wanted.length || chosen.length ? `${shown} of ${rows.length}` : `${rows.length}`
    }
    bar.append(input, ...facets.map(({ label }) => label), count)
    bar.addEventListener("input", apply)
    box.before(bar)
    apply()
  }

  const sortable = (box) => {
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
        for (const body of box.querySelectorAll("tbody")) {
          const rows = [...body.querySelectorAll("tr:not(.group)")].map((row) => [value(row.cells[column]), row])
          rows.sort(([a], [b]) => sign * (typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === "number" ? -1 : 1))
          body.append(...rows.map(([, row]) => row))
        }
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
