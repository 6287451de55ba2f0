// Two rows of a table side by side, from the facts that each row carries. Without this script the table is as it was.
(() => {
  const element = (tag, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), properties)
    made.append(...children)
    return made
  }

  const sideBySide = (rows, facts) => {
    const held = rows.map((row) => JSON.parse(row.dataset[facts]))
    const names = [...new Set(held.flatMap(Object.keys))]
    const heads = rows.map((row) => element("th", { scope: "col" }, row.querySelector("a").cloneNode(true)))
    const lines = names.map((name) => {
      const [one, other] = held.map((all) => all[name] ?? "—")
      const line = element("tr", { className: one === other ? "same" : "" })
      line.append(element("th", { scope: "row" }, name), element("td", {}, one), element("td", {}, other))
      return line
    })
    const head = element("thead", {}, element("tr", {}, element("td"), ...heads))
    return element("table", {}, head, element("tbody", {}, ...lines))
  }

  const compare = (box) => {
    const dialog = element("dialog", { className: "compare" })
    const said = element("p", { className: "choosing", hidden: true, role: "status" })
    let chosen = []
    const mark = () => {
      for (const button of box.querySelectorAll("button.choose")) {
        const isChosen = chosen.includes(button.closest("tr"))
        button.setAttribute("aria-pressed", isChosen)
        button.textContent = isChosen ? "chosen" : "compare"
      }
      said.hidden = chosen.length !== 1
      if (chosen.length === 1) said.textContent = `${chosen[0].querySelector("a").textContent}: choose one to compare it with`
    }
    const show = () => {
      const close = element("button", { type: "button", className: "choose", textContent: "close", autofocus: true })
      close.addEventListener("click", () => dialog.close())
      dialog.replaceChildren(close, element("div", { className: "table" }, sideBySide(chosen, box.dataset.compare)))
      dialog.showModal()
    }
    const choose = (row) => {
      chosen = chosen.includes(row) ? chosen.filter((other) => other !== row) : [...chosen, row]
      mark()
      if (chosen.length === 2) show()
    }
    for (const row of box.querySelectorAll(`tr[data-${box.dataset.compare}]`)) {
      const name = row.querySelector("a").textContent
      const button = element("button", { type: "button", className: "choose", textContent: "compare" })
      button.setAttribute("aria-label", `Compare ${name}`)
      button.addEventListener("click", () => choose(row))
      row.querySelector("a").after(" ", button)
    }
    dialog.setAttribute("aria-label", "Two kernels side by side")
    dialog.addEventListener("close", () => {
      chosen = []
      mark()
    })
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close())
    box.before(said)
    box.after(dialog)
    mark()
  }

  const start = () => document.querySelectorAll(".table[data-compare]").forEach(compare)
  // Material loads pages without leaving the document: it says so through document$.
  if (typeof document$ !== "undefined") document$.subscribe(start)
  else if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start)
  else start()
})()
