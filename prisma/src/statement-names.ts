/**
 * Names for the statements that Prisma repeats. PostgreSQL parses and plans a statement with a name once on each
 * connection; without names that was half of its work in a sync.
 *
 * @module
 */

/** A statement that is sent so often gets a name, as in PostgreSQL's driver for Java. */
const OFTEN = 5
/** Each connection keeps the plans of its named statements: so many at the most. */
const MOST_NAMES = 256
/** Statements with lists of any length have ever new texts, which are not counted for ever. */
const MOST_COUNTED = 2_000

/** Gives the statement's name, or undefined for a statement that has none. A name stands for one text. */
export function createStatementNames(): (query: { sql: string }) => string | undefined {
  const names = new Map<string, string>()
  const counts = new Map<string, number>()
  return ({ sql }) => {
    const known = names.get(sql)
    if (known !== undefined || names.size === MOST_NAMES) return known
    const count = (counts.get(sql) ?? 0) + 1
    if (counts.size >= MOST_COUNTED) counts.clear()
    counts.set(sql, count)
    if (count < OFTEN) return undefined
    counts.delete(sql)
    const name = `tollgate_${names.size + 1}`
    names.set(sql, name)
    return name
  }
}
