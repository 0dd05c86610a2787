/**
 * Names for the statements that Prisma repeats. PostgreSQL parses and plans a named statement once on each
 * connection; without names, that was half of PostgreSQL's work in a sync.
 *
 * @module
 */

/** A statement gets a name after it was sent this many times, as in PostgreSQL's driver for Java. */
const OFTEN = 5
/** The most named statements; each connection keeps the plans of all of them. */
const MOST_NAMES = 256
/**
 * The most statements that are counted. A statement with a list has a new text for each length, and counting
 * them all would use ever more memory.
 */
const MOST_COUNTED = 2_000

/** The names of one client's statements. A name always stands for one text. */
export interface StatementNames {
  /** The statement's name, or undefined if the statement has none. */
  of(query: { sql: string }): string | undefined
  /** The present name of a statement that `queryNamed` calls `name`. */
  given(name: string): string
  /** Replaces all names, so that every statement is parsed anew on each connection. */
  renew(): void
}

/** Names for one client. */
export function createStatementNames(): StatementNames {
  let generation = 1
  const names = new Map<string, string>()
  const counts = new Map<string, number>()
  const nameOf = ({ sql }: { sql: string }): string | undefined => {
    const known = names.get(sql)
    if (known !== undefined || names.size === MOST_NAMES) return known
    const count = (counts.get(sql) ?? 0) + 1
    if (counts.size >= MOST_COUNTED) counts.clear()
    counts.set(sql, count)
    if (count < OFTEN) return undefined
    counts.delete(sql)
    const name = `tollgate_${generation}_${names.size + 1}`
    names.set(sql, name)
    return name
  }
  return {
    of: nameOf,
    given: (name) => (generation === 1 ? name : `${name}_${generation}`),
    renew() {
      generation += 1
      names.clear()
    },
  }
}
