// Hands a file to the browser, once a press, and says so. It comes as a line of JSON and the content behind it.

const LONG = 60_000 // ms until the browser has surely read the content
const saved = new Set() // presses; the page may be drawn again before the server knows

export default function ({ data, setTriggerValue }) {
  const end = data.indexOf(10)
  const { press, name, kind } = JSON.parse(new TextDecoder().decode(data.subarray(0, end)))
  if (!saved.has(press)) {
    saved.add(press)
    const link = document.createElement("a")
    link.href = URL.createObjectURL(new Blob([data.subarray(end + 1)], { type: kind }))
    link.download = name
    link.click()
    setTimeout(() => URL.revokeObjectURL(link.href), LONG)
  }
  setTriggerValue("saved", press)
}
