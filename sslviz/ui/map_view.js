// A map of thousands of points on a 2-D canvas, without WebGL: hover, click, lasso, keyboard and touch.
// The server sends places, labels and what is chosen; ids of what is picked go back, and nothing else.

const NEAR = { mouse: 14, touch: 24, pen: 18 } // CSS pixels within which a point is taken
const STEP = 22 // CSS pixels that an arrow key aims at
const STILL = 5 // a pointer that moves by less has clicked
const FEW = 3000 // points; more of them are drawn smaller
const RETRIES = 10 // of fetching the pictures, a second apart
const PUSHED = 20 // class names that are pushed apart; of more, those that fit are shown
const views = new WeakMap() // root element -> MapView, so that zoom and tools outlive new data

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const root = parentElement.querySelector(".map-view")
  if (!views.has(root)) views.set(root, new MapView(root))
  const view = views.get(root)
  view.send = (ids) => setTriggerValue("picked", ids)
  if (data.waiting) setTimeout(() => setStateValue("asked", data.waiting), 500) // the pictures are being made
  view.update(data)
  return () => view.release()
}

function numbers(text, type) {
  return new type(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer)
}

class MapView {
  constructor(root) {
    const find = (name) => root.querySelector("." + name)
    this.root = root
    this.canvas = find("points")
    this.hover = find("hover")
    this.picture = find("picture")
    this.words = find("words")
    this.said = find("said")
    this.tools = find("tools")
    this.buttons = { lasso: find("lasso"), closer: find("closer"), wider: find("wider") }
    this.behind = document.createElement("canvas") // points and names, drawn anew only when they change
    this.window = { x: 0, y: 0, zoom: 1 } // left top corner in units of the whole map, and magnification
    this.lassoing = !window.matchMedia("(pointer: coarse)").matches // a finger scrolls the page at first
    this.cursor = null // point under the pointer or the keyboard
    this.path = null // corners of a lasso being drawn
    this.drag = null
    this.side = 0
    this.listen()
  }

  // data -----------------------------------------------------------------------------------------------------------

  update(data) {
    if (data.places !== this.data?.places) {
      this.places = numbers(data.places, Uint16Array) // x, y, x, y ... of 65535, y down
      this.labels = numbers(data.labels, Uint16Array)
      this.cursor = null
      if (data.view !== this.data?.view) this.window = { x: 0, y: 0, zoom: 1 }
    }
    this.count = this.labels.length
    this.data = data
    this.selected = new Uint8Array(this.count)
    for (const id of data.selected) this.selected[id] = 1
    this.some = data.selected.length > 0
    this.chosen = data.chosen
    this.root.style.setProperty("--map-size", data.size + "px")
    this.canvas.setAttribute("aria-label", data.label)
    this.tools.hidden = !data.tools
    this.tools.parentElement.classList.toggle("tooled", data.tools)
    this.loadSprite(data.sprite)
    this.setLasso(this.lassoing)
    this.watcher = new ResizeObserver(() => this.fit())
    this.watcher.observe(this.canvas)
    this.fit()
  }

  release() {
    this.watcher?.disconnect()
  }

  loadSprite(sprite) {
    if (!sprite || sprite.url === this.spriteUrl) return
    this.spriteUrl = sprite.url
    this.fetchSprite(sprite.url, RETRIES)
  }

  /** Fetch the pictures; while the page runs again, the server may not have the file for a moment. */
  fetchSprite(url, left) {
    if (url !== this.spriteUrl) return
    this.sprite = new Image()
    this.sprite.onload = () => this.cursor !== null && !this.hover.hidden && this.showHover()
    this.sprite.onerror = () => left > 0 && setTimeout(() => this.fetchSprite(url, left - 1), 1000)
    this.sprite.src = absolute(url)
  }

  // geometry -------------------------------------------------------------------------------------------------------

  x(id) {
    return (this.places[2 * id] / 65535 - this.window.x) * this.window.zoom * this.side
  }

  y(id) {
    return (this.places[2 * id + 1] / 65535 - this.window.y) * this.window.zoom * this.side
  }

