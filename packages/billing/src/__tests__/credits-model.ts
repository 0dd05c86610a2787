/**
 * The ledger as a few lines of JavaScript, one owner and one caller at a time: what the real one is
 * compared with after each step.
 */

const DAY = 24 * 60 * 60 * 1000
const WEEK = 7 * DAY

export type Op =
  | {
      op: 'grant'
      amount: number
      key: number | null
      days: number | null
      priority: number
      paid: boolean
    }
  | { op: 'deduct' | 'hold'; amount: number; key: number | null }
  | { op: 'settle'; hold: number; part: number }
  | { op: 'refund'; of: number | null; amount: number; key: number | null }
  | { op: 'adjust'; amount: number; key: number | null }
  | { op: 'clawBack'; amount: number; key: number | null; purchase: number }
  | { op: 'restore'; of: number }
  | { op: 'wait'; days: number }
  | { op: 'expire' }

interface Lot {
  remaining: number
  priority: number
  expiresAt: number | null
}

interface Row {
  type: string
  amount: number
  debt: number
  balanceAfter: number
  key: string
  /** What the key stands for. */
  facts: string
  of: Row | null
  lots: [lot: number, amount: number][]
  /** The balance it was answered with. */
  told: number
}

interface Hold {
  row: Row
  captured: number | null
}

