// Puts the sheet into the page as it is: Streamlit's own HTML would drop its formulas. What was guessed stays.

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".rv-root")
  if (root.sheet === data.html) return
  root.sheet = data.html
  const guessed = [...root.querySelectorAll("input:checked")].map(({ name, value }) => ({ name, value }))
  root.innerHTML = data.html
  for (const { name, value } of guessed) {
    const input = root.querySelector(`input[name="${name}"][value="${value}"]`)
    if (input) input.checked = true
  }
}