  /** The nearest point to a place on the canvas (CSS pixels), or null where none is within reach. */
  nearest(x, y, reach) {
    let best = null, least = reach * reach
    for (let id = 0; id < this.count; id++) {
      const dx = this.x(id) - x, dy = this.y(id) - y, far = dx * dx + dy * dy
      if (far <= least) { least = far; best = id }
    }
    return best
  }

  /** The point that an arrow key leads to: near a place one step on, never back. */
  next(from, ax, ay) {
    const x = this.x(from), y = this.y(from)
    let best = null, least = Infinity
    for (let id = 0; id < this.count; id++) {
      const px = this.x(id), py = this.y(id)
      if (px < 0 || py < 0 || px > this.side || py > this.side) continue
      const ahead = (px - x) * ax + (py - y) * ay, aside = Math.abs((px - x) * ay - (py - y) * ax)
      if (ahead < 4 || aside > 2 * ahead) continue
      const far = Math.hypot(ahead - STEP, 1.5 * aside)
      if (far < least) { least = far; best = id }
    }
    return best
  }

  within(path) {
    const ids = []
    for (let id = 0; id < this.count; id++) {
      const x = this.x(id), y = this.y(id)
      let inside = false
      for (let i = 0, j = path.length - 1; i < path.length; j = i++) {
        const [xi, yi] = path[i], [xj, yj] = path[j]
        if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) inside = !inside
      }
      if (inside) ids.push(id)
    }
    return ids
  }

  zoomTo(zoom, x = this.side / 2, y = this.side / 2) {
    const { window: at } = this, u = at.x + x / at.zoom / this.side, v = at.y + y / at.zoom / this.side
    const k = Math.min(40, Math.max(1, zoom))
    this.moveTo(u - x / k / this.side, v - y / k / this.side, k)
  }

  moveTo(x, y, zoom = this.window.zoom) {
    const hold = (v) => Math.min(1 - 1 / zoom, Math.max(0, v))
    this.window = { x: hold(x), y: hold(y), zoom }
    this.paintBehind()
    this.paint()
  }

  // drawing --------------------------------------------------------------------------------------------------------

  fit() {
    const side = this.canvas.clientWidth
    if (!side) return
    this.side = side
    this.ratio = window.devicePixelRatio || 1
    for (const canvas of [this.canvas, this.behind]) canvas.width = canvas.height = Math.round(side * this.ratio)
    this.paintBehind()
    this.paint()
  }

  pen(canvas) {
    const pen = canvas.getContext("2d")
    pen.setTransform(this.ratio, 0, 0, this.ratio, 0, 0)
    return pen
  }

  colour(label) {
    return this.data.palette[label % this.data.palette.length]
  }

  radius() {
    const small = this.count > FEW ? 2 : 2.6
    return small * Math.min(1, 0.6 + this.side / 1200) * Math.min(2.5, Math.sqrt(this.window.zoom))
  }

  /** A disc of each colour, so that a point costs one copy and not a path. */
  discs(radius) {
    const reach = Math.ceil(radius) + 1
    return this.data.palette.map((colour) => {
      const canvas = document.createElement("canvas")
      canvas.width = canvas.height = Math.ceil(2 * reach * this.ratio)
      const pen = this.pen(canvas)
      pen.fillStyle = colour
      pen.beginPath()
      pen.arc(reach, reach, radius, 0, 2 * Math.PI)
      pen.fill()
      return canvas
    })
  }

  paintBehind() {
    const start = performance.now(), pen = this.pen(this.behind), { side } = this
    pen.clearRect(0, 0, side, side)
    const passes = this.some ? [[0, 0.16, 1], [1, 1, 1.35]] : [[0, 0.75, 1]]
    for (const [which, alpha, grow] of passes) {
      const radius = this.radius() * grow, discs = this.discs(radius), size = discs[0].width / this.ratio
      pen.globalAlpha = alpha
      for (let id = 0; id < this.count; id++) {
        if (this.selected[id] !== which) continue
        const x = this.x(id), y = this.y(id)
        if (x < -size || y < -size || x > side + size || y > side + size) continue
        pen.drawImage(discs[this.labels[id] % discs.length], x - size / 2, y - size / 2, size, size)
      }
    }
    pen.globalAlpha = 1
    this.paintNames(pen)
    if (this.data.guest) this.paintGuest(pen)
    performance.measure("sslviz map", { start, end: performance.now() })
  }

  paintNames(pen) {
    const style = getComputedStyle(this.canvas)
    const high = 20, font = `600 ${this.side < 450 ? 12 : 13.5}px ${style.fontFamily}`
    pen.font = font
    const boxes = this.data.names.map(({ x, y, name, label }) => ({
      name, label, w: pen.measureText(name).width + 10,
      x: (x - this.window.x) * this.window.zoom * this.side, y: (y - this.window.y) * this.window.zoom * this.side,
    })).filter(({ x, y }) => x >= 0 && y >= 0 && x <= this.side && y <= this.side)
    const ring = this.chosen >= 0 && this.chosen < this.count
      ? [{ fixed: true, x: this.x(this.chosen), y: this.y(this.chosen), w: 22 }] : [] // what no name may hide
    const shown = boxes.length > PUSHED ? fitting([...ring, ...boxes], high) : pushed([...ring, ...boxes], high)
    pen.textAlign = "center"
    pen.textBaseline = "middle"
    for (const { x, y, w, name, label, fixed } of shown) {
      if (fixed) continue
      const left = Math.min(this.side - w - 1, Math.max(1, x - w / 2))
      const top = Math.min(this.side - high - 1, Math.max(1, y - high / 2))
      pen.fillStyle = this.data.ink.background
      pen.strokeStyle = this.colour(label)
      pen.lineWidth = 2
      pen.beginPath()
      pen.roundRect(left, top, w, high, 3)
      pen.globalAlpha = 0.9
      pen.fill()
      pen.globalAlpha = 1
      pen.stroke()
      pen.fillStyle = this.data.ink.text
      pen.fillText(name, left + w / 2, top + high / 2 + 0.5)
    }
  }

  paintGuest(pen) {
    const { x, y } = this.data.guest, at = this.window
    const cx = (x - at.x) * at.zoom * this.side, cy = (y - at.y) * at.zoom * this.side
    pen.beginPath()
    for (let i = 0; i < 10; i++) {
      const r = i % 2 ? 5 : 12, a = (i * Math.PI) / 5 - Math.PI / 2
      pen.lineTo(cx + r * Math.cos(a), cy + r * Math.sin(a))
    }
    pen.closePath()
    pen.fillStyle = this.data.ink.text
    pen.strokeStyle = this.data.ink.background
    pen.lineWidth = 2
    pen.fill()
    pen.stroke()
  }

  ring(pen, id, radius, width, dash = []) {
    for (const [colour, wide] of [[this.data.ink.background, width + 3], [this.data.ink.text, width]]) {
      pen.setLineDash(colour === this.data.ink.text ? dash : [])
      pen.strokeStyle = colour
      pen.lineWidth = wide
      pen.beginPath()
      pen.arc(this.x(id), this.y(id), radius, 0, 2 * Math.PI)
      pen.stroke()
    }
    pen.setLineDash([])
  }

  paint() {
    const pen = this.pen(this.canvas)
    pen.clearRect(0, 0, this.side, this.side)
    pen.drawImage(this.behind, 0, 0, this.side, this.side)
    const known = (id) => id !== null && id >= 0 && id < this.count
    if (known(this.chosen)) {
      pen.fillStyle = this.colour(this.labels[this.chosen])
      pen.beginPath()
      pen.arc(this.x(this.chosen), this.y(this.chosen), 5, 0, 2 * Math.PI)
      pen.fill()
      this.ring(pen, this.chosen, 8.5, 2.5)
    }
    if (known(this.cursor) && this.cursor !== this.chosen) this.ring(pen, this.cursor, 7, 1.5, [3, 2])
    if (this.path) {
      pen.beginPath()
      for (const [x, y] of this.path) pen.lineTo(x, y)
      pen.closePath()
      pen.globalAlpha = 0.12
      pen.fillStyle = pen.strokeStyle = this.data.ink.text
      pen.fill()
      pen.globalAlpha = 1
      pen.lineWidth = 1.5
      pen.setLineDash([5, 3])
      pen.stroke()
      pen.setLineDash([])
    }
  }

  // what is under the pointer --------------------------------------------------------------------------------------

  describe(id) {
    return this.data.hints?.[id] ?? `${this.data.classes[this.labels[id]]}, ${this.data.noun} ${id}`
  }

  point(id) {
    if (id === this.cursor && (id === null) === this.hover.hidden) return
    this.cursor = id
    if (id === null) this.hover.hidden = true
    else this.showHover()
    this.paint()
  }

  showHover() {
    const id = this.cursor, { sprite } = this.data
    this.words.textContent = this.describe(id)
    const drawn = sprite && this.sprite?.complete && this.sprite.naturalWidth > 0
    this.picture.style.display = drawn ? "" : "none"
    if (drawn) {
      const grow = Math.max(1, Math.floor(112 / Math.max(sprite.width, sprite.height)))
      this.picture.width = sprite.width
      this.picture.height = sprite.height
      this.picture.style.width = `${sprite.width * grow}px`
      this.picture.style.height = `${sprite.height * grow}px`
      const left = (id % sprite.columns) * sprite.width, top = Math.floor(id / sprite.columns) * sprite.height
      this.picture.getContext("2d").drawImage(
        this.sprite, left, top, sprite.width, sprite.height, 0, 0, sprite.width, sprite.height)
    }
    this.hover.style.borderColor = this.colour(this.labels[id])
    this.hover.hidden = false
    const w = this.hover.offsetWidth, h = this.hover.offsetHeight, x = this.x(id), y = this.y(id)
    this.hover.style.left = `${Math.max(0, Math.min(x + 16, this.side - w))}px`
    const over = y - h - 14
    this.hover.style.top = `${over >= 0 ? over : Math.min(y + 14, this.side)}px`
  }

  choose(id) {
    this.chosen = id
    this.said.textContent = `Chosen: ${this.describe(id)}`
    this.paintBehind() // a name may lie where the ring is
    this.paint()
    this.send([id])
  }

  /** Let go of what a lasso has selected. */
  letGo() {
    if (!this.some) return
    this.said.textContent = "Nothing selected"
    this.send([])
  }

  // input ----------------------------------------------------------------------------------------------------------

  setLasso(on) {
    this.lassoing = on
    this.buttons.lasso.setAttribute("aria-pressed", String(on))
    this.canvas.classList.toggle("lassoing", on && this.data.tools)
  }

  listen() {
    const { canvas } = this
    const place = (event) => {
      const box = canvas.getBoundingClientRect()
      return [event.clientX - box.left, event.clientY - box.top]
    }
    const near = (event) => this.nearest(...place(event), NEAR[event.pointerType] ?? NEAR.mouse)
    canvas.onpointerdown = (event) => {
      if (event.button !== 0 || !event.isPrimary) return
      const at = place(event)
      const lasso = this.data.tools && (this.lassoing || event.shiftKey)
      this.drag = { start: at, lasso, moved: false, corner: { ...this.window } }
      if (event.pointerType === "mouse" || lasso) canvas.setPointerCapture(event.pointerId)
    }
    canvas.onpointermove = (event) => {
      if (!event.isPrimary) return
      const at = place(event), { drag } = this
      if (!drag) {
        if (event.pointerType !== "touch") this.point(near(event))
        return
      }
      const dx = at[0] - drag.start[0], dy = at[1] - drag.start[1]
      if (!drag.moved && Math.hypot(dx, dy) < STILL) return
      drag.moved = true
      this.hover.hidden = true
      this.cursor = null
      if (drag.lasso) {
        this.path = this.path ?? [drag.start]
        this.path.push(at)
        this.paint()
      } else if (this.window.zoom > 1) {
        const unit = this.window.zoom * this.side
        this.moveTo(drag.corner.x - dx / unit, drag.corner.y - dy / unit)
      }
    }
    canvas.onpointerup = (event) => {
      const { drag, path } = this
      this.drag = this.path = null
      if (!drag) return
      if (!drag.moved) {
        const id = near(event)
        this.point(id)
        if (id !== null) this.choose(id)
        else this.letGo()
      } else if (path) {
        const ids = this.within(path)
        this.said.textContent = ids.length ? `${ids.length.toLocaleString("en")} in the lasso` : "No point in the lasso"
        this.paint()
        if (ids.length) this.send(ids)
      }
    }
    canvas.onpointercancel = () => { this.drag = this.path = null; this.paint() }
    canvas.onpointerleave = () => { if (!this.drag) this.point(null) }
    canvas.onblur = () => this.point(null)
    canvas.onwheel = (event) => {
      if (!event.ctrlKey || !this.data.tools) return // a plain wheel scrolls the page
      event.preventDefault()
      this.zoomTo(this.window.zoom * Math.exp(-event.deltaY / 200), ...place(event))
    }
    canvas.onkeydown = (event) => this.key(event)
    this.buttons.lasso.onclick = () => this.setLasso(!this.lassoing)
    this.buttons.closer.onclick = () => this.zoomTo(this.window.zoom * 1.6)
    this.buttons.wider.onclick = () => this.zoomTo(this.window.zoom / 1.6)
  }

  key(event) {
    const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key]
    const zoom = { "+": 1.6, "=": 1.6, "-": 1 / 1.6 }[event.key]
    if (event.ctrlKey || event.metaKey || event.altKey) return
    if (arrow) {
      const from = this.cursor ?? (this.chosen >= 0 ? this.chosen : null)
      const to = from === null ? this.nearest(this.side / 2, this.side / 2, Infinity) : this.next(from, ...arrow)
      this.point(to ?? from)
      if (this.cursor !== null) this.said.textContent = this.describe(this.cursor)
    } else if ((event.key === "Enter" || event.key === " ") && this.cursor !== null) {
      this.choose(this.cursor)
    } else if (event.key === "Escape") {
      this.point(null)
      this.letGo()
    } else if (zoom && this.data.tools) {
      this.zoomTo(this.window.zoom * zoom)
    } else return
    event.preventDefault()
  }
}

