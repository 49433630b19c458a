export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".groups")
  root.style.minHeight = data.room + "px"
  root.style.setProperty("--colour", data.colour)
  const make = (tag, name, text = "") => {
    const node = document.createElement(tag)
    node.className = name
    node.textContent = text
    return node
  }
  const items = data.groups.flatMap((group) => group.items)
  const longest = Math.max(0, ...items.map((item) => item.token.length))
  root.style.setProperty("--names", Math.min(8.5, Math.max(2.5, 0.62 * longest)) + "em")
  const room = items.some((item) => item.rank) ? 10 : 4.5
  root.replaceChildren(...data.groups.map((group, g) => {
    const box = make("div", "group"), head = make("div", "head")
    box.setAttribute("role", "group")
    box.setAttribute("aria-label", group.title)
    head.append(make("b", "", group.title), make("span", "", group.note))
    box.append(head, ...group.items.map((item, i) => {
      const button = make("button", (item.own ? "own " : "") + (item.far ? "far" : ""))
      button.type = "button"
      button.disabled = !data.clickable
      button.title = data.clickable ? `put “${item.token}” into the sentence` : ""
      button.setAttribute("aria-label", `${item.token}, ${item.percent}${item.own ? ", in the text " + item.rank : ""}`)
      const line = make("span", "line"), bar = make("span", "bar")
      bar.style.width = `calc((100% - ${room}em) * ${Math.min(1, item.width)})`  // one scale for all
      line.append(bar, make("span", "percent", item.percent + (item.rank ? ", " + item.rank : "")))
      button.append(make("span", "token", item.token), line)
      button.onclick = () => setTriggerValue("clicked", [g, i])
      return button
    }))
    return box
  }))
}
