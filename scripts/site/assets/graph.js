// The graph of all pages on a canvas, beside a list that says the same to a keyboard and a screen reader.
(() => {
  const SHAPES = { notebook: 4, kernel: 3, paper: -4, book: -4, blog: -4, claim: 1 }
  const COLOURS = { notebook: "--c1", kernel: "--c2", paper: "--c4", book: "--c4", blog: "--c4", claim: "--c3" }
  const NAMES = { paper: "reading", book: "book", blog: "essay" }
  const STEPS = 260
  const element = (tag, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), properties)
    made.append(...children)
    return made
  }
  const said = (kind) => NAMES[kind] ?? kind

  // Where everything begins: on a spiral, topics together, so that each visit sees the same picture.
  const settle = (nodes) => {
    const order = [...nodes].sort((a, b) => a.topic.localeCompare(b.topic) || a.path.localeCompare(b.path))
    order.forEach((node, n) => {
      const radius = 14 * Math.sqrt(n + 0.5)
      Object.assign(node, { x: radius * Math.cos(2.4 * n), y: radius * Math.sin(2.4 * n), dx: 0, dy: 0 })
    })
  }

  // One step of a force layout: all push each other away, references pull, the middle pulls a little.
  const step = (nodes, edges, heat) => {
    for (let i = 0; i < nodes.length; i++) {
      const a = nodes[i]
      for (let j = i + 1; j < nodes.length; j++) {
        const b = nodes[j]
        const x = a.x - b.x
        const y = a.y - b.y
        const near = x * x + y * y + 20
        if (near > 90000) continue
        const push = 420 / near
        a.dx += x * push
        a.dy += y * push
        b.dx -= x * push
        b.dy -= y * push
      }
    }
    for (const [a, b] of edges) {
      const x = b.x - a.x
      const y = b.y - a.y
      const pull = 0.02 / Math.sqrt(Math.min(a.degree, b.degree) || 1)
      a.dx += x * pull
      a.dy += y * pull
      b.dx -= x * pull
      b.dy -= y * pull
    }
    for (const node of nodes) {
      node.dx -= node.x * 0.012
      node.dy -= node.y * 0.012
      const length = Math.hypot(node.dx, node.dy) || 1
      const most = Math.min(length, 18 * heat)
      node.x += (node.dx / length) * most
      node.y += (node.dy / length) * most
      node.dx = node.dy = 0
    }
  }

  const outline = (paper, { x, y, kind, r }) => {
    const sides = SHAPES[kind] ?? 0
    paper.beginPath()
    if (sides === 4) paper.rect(x - r, y - r, 2 * r, 2 * r)
    else if (sides === 0 || sides === 1) paper.arc(x, y, r, 0, 7)
    else {
      const corners = sides === 3 ? [[0, -1.25], [1.15, 0.9], [-1.15, 0.9]] : [[0, -1.35], [1.35, 0], [0, 1.35], [-1.35, 0]]
      corners.forEach(([dx, dy], n) => paper[n ? "lineTo" : "moveTo"](x + dx * r, y + dy * r))
      paper.closePath()
    }
  }

  const build = async (box) => {
    const root = new URL(box.dataset.graph, location.href)
    const data = await (await fetch(root)).json()
    const all = data.nodes.map((node) => ({ ...node, near: new Set(), degree: 0 }))
    for (const [a, b] of data.edges) {
      all[a].near.add(all[b])
      all[b].near.add(all[a])
    }
    for (const node of all) {
      node.degree = node.near.size
      node.r = 2.6 + Math.sqrt(node.degree) * 0.75
    }

    const canvas = element("canvas")
    canvas.setAttribute("aria-hidden", "true")
    const search = element("input", { type: "search", placeholder: "Find a page" })
    search.setAttribute("aria-label", "Find a page of the graph")
    const list = element("ul", { className: "found" })
    const about = element("div", { className: "about" })
    about.setAttribute("aria-live", "polite")
    const zoom = (sign, name) => {
      const button = element("button", { type: "button", textContent: sign })
      button.setAttribute("aria-label", name)
      return button
    }
    const [nearer, farther] = [zoom("+", "Nearer"), zoom("−", "Farther")]
    const kinds = [...new Set(all.map((node) => node.kind))].sort()
    const off = new Set(["claim"])
    const legend = element("fieldset", { className: "kinds" }, element("legend", { textContent: "Shown" }))
    for (const kind of kinds) {
      const check = element("input", { type: "checkbox", checked: !off.has(kind) })
      check.addEventListener("change", () => {
        off[check.checked ? "delete" : "add"](kind)
        restart()
      })
      const count = all.filter((node) => node.kind === kind).length
      legend.append(element("label", { className: kind }, check, ` ${said(kind)} `, element("small", { textContent: count })))
    }
    const side = element("div", { className: "side" }, search, list, about, legend)
    box.append(element("div", { className: "stage" }, canvas, element("p", { className: "zoom" }, nearer, farther)), side)

    const paper = canvas.getContext("2d")
    let nodes, edges, chosen, pointed, left
    let scale = 1
    let [panX, panY] = [0, 0]
    const still = matchMedia("(prefers-reduced-motion: reduce)")

    const draw = () => {
      const ratio = devicePixelRatio || 1
      const { clientWidth: width, clientHeight: height } = canvas
      canvas.width = width * ratio
      canvas.height = height * ratio
      const style = getComputedStyle(box)
      const colour = (name) => style.getPropertyValue(name).trim()
      const focus = pointed ?? chosen
      paper.setTransform(ratio * scale, 0, 0, ratio * scale, ratio * (width / 2 + panX), ratio * (height / 2 + panY))
      paper.lineWidth = 0.6 / scale
      paper.strokeStyle = colour("--edge")
      paper.globalAlpha = focus ? 0.25 : 0.7
      paper.beginPath()
      for (const [a, b] of edges) paper.moveTo(a.x, a.y), paper.lineTo(b.x, b.y)
      paper.stroke()
      if (focus) {
        paper.globalAlpha = 1
        paper.lineWidth = 1.2 / scale
        paper.strokeStyle = colour("--accent")
        paper.beginPath()
        for (const [a, b] of edges) if (a === focus || b === focus) paper.moveTo(a.x, a.y), paper.lineTo(b.x, b.y)
        paper.stroke()
      }
      for (const node of nodes) {
        paper.globalAlpha = !focus || node === focus || focus.near.has(node) ? 1 : 0.22
        paper.fillStyle = colour(COLOURS[node.kind] ?? "--c0")
        outline(paper, node)
        paper.fill()
      }
      paper.globalAlpha = 1
      paper.fillStyle = colour("--ink")
      paper.strokeStyle = colour("--paper")
      paper.lineWidth = 3 / scale
      paper.font = `${12 / scale}px ${colour("--serif")}`
      paper.textAlign = "center"
      const named = focus ? [focus, ...[...focus.near].filter((node) => !off.has(node.kind)).slice(0, 24)] : nodes.filter((node) => node.degree > 34)
      for (const node of named) {
        const name = node.name.length > 34 ? `${node.name.slice(0, 32)}…` : node.name
        paper.strokeText(name, node.x, node.y - node.r - 4 / scale)
        paper.fillText(name, node.x, node.y - node.r - 4 / scale)
      }
    }

    const fit = () => {
      const xs = nodes.map((node) => node.x)
      const ys = nodes.map((node) => node.y)
      const [w, h] = [Math.max(...xs) - Math.min(...xs) + 80, Math.max(...ys) - Math.min(...ys) + 60]
      scale = Math.min(canvas.clientWidth / w, canvas.clientHeight / h, 2.4)
      panX = (-scale * (Math.max(...xs) + Math.min(...xs))) / 2
      panY = (-scale * (Math.max(...ys) + Math.min(...ys))) / 2
    }
    const run = () => {
      if (!canvas.isConnected || left <= 0) return
      const until = still.matches ? 0 : left - 6
      while (left > until && left > 0) step(nodes, edges, left-- / STEPS)
      fit()
      draw()
      if (left > 0) requestAnimationFrame(run)
    }
    const restart = () => {
      nodes = all.filter((node) => !off.has(node.kind))
      const held = new Set(nodes)
      edges = data.edges.map(([a, b]) => [all[a], all[b]]).filter(([a, b]) => held.has(a) && held.has(b))
      settle(nodes)
      left = STEPS
      run()
    }

    const linkTo = (node) => element("a", { href: new URL(node.url, root), textContent: node.name })
    const choose = (node) => {
      chosen = node
      about.replaceChildren()
      if (node) {
        const near = [...node.near].filter((other) => !off.has(other.kind)).sort((a, b) => b.degree - a.degree)
        const ties = element("ul", {}, ...near.map((other) => element("li", {}, linkTo(other))))
        about.append(element("p", {}, linkTo(node), ` · ${said(node.kind)}, tied to ${near.length}`), ties)
      }
      draw()
    }
    const find = () => {
      const wanted = search.value.trim().toLowerCase()
      const found = wanted ? nodes.filter((node) => node.name.toLowerCase().includes(wanted)).slice(0, 8) : []
      list.replaceChildren(
        ...found.map((node) => {
          const button = element("button", { type: "button", textContent: node.name })
          button.addEventListener("click", () => choose(node))
          return element("li", {}, button)
        }),
      )
    }
    const at = (event) => {
      const edge = canvas.getBoundingClientRect()
      const x = (event.clientX - edge.left - edge.width / 2 - panX) / scale
      const y = (event.clientY - edge.top - edge.height / 2 - panY) / scale
      const far = (node) => Math.hypot(node.x - x, node.y - y)
      const nearest = nodes.reduce((best, node) => (far(node) < far(best) ? node : best))
      return far(nearest) < Math.max(nearest.r, 10 / scale) ? nearest : undefined
    }
    const magnify = (factor, x = 0, y = 0) => {
      const next = Math.min(8, Math.max(0.2, scale * factor))
      panX = x - ((x - panX) * next) / scale
      panY = y - ((y - panY) * next) / scale
      scale = next
      draw()
    }

    let grip
    canvas.addEventListener("pointerdown", (event) => {
      grip = { x: event.clientX - panX, y: event.clientY - panY, moved: false, startX: event.clientX, startY: event.clientY }
      canvas.setPointerCapture(event.pointerId)
    })
    canvas.addEventListener("pointermove", (event) => {
      if (grip) {
        grip.moved ||= Math.hypot(event.clientX - grip.startX, event.clientY - grip.startY) > 4
        if (grip.moved) [panX, panY] = [event.clientX - grip.x, event.clientY - grip.y]
        return draw()
      }
      const node = at(event)
      if (node === pointed) return
      pointed = node
      canvas.style.cursor = node ? "pointer" : "grab"
      draw()
    })
    canvas.addEventListener("pointerup", (event) => {
      const node = grip && !grip.moved ? at(event) : undefined
      if (grip && !grip.moved) node && node === chosen ? location.assign(new URL(node.url, root)) : choose(node)
      grip = undefined
    })
    canvas.addEventListener("pointerleave", () => {
      pointed = undefined
      draw()
    })
    canvas.addEventListener(
      "wheel",
      (event) => {
        if (!event.ctrlKey && !event.metaKey) return // a wheel alone scrolls the page
        event.preventDefault()
        const edge = canvas.getBoundingClientRect()
        magnify(Math.exp(-event.deltaY / 300), event.clientX - edge.left - edge.width / 2, event.clientY - edge.top - edge.height / 2)
      },
      { passive: false },
    )
    nearer.addEventListener("click", () => magnify(1.4))
    farther.addEventListener("click", () => magnify(1 / 1.4))
    search.addEventListener("input", find)
    new ResizeObserver(() => nodes && (fit(), draw())).observe(canvas)
    const recoloured = new MutationObserver(() => (canvas.isConnected ? draw() : recoloured.disconnect()))
    recoloured.observe(document.body, { attributes: true, attributeFilter: ["data-md-color-scheme"] })
    restart()
  }

  const start = () => {
    for (const box of document.querySelectorAll(".graph[data-graph]:empty")) build(box)
  }
  if (typeof document$ !== "undefined") document$.subscribe(start)
  else document.addEventListener("DOMContentLoaded", start)
})()