export function createModel(start: number) {
  const lots: Lot[] = []
  const rows: Row[] = []
  const holds: Hold[] = []
  let now = start
  let last = 0
  let debt = 0

  const balance = () => lots.reduce((sum, { remaining }) => sum + remaining, 0)
  const openHold = (row: Row) => holds.some((hold) => hold.row === row && hold.captured === null)
  const isOpen = (lot: Lot) => lot.remaining > 0
  const referring = (row: Row) => rows.filter(({ of }) => of === row)
  const given = (row: Row) => referring(row).reduce((sum, r) => sum + r.amount - r.debt, 0)

  function add(row: Pick<Row, 'type' | 'amount' | 'key'> & Partial<Row>): Row {
    debt += row.debt ?? 0
    last = Math.max(now, last)
    const made = {
      debt: 0,
      facts: '',
      of: null,
      lots: [],
      balanceAfter: balance(),
      told: 0,
      ...row,
    }
    rows.push(made)
    return made
  }

  function expire() {
    const lapsed = lots
      .map((lot, at) => ({ lot, at }))
      .filter(({ lot }) => isOpen(lot) && (lot.expiresAt ?? Infinity) <= Math.max(now, last))
      .sort((a, b) => (a.lot.expiresAt ?? 0) - (b.lot.expiresAt ?? 0) || a.at - b.at)
    for (const { lot } of lapsed) {
      const amount = -lot.remaining
      lot.remaining = 0
      add({ type: 'expiry', amount, key: 'expiry' })
    }
  }

  function burn(amount: number, first?: number): [number, number][] {
    const order = lots
      .map((lot, at) => ({ lot, at }))
      .sort(
        (a, b) =>
          Number(b.at === first) - Number(a.at === first) ||
          a.lot.priority - b.lot.priority ||
          (a.lot.expiresAt ?? Infinity) - (b.lot.expiresAt ?? Infinity) ||
          a.at - b.at,
      )
    const took: [number, number][] = []
    let left = amount
    for (const { lot, at } of order) {
      const part = Math.min(lot.remaining, left)
      if (part === 0) continue
      lot.remaining -= part
      left -= part
      took.push([at, -part])
    }
    return took
  }

  function payDebt(row: Row) {
    const part = Math.min(balance(), debt)
    if (row.amount > 0 && part > 0) {
      burn(part)
      add({ type: 'adjustment', amount: -part, debt: -part, key: 'debt' })
    }
    row.told = balance()
  }

  function giveBack(of: Row, amount: number): void {
    let skip = referring(of).reduce((sum, row) => sum + row.amount, 0)
    let left = amount
    for (const [at, took] of [...of.lots].reverse()) {
      const part = Math.min(Math.max(-took - skip, 0), left)
      skip = Math.max(skip + took, 0)
      if (part === 0) continue
      const lot = lots[at] as Lot
      lot.remaining += part
      left -= part
      const at2 = Math.max(now, last)
      if (lot.expiresAt !== null && lot.expiresAt <= at2) lot.expiresAt = at2 + WEEK
    }
    if (left > 0) lots.push({ remaining: left, priority: 50, expiresAt: null })
  }

  function refund(of: Row, amount: number, key: string, facts: string): string {
    if (openHold(of)) return 'hold_open'
    if (given(of) + amount > -of.amount) return 'refund_exceeds_deduction'
    giveBack(of, amount)
    const row = add({ type: 'refund', amount, key, facts, of })
    payDebt(row)
    return `${row.told}`
  }

  /** Runs `work` unless the key has been here. */
  function once(key: string, facts: string, work: () => string): string {
    const past = rows.find((row) => row.key === key)
    if (past) return past.facts === facts ? `${past.told}` : 'idempotency_conflict'
    expire()
    return work()
  }

  const keyOf = (key: number | null, step: number) => (key === null ? `own-${step}` : `key-${key}`)
  const deductions = () => rows.filter(({ type }) => type === 'deduction')

  /** What the ledger should answer: a balance, or the code of a refusal. */
  function apply(step: number, op: Op): string {
    switch (op.op) {
      case 'wait':
        now += op.days * DAY
        return ''
      case 'expire':
        if (lots.some((lot) => isOpen(lot) && (lot.expiresAt ?? Infinity) <= now)) expire()
        return ''
      case 'grant': {
        const { amount, priority } = op
        const expiresAt = op.days === null ? null : now + op.days * DAY
        const type = op.paid ? 'purchase' : 'grant'
        const key = keyOf(op.key, step)
        const facts = `${type} ${amount} ${expiresAt} ${priority}`
        return once(key, facts, () => {
          if (expiresAt !== null && expiresAt <= Math.max(now, last)) return 'invalid_input'
          lots.push({ remaining: amount, priority, expiresAt })
          const row = add({ type, amount, key, facts, lots: [[lots.length - 1, amount]] })
          payDebt(row)
          return `${row.told}`
        })
      }
      case 'deduct':
      case 'hold': {
        const key = keyOf(op.key, step)
        const facts = `${op.op} ${op.amount}`
        return once(key, facts, () => {
          if (op.amount > balance()) return `insufficient ${balance()}`
          const took = burn(op.amount)
          const row = add({ type: 'deduction', amount: -op.amount, key, facts, lots: took })
          row.told = balance()
          if (op.op === 'hold') holds.push({ row, captured: null })
          return `${row.told}`
        })
      }
      case 'settle': {
        const hold = holds[op.hold % (holds.length || 1)]
        if (!hold) return 'hold_not_found'
        const held = -hold.row.amount
        if (hold.captured !== null)
          return hold.captured === op.part ? `${balance()}` : 'hold_settled'
        if (op.part > held) return 'capture_exceeds_hold'
        hold.captured = op.part
        if (op.part === held) return `${balance()}`
        expire()
        return refund(hold.row, held - op.part, `hold-${op.hold}`, '')
      }
      case 'refund': {
        const key = keyOf(op.key, step)
        const all = deductions()
        const of = op.of === null ? null : all[op.of % (all.length || 1)]
        // A refund that names a deduction is known by it; one that names none by its amount alone.
        const past = rows.find((row) => row.key === key)
        if (past) {
          const isSame =
            past.type === 'refund' && past.amount === op.amount && (of === null || past.of === of)
          return isSame ? `${past.told}` : 'idempotency_conflict'
        }
        expire()
        if (of === undefined) return 'transaction_not_found'
        const target =
          of ?? all.findLast((row) => !openHold(row) && -row.amount - given(row) >= op.amount)
        return target ? refund(target, op.amount, key, '') : 'nothing_to_refund'
      }
      case 'adjust':
      case 'clawBack': {
        const { amount } = op
        const key = keyOf(op.key, step)
        const signed = op.op === 'adjust' ? amount : -amount
        const facts = `adjustment ${signed}`
        return once(key, facts, () => {
          if (signed > 0) {
            lots.push({ remaining: signed, priority: 50, expiresAt: null })
            const row = add({ type: 'adjustment', amount: signed, key, facts })
            payDebt(row)
            return `${row.told}`
          }
          if (op.op === 'adjust' && -signed > balance()) return `insufficient ${balance()}`
          const taken = Math.min(balance(), -signed)
          const purchase = op.op === 'clawBack' ? purchaseOf(op.purchase) : undefined
          const took = burn(taken, purchase?.lots[0]?.[0])
          const owed = -signed - taken
          const row = add({
            type: 'adjustment',
            amount: -taken,
            debt: owed,
            key,
            facts,
            lots: took,
          })
          row.told = balance()
          return `${row.told}`
        })
      }
      case 'restore': {
        const all = clawed()
        const of = all[op.of % (all.length || 1)]
        if (!of) return 'transaction_not_found'
        const key = `${of.key}:restored`
        const facts = 'restore'
        return once(key, facts, () => {
          const total = of.debt - of.amount
          if (given(of) + total > total) return 'refund_exceeds_deduction'
          const forgiven = Math.min(debt, of.debt)
          giveBack(of, total - forgiven)
          const row = add({
            type: 'adjustment',
            amount: total - forgiven,
            debt: -forgiven,
            key,
            facts,
            of,
          })
          payDebt(row)
          return `${row.told}`
        })
      }
    }
  }

  const purchaseOf = (at: number) => {
    const all = rows.filter(({ type }) => type === 'purchase')
    return all[at % (all.length || 1)]
  }
  const clawed = () =>
    rows.filter(
      ({ type, amount, debt: owed, key }) =>
        type === 'adjustment' && amount < owed && key !== 'debt',
    )

  return {
    apply,
    keyOf,
    now: () => now,
    /** Which real row or hold a step means. */
    deduction: (at: number) => deductions()[at % (deductions().length || 1)],
    rowAt: (row: Row | undefined) => (row ? rows.indexOf(row) : -1),
    hold: (at: number) => at % (holds.length || 1),
    purchaseKey: (at: number) => purchaseOf(at)?.key,
    clawBackKey: (at: number) => clawed()[at % (clawed().length || 1)]?.key,
    state: () => ({
      debt,
      lots: lots.map(({ remaining, expiresAt }) => `${remaining} until ${expiresAt ?? 'ever'}`),
      rows: rows.map(
        (row) => `${row.type} ${row.amount} debt ${row.debt} after ${row.balanceAfter}`,
      ),
      holds: holds.map(({ captured }) => captured),
    }),
  }
}

export type Model = ReturnType<typeof createModel>
