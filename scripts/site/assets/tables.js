// Tables that can be filtered and sorted. Without this script they are plain tables, complete and readable.
//
// A table says in `data-facets` by which attributes of its rows to filter, in `data-sorts` how it may be ordered, and in
// `data-most` how many rows to show at once. What is chosen stands in the address, so a choice can be linked to.
(() => {
  const text = (cell) => cell.textContent.trim().toLowerCase()
  const value = (cell) => {
    const number = parseFloat(text(cell).replace(/[, ]/g, "").replace("−", "-"))
    return Number.isNaN(number) ? text(cell) : number
  }
  const labelled = (said, control) => {
    const label = document.createElement("label")
    label.append(said, control)
    return label
  }
  const dropdown = (options) => {
    const select = document.createElement("select")
    select.append(...options.map(([name, said]) => new Option(said, name)))
    return select
  }

  // A choice for each attribute that the rows differ in. A row may have several values, apart by bars.
  const choices = (rows, facets) =>
    Object.entries(facets).flatMap(([name, said]) => {
      for (const each of rows) (each.values ??= {})[name] = (each.row.dataset[name] ?? "").split("|").filter(Boolean)
      const values = [...new Set(rows.flatMap((each) => each.values[name]))].sort()
      if (values.length < 2) return []
      const select = dropdown([["", "any"], ...values.map((each) => [each, each])])
      return [{ name, select, label: labelled(said, select) }]
    })

  // The rows in the order that the author gave them, or by an attribute; a minus before its name is for the greatest first.
  const ordered = (rows, by) => {
    if (!by) return rows
    const [name, sign] = by[0] === "-" ? [by.slice(1), -1] : [by, 1]
    return rows.toSorted(({ row: a }, { row: b }) => sign * a.dataset[name].localeCompare(b.dataset[name]))
  }

  const filterable = (box) => {
    const rows = [...box.querySelectorAll("tbody tr:not(.group)")].map((row) => ({ row, words: text(row) }))
    box.classList.add("ready")
    if (rows.length < 8) return
    const bar = document.createElement("div")
    bar.className = "filter"
    bar.setAttribute("role", "search")
    bar.setAttribute("aria-label", "Rows")
    const input = Object.assign(document.createElement("input"), { type: "search", placeholder: "Filter", name: "q" })
    input.setAttribute("aria-label", "Filter the table")
    const count = document.createElement("output")
    const facets = choices(rows, JSON.parse(box.dataset.facets || "{}"))
    const sorts = Object.entries(JSON.parse(box.dataset.sorts || "{}"))
    const sort = sorts.length ? dropdown(sorts) : null
    const more = Object.assign(document.createElement("button"), { type: "button", className: "more", hidden: true })
    let most = Number(box.dataset.most) || Infinity
    let order = ""
    let sequence = rows
    let later

    const arrange = () => {
      if (!sort || sort.value === order) return
      order = sort.value
      sequence = ordered(rows, order)
      box.querySelector("tbody").append(...sequence.map(({ row }) => row))
    }
    const apply = () => {
      const wanted = input.value.trim().toLowerCase().split(/\s+/).filter(Boolean)
      const chosen = facets.filter(({ select }) => select.value)
      let found = 0
      arrange()
      for (const { row, words, values } of sequence) {
        const fits =
          chosen.every(({ name, select }) => values[name].includes(select.value)) && wanted.every((word) => words.includes(word))
        found += fits
        const hidden = !fits || found > most
        if (row.hidden !== hidden) row.hidden = hidden
      }
      for (const head of box.querySelectorAll("tr.group")) {
        head.hidden = ![...head.parentNode.rows].some((row) => row !== head && !row.hidden)
      }
      more.hidden = found <= most
      more.textContent = `Show all ${found}`
      count.value = wanted.length || chosen.length ? `${found} of ${rows.length}` : `${rows.length}`
    }
    const remember = () => {
      clearTimeout(later)
      if (!box.isConnected) return // the address is another page's by now
      const query = new URLSearchParams()
      if (input.value) query.set("q", input.value)
      for (const { name, select } of facets) if (select.value) query.set(name, select.value)
      if (sort?.value) query.set("sort", sort.value)
      history.replaceState(history.state, "", `${location.pathname}${query.size ? `?${query}` : ""}${location.hash}`)
    }
    const recall = () => {
      const query = new URLSearchParams(location.search)
      input.value = query.get("q") ?? ""
      for (const { name, select } of facets) {
        const wanted = query.get(name)
        if (wanted && [...select.options].some((option) => option.value === wanted)) select.value = wanted
      }
      if (sort && sorts.some(([name]) => name === query.get("sort"))) sort.value = query.get("sort")
    }

    bar.append(labelled(count, input), ...facets.map(({ label }) => label), ...(sort ? [labelled("Order", sort)] : []))
    bar.addEventListener("input", () => {
      apply()
      clearTimeout(later)
      later = setTimeout(remember, 250)
    })
    bar.addEventListener("change", remember) // whoever leaves for a row comes back to what was chosen
    more.addEventListener("click", () => {
      most = Infinity
      apply()
    })
    box.before(bar)
    box.after(more)
    recall()
    apply()
    // A link to a row that is not shown shows it.
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)))?.closest("tr[hidden]")
    if (target && box.contains(target)) {
      target.hidden = false
      target.scrollIntoView()
    }
  }

  const sortable = (box) => {
    if (box.dataset.sorts) return
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
      const said = button.textContent
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(button.dataset.bibtex)
        button.textContent = "copied"
        setTimeout(() => (button.textContent = said), 1500)
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
