// What a link says of itself in `data-card`, beside it while it is pointed at or focussed. Text only; nothing is fetched.
(() => {
  const shapes = { verified: "✓", stale: "↻", failing: "✕", inconclusive: "≈", unmeasured: "◌" }
  const element = (tag, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), properties)
    made.append(...children)
    return made
  }

  const row = ([name, value]) =>
    name
      ? element("div", {}, element("dt", { textContent: name }), element("dd", { textContent: value }))
      : element("div", { className: "line", textContent: value })

  const drawn = ({ title, text, rows = [], verdict, source }, link) => {
    const layer = element("div", { className: `hovercard ${verdict ?? ""}`, id: "hovercard" })
    layer.setAttribute("role", "tooltip")
    if (title) layer.append(element("p", { className: "title", textContent: title }))
    const lines = rows.filter(([name]) => !name).map(row)
    const list = rows.filter(([name]) => name).map(row)
    layer.append(...lines)
    if (text) layer.append(element("p", { textContent: text }))
    if (list.length) layer.append(element("dl", {}, ...list))
    if (verdict) layer.append(element("p", { className: "verdict", textContent: `${shapes[verdict]} ${verdict}` }))
    const ways = element("p", { className: "ways" })
    if (source) {
      ways.append(element("a", { href: link.href, textContent: text ? "our reading" : "in the library" }))
      ways.append(element("a", { href: source, rel: "noopener", textContent: "source" }))
      layer.append(ways)
    }
    return layer
  }

  let shown, owner, timer
  const hide = () => {
    clearTimeout(timer)
    shown?.remove()
    owner?.removeAttribute("aria-describedby")
    shown = owner = undefined
  }
  const place = () => {
    const link = owner.getClientRects()[0] ?? owner.getBoundingClientRect()
    const { width, height } = shown.getBoundingClientRect()
    const below = link.bottom + 6
    const above = link.top - 6 - height
    shown.style.left = `${Math.max(8, Math.min(link.left, innerWidth - width - 8))}px`
    shown.style.top = `${below + height > innerHeight - 8 && above > 8 ? above : below}px`
  }
  const show = (link) => {
    if (link === owner || !link.isConnected) return // the page may have been left meanwhile
    hide()
    owner = link
    shown = drawn(JSON.parse(link.dataset.card), link)
    ;(document.querySelector("main") ?? document.body).append(shown)
    link.setAttribute("aria-describedby", "hovercard")
    place()
  }
  const linkAt = (event) => event.target.closest?.("a[data-card]")
  const later = (action, delay) => {
    clearTimeout(timer)
    timer = setTimeout(action, delay)
  }

  document.addEventListener("pointerover", (event) => {
    if (event.pointerType === "touch") return
    const link = linkAt(event)
    if (link) later(() => show(link), 180)
    else if (shown?.contains(event.target)) clearTimeout(timer)
    else if (shown) later(hide, 220)
    else clearTimeout(timer)
  })
  document.addEventListener("focusin", (event) => {
    const link = linkAt(event)
    if (link?.matches(":focus-visible")) show(link)
    else if (!shown?.contains(event.target)) hide()
  })
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide())
  document.addEventListener("scroll", hide, { passive: true, capture: true })
  document.addEventListener("click", hide)
})()
