// Two keys to every room, `g` and a letter; `?` lists them. Material has `/` for search.
(() => {
  const ROOMS = { h: "Home", c: "Claims", p: "Papers", n: "Notes", b: "Notebooks", k: "Kernels", l: "Library", g: "Graph", t: "Tags" }
  let began = 0

  const address = (name) =>
    name === "Home"
      ? document.querySelector(".wordmark")?.href
      : [...document.querySelectorAll(".rooms a")].find((link) => link.textContent.trim() === name)?.href

  const help = () => {
    const shown = document.querySelector("dialog.keys")
    if (shown) return shown.close()
    const dialog = document.createElement("dialog")
    dialog.className = "keys"
    const list = document.createElement("dl")
    const rows = [["/", "search"], ["esc", "close"], ["?", "this list"], ...Object.entries(ROOMS).map(([key, name]) => [`g ${key}`, name])]
    for (const [keys, what] of rows) {
      const term = document.createElement("dt")
      term.append(...keys.split(" ").map((key) => Object.assign(document.createElement("kbd"), { textContent: key })))
      list.append(term, Object.assign(document.createElement("dd"), { textContent: what }))
    }
    dialog.append(Object.assign(document.createElement("h2"), { textContent: "Keys" }), list)
    dialog.addEventListener("click", () => dialog.close())
    dialog.addEventListener("close", () => dialog.remove())
    document.body.append(dialog)
    dialog.showModal()
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    if (event.target.closest("input, textarea, select, [contenteditable]")) return
    if (event.key === "?") return help()
    if (event.key === "g" && event.timeStamp - began > 900) {
      began = event.timeStamp
      return
    }
    const room = event.timeStamp - began < 900 && ROOMS[event.key]
    began = 0
    const to = room && address(room)
    if (to) {
      event.preventDefault()
      location.assign(to)
    }
  })
})()
