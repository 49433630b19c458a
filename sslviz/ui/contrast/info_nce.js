// What a contrastive loss makes of a batch, from its cosines alone: as sslviz/evaluation/contrast.py has it, where the
// formulas and their sources are. A test holds both to the same numbers.

/** The other view of a row's image, in a batch of n pairs. */
export function partner(row, n) {
  return row < n ? row + n : row - n
}

/** A batch {n, k, views (2n x 2n), own (2n), queue (2n x k)} from its float32 numbers, one part after the other. */
export function readBatch(numbers, n, k) {
  const size = 2 * n, views = numbers.subarray(0, size * size), own = numbers.subarray(size * size, size * size + size)
  return { n, k, views, own, queue: numbers.subarray(size * size + size) }
}

/** Among what a row must find its positive: columns of (views | queue), the positive first, and their cosines. */
export function candidates(batch, objective, row) {
  const { n, k } = batch, size = 2 * n, positive = partner(row, n)
  if (objective === "queue") {
    const columns = new Int32Array(k + 1), values = new Float64Array(k + 1)
    columns[0] = positive
    values[0] = batch.own[row]
    for (let j = 0; j < k; j++) {
      columns[j + 1] = size + j
      values[j + 1] = batch.queue[row * k + j]
    }
    return { columns, values }
  }
  const start = objective === "nt_xent" || row >= n ? 0 : n, end = objective === "nt_xent" || row < n ? size : n
  const columns = [positive]
  for (let j = start; j < end; j++) if (j !== row && j !== positive) columns.push(j)
  return { columns: Int32Array.from(columns), values: Float64Array.from(columns, (j) => batch.views[row * size + j]) }
}

/** Softmax of cosines over a temperature. */
export function probabilities(values, temperature) {
  let top = -Infinity, sum = 0
  for (const value of values) top = Math.max(top, value)
  const p = Float64Array.from(values, (value) => Math.exp((value - top) / temperature))
  for (const weight of p) sum += weight
  return p.map((weight) => weight / sum)
}

/** -log p of the positive, which stands first; nats. */
export function rowLoss(values, temperature) {
  let top = -Infinity, sum = 0
  for (const value of values) top = Math.max(top, value)
  for (const value of values) sum += Math.exp((value - top) / temperature)
  return (top - values[0]) / temperature + Math.log(sum)
}

/** Mean loss over all rows of the candidates of each, as `candidates` gives them; nats a view. */
export function meanLoss(rows, temperature) {
  return rows.reduce((sum, row) => sum + rowLoss(row.values, temperature), 0) / rows.length
}

/** The candidates of every row. */
export function allCandidates(batch, objective) {
  return Array.from({ length: 2 * batch.n }, (_, row) => candidates(batch, objective, row))
}

/** How a row's push is shared out among its negatives: the softmax over them alone. */
export function gradientShares(values, temperature) {
  return values.length > 1 ? probabilities(values.subarray(1), temperature) : new Float64Array(0)
}

/** Cosines of an anchor with other rows, all of unit length. */
export function cosines(anchor, others) {
  return Float64Array.from(others, (other) => other.reduce((sum, value, d) => sum + value * anchor[d], 0))
}

/** Minus the gradient of a row's loss by its anchor of unit length, split by candidate, the positive first. */
export function forces(anchor, others, temperature) {
  const similarity = cosines(anchor, others)
  const p = probabilities(similarity, temperature)
  return others.map((other, i) => {
    const weight = ((i === 0 ? 1 : 0) - p[i]) / temperature
    return other.map((value, d) => weight * (value - similarity[i] * anchor[d]))
  })
}

/** The largest entries: their places, falling. */
export function largest(values, count) {
  return Array.from(values.keys()).sort((a, b) => values[b] - values[a]).slice(0, count)
}
