// The lower half of a matrix as cells to choose from: by click, or by the arrows and Enter.
export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".cells"), names = data.names
  const focused = root.getRootNode().activeElement?.dataset?.key
  root.setAttribute("aria-label", data.label)
  root.style.gridTemplateColumns = `minmax(3.2em, max-content) repeat(${names.length}, minmax(0, 1fr))`
  const buttons = new Map()
  const word = (text, name) => {
    const cell = document.createElement("span")
    cell.className = name
    cell.textContent = text
    return cell
  }
  const rows = names.map((name, i) => {
    const row = document.createElement("div")
    row.className = "row"
    row.setAttribute("role", "row")
    const head = word(name, "name")
    head.setAttribute("role", "rowheader")
    head.style.gridColumn = 1
    row.append(head)
    for (const item of data.cells.filter((cell) => cell.row === i)) {
      const button = document.createElement("button")
      button.type = "button"
      button.title = item.hint
      button.dataset.key = item.key
      button.setAttribute("role", "gridcell")
      button.setAttribute("aria-label", item.hint)
      button.setAttribute("aria-selected", String(item.key === data.chosen))
      button.tabIndex = item.key === data.chosen ? 0 : -1
      button.style.background = item.background
      button.style.color = item.ink
      button.style.gridColumn = item.column + 2
      button.textContent = item.text
      if (item.note) button.append(Object.assign(document.createElement("small"), { textContent: item.note }))
      button.onclick = () => setTriggerValue("clicked", item.key)
      buttons.set(`${item.row},${item.column}`, button)
      button.onkeydown = (event) => {
        const move = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key]
        const next = move && buttons.get(`${item.row + move[0]},${item.column + move[1]}`)
        if (!next) return
        event.preventDefault()
        next.focus()
      }
      row.append(button)
    }
    return row
  })
  const below = document.createElement("div")
  below.className = "row"
  below.setAttribute("aria-hidden", "true")
  below.append(word("", "name"), ...names.map((name) => word(name, "name below")))
  below.firstChild.style.gridColumn = 1
  root.replaceChildren(...rows, below)
  if (focused) [...buttons.values()].find((button) => button.dataset.key === focused)?.focus()
  if (![...buttons.values()].some((button) => button.tabIndex === 0)) buttons.values().next().value.tabIndex = 0
  parentElement.querySelector(".low").textContent = data.low
  parentElement.querySelector(".high").textContent = data.high
  parentElement.querySelector(".ramp").style.background = `linear-gradient(to right, ${data.ramp.join(", ")})`
}
