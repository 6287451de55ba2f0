// What Material's frame lacks for a keyboard and a screen reader.
(() => {
  const toggle = (name) => document.querySelector(`[data-md-toggle="${name}"]`)
  const drawer = () => document.querySelector(".md-sidebar--primary")
  const opener = () => document.querySelector('[data-opens="drawer"]')

  // The rooms on a phone: a drawer that takes the focus, keeps it, and gives it back.
  const drawn = () => {
    const isOpen = toggle("drawer").checked
    opener().setAttribute("aria-expanded", isOpen)
    if (isOpen) setTimeout(() => drawer().querySelector("a[href]:not(.md-logo)").focus(), 50)
    else if (drawer().contains(document.activeElement)) opener().focus()
  }
  toggle("drawer").addEventListener("change", drawn)
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && toggle("drawer").checked) toggle("drawer").click()
  })
  document.addEventListener("focusin", (event) => {
    if (toggle("drawer").checked && !drawer().contains(event.target)) toggle("drawer").click()
  })
  document.addEventListener("click", (event) => {
    const opens = event.target.closest("[data-opens]")?.dataset.opens
    if (opens === "drawer") toggle("drawer").click()
    if (opens === "search") document.querySelector(".md-search__input").focus()
  })

  // What scrolls sideways can be reached, so that arrows scroll it.
  const WIDE = ".md-typeset :is(pre, figure, .math.display, .table, .html, .md-typeset__scrollwrap)"
  const reachable = () => {
    for (const box of document.querySelectorAll(WIDE)) {
      if (box.closest("details:not([open])")) continue // measuring it would lay it out, and load its fonts
      const scrolls = box.scrollWidth > box.clientWidth && ["auto", "scroll"].includes(getComputedStyle(box).overflowX)
      if (scrolls && !box.querySelector("a, button, [tabindex]")) box.tabIndex = 0
      else if (box.tabIndex === 0) box.removeAttribute("tabindex")
    }
  }
  addEventListener("resize", reachable)
  document.addEventListener("toggle", reachable, true)

  // Material opens all that folds before it prints: what a reader has opened is marked, and only that is printed.
  document.addEventListener("click", (event) => {
    const evidence = event.target.closest("details.proof > summary")?.parentElement
    evidence?.toggleAttribute("data-read", !evidence.open)
  })

  // Material wraps a copy button, and a result's tags, in a <nav> without a name: a landmark that leads nowhere.
  const unmark = () => {
    for (const nav of document.querySelectorAll("nav:is(.md-code__nav, .md-tags):not([role])")) nav.setAttribute("role", "none")
  }
  new MutationObserver(unmark).observe(document.body, { childList: true, subtree: true })

  const start = () => requestAnimationFrame(() => (reachable(), unmark()))
  if (typeof document$ !== "undefined") document$.subscribe(start)
  else start()
})()
