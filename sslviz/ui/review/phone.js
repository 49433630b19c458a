// What a phone does in a room: join it, look every second or two, answer, and show the bars with the result.

const EVERY = 1500, PATIENCE = 6000 // ms between two looks, and when the server does not answer
const $ = (id) => document.getElementById(id)
const query = new URLSearchParams(location.search)
let code = (query.get("room") || "").toUpperCase().slice(0, 8)
let drawn = "", token = "", asked = 0

const kept = {
  get: () => { try { return sessionStorage.getItem(`sslviz-${code}`) || "" } catch { return "" } },
  set: (value) => { try { sessionStorage.setItem(`sslviz-${code}`, value) } catch { /* private windows may refuse */ } },
}

/** Ask the server; what it says is {ok, gone, said, ...}. */
async function tell(what, sent) {
  const answer = await fetch(`room/${encodeURIComponent(code || "-")}/${what}`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(sent),
  })
  return answer.json()
}

function enter(said) {
  token = ""
  drawn = ""
  $("enter").hidden = false
  $("question").textContent = ""
  $("choices").replaceChildren()
  $("room").textContent = ""
  $("code").value = code
  $("said").textContent = said || ""
}

async function join(name) {
  const found = await tell("join", { name, token: kept.get() })
  if (!found.ok) return enter(found.said)
  token = found.token
  kept.set(token)
  $("enter").hidden = true
  $("room").textContent = `Room ${code}`
  show(found)
}

async function answer(choice) {
  try {
    const found = await tell("answer", { token, number: asked, choice })
    if (found.ok) show(found)
    else if (found.gone) enter(found.said)
    else $("said").textContent = found.said
  } catch { $("said").textContent = "Your answer has not arrived. Press it once more." }
}

function words(found) {
  if (!found.number) return "You are in. The first question will appear here."
  if (found.open) return found.own === null ? "Choose an answer." : "Taken. You may still choose another."
  return found.result || "The question is closed."
}

function show(found) {
  asked = found.number
  const now = JSON.stringify(found)
  if (now === drawn) return
  drawn = now
  $("question").textContent = found.question
  const most = Math.max(1, ...(found.counts || [0]))
  const buttons = found.choices.map((text, i) => {
    const button = document.createElement("button")
    button.type = "button"
    button.textContent = text
    button.setAttribute("aria-pressed", String(found.own === i))
    button.disabled = !found.open
    if (found.counts) {
      button.append(`: ${found.counts[i]}`)
      const bar = document.createElement("span")
      bar.className = "bar"
      bar.style.width = `${100 * found.counts[i] / most}%`
      button.append(bar)
    }
    if (found.right === i) {
      button.classList.add("right")
      button.append("✓ as the figure says")
    }
    button.addEventListener("click", () => answer(i))
    return button
  })
  const at = [...$("choices").children].indexOf(document.activeElement)
  $("choices").replaceChildren(...buttons)
  if (at >= 0 && buttons[at] && !buttons[at].disabled) buttons[at].focus()
  $("said").textContent = words(found)
}

async function look() {
  let wait = EVERY + 500 * Math.random()
  try {
    if (token) {
      const found = await tell("state", { token })
      if (found.ok) show(found)
      else enter(found.said)
    }
  } catch {
    wait = PATIENCE
    $("said").textContent = "The server does not answer. Trying again."
  }
  setTimeout(look, wait)
}

$("enter").addEventListener("submit", (event) => {
  event.preventDefault()
  code = $("code").value.trim().toUpperCase()
  join($("name").value).catch(() => enter("The server does not answer. Try again."))
})
if (code && kept.get()) join("").catch(() => enter("The server does not answer. Try again."))
else enter("")
look()
