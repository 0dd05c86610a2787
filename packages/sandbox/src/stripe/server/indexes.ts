/**
 * Indexes that find records by their order and by their references. A list of one customer's records never
 * reads another customer's.
 *
 * @module
 */

/** The members that a record needs to be indexed. */
export interface Row {
  id: string
  created: number
}

/** The indexes of one table; every list in it is the oldest first. */
export interface TableIndex<Kept extends Row> {
  rows: Kept[]
  /** A number for each id that rises with each record. It is not an index into a list. */
  order: Map<string, number>
  /** Records by the name of a reference and the id in it. */
  by: Map<string, Map<string, Kept[]>>
  /** Whether the records are in order of their time, so that a list by time may stop early. */
  isChronological: boolean
}

/** An empty index of a table whose records have the given references. */
export const createIndex = <Kept extends Row>(references: readonly string[]): TableIndex<Kept> => ({
  rows: [],
  order: new Map(),
  by: new Map(references.map((name) => [name, new Map()])),
  isChronological: true,
})

/** Adds the newest record. */
export function addRow<Kept extends Row>(index: TableIndex<Kept>, row: Kept): void {
  const last = index.rows.at(-1)
  if (last !== undefined && last.created > row.created) index.isChronological = false
  index.order.set(row.id, (last === undefined ? 0 : placeOf(index, last)) + 1)
  index.rows.push(row)
  for (const [name, lists] of index.by) {
    const value = referenceOf(row, name)
    const list = lists.get(value ?? '')
    if (list !== undefined) list.push(row)
    else if (value !== null) lists.set(value, [row])
  }
}

/** Removes a record from every list. */
export function removeRow<Kept extends Row>(index: TableIndex<Kept>, row: Kept): void {
  drop(index, index.rows, row)
  for (const [name, lists] of index.by) {
    drop(index, lists.get(referenceOf(row, name) ?? '') ?? [], row)
  }
  index.order.delete(row.id)
}

/** Moves a record whose reference `name` was `before` to the list of its new value, in its original order. */
export function moveRow<Kept extends Row>(
  index: TableIndex<Kept>,
  row: Kept,
  name: string,
  before: string | null,
): void {
  const lists = index.by.get(name)
  if (lists === undefined) return
  drop(index, lists.get(before ?? '') ?? [], row)
  place(index, lists, row, referenceOf(row, name))
}

/** The number of `rows` before the record with this number. */
export function countBefore<Kept extends Row>(
  index: TableIndex<Kept>,
  rows: readonly Kept[],
  order: number,
): number {
  let [low, high] = [0, rows.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    const row = rows[middle]
    if (row !== undefined && placeOf(index, row) < order) low = middle + 1
    else high = middle
  }
  return low
}

const placeOf = <Kept extends Row>(index: TableIndex<Kept>, row: Kept): number =>
  index.order.get(row.id) ?? 0

function referenceOf(row: Row, name: string): string | null {
  const value = (row as unknown as { [key: string]: unknown })[name]
  return typeof value === 'string' ? value : null
}

function place<Kept extends Row>(
  index: TableIndex<Kept>,
  lists: Map<string, Kept[]>,
  row: Kept,
  value: string | null,
): void {
  if (value === null) return
  const list = lists.get(value)
  if (list === undefined) lists.set(value, [row])
  else list.splice(countBefore(index, list, placeOf(index, row)), 0, row)
}

function drop<Kept extends Row>(index: TableIndex<Kept>, list: Kept[], row: Kept): void {
  const at = countBefore(index, list, placeOf(index, row))
  if (list[at]?.id === row.id) list.splice(at, 1)
}