/** Class names moved apart, each as little as a few rounds of pushes need; boxes are given by their centres. */
function pushed(boxes, high) {
  for (let round = 0; round < 60; round++) {
    let crowded = false
    for (let i = 0; i < boxes.length; i++) {
      for (let j = i + 1; j < boxes.length; j++) {
        const a = boxes[i], b = boxes[j]
        const across = (a.w + b.w) / 2 + 4 - Math.abs(a.x - b.x), down = high + 4 - Math.abs(a.y - b.y)
        if (across <= 0.5 || down <= 0.5) continue
        crowded = true
        if (across < down) {
          part(a, b, "x", across)
        } else {
          part(a, b, "y", down)
        }
      }
    }
    if (!crowded) break
  }
  return boxes
}

/** Move two boxes apart along an axis, each by half, or one alone where the other is fixed. */
function part(a, b, axis, far) {
  const way = a[axis] < b[axis] ? far : -far
  const share = a.fixed ? 0 : b.fixed ? 1 : 0.5
  a[axis] -= way * share
  b[axis] += way * (1 - share)
}

/** The class names that fit without lying on each other, in the order given. */
function fitting(boxes, high) {
  const kept = []
  for (const box of boxes) {
    const free = kept.every((k) => Math.abs(k.x - box.x) > (k.w + box.w) / 2 + 2 || Math.abs(k.y - box.y) > high + 2)
    if (free) kept.push(box)
  }
  return kept
}

/** The address of a file of this server: beside the app's own scripts, wherever a proxy has put them. */
function absolute(url) {
  if (url.startsWith("data:")) return url
  const script = [...document.querySelectorAll("script[src], link[href]")].map((tag) => tag.src || tag.href)
    .find((src) => src.startsWith(window.location.origin) && src.includes("/static/"))
  const base = script ? script.slice(0, script.indexOf("/static/")) : window.location.origin
  return base + (url.startsWith("/") ? url : "/" + url)
}
