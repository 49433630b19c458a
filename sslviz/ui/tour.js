// The strip of the tour. Its main button has the keyboard's focus, so that Enter goes on; Escape ends it.

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".tour")
  const offer = data.what === "offer"
  const now = `${data.what} ${data.step}`
  if (root.dataset.now === now) return
  root.dataset.now = now

  const told = document.createElement("p")
  if (!offer) {
    const where = document.createElement("b")
    where.textContent = `Tour, ${data.step} of ${data.of}: ${data.page}. `
    told.append(where)
  }
  told.append(offer ? "First time here? A tour of three minutes shows what to press on each page." : data.words)

  const move = (name) => {
    if (offer || name === "end") {
      // biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store is missing from some browsers
      document.cookie = `${data.cookie}=seen; max-age=31536000; path=/; SameSite=Lax`
    }
    setTriggerValue("move", name)
  }
  const button = (name, words, main, hidden) => {
    const made = document.createElement("button")
    made.type = "button"
    made.textContent = words
    made.className = main ? "main" : ""
    made.disabled = Boolean(hidden)
    made.onclick = () => move(name)
    return made
  }
  const last = data.step === data.of
  const buttons = offer
    ? [button("start", "Start the tour", true), button("later", "Not now")]
    : [button("back", "Back", false, data.step === 1), button("next", last ? "Finish" : "Next page", true),
      button("end", "End the tour", false, last)]
  root.replaceChildren(told, ...buttons)
  root.onkeydown = (event) => {
    if (event.key === "Escape") move(offer ? "later" : "end")
  }
  if (!offer) root.querySelector(".main").focus({ preventScroll: true })
}
