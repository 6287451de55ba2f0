// Material asks for the search index at once, the heaviest file of the site: it waits until somebody searches.
{
  const { open, send } = XMLHttpRequest.prototype
  const waiting = []
  let isWanted = new URLSearchParams(location.search).has("h")
  XMLHttpRequest.prototype.open = function (method, url, ...more) {
    this.isIndex = /search_index\.json$/.test(url)
    return open.call(this, method, url, ...more)
  }
  XMLHttpRequest.prototype.send = function (...body) {
    if (this.isIndex && !isWanted) waiting.push(() => send.apply(this, body))
    else send.apply(this, body)
  }
  addEventListener("focusin", ({ target }) => {
    if (!target.matches(".md-search__input")) return
    isWanted = true
    for (const go of waiting.splice(0)) go()
  })
}
