/**
 * A queue in which addresses take turns, and at one address its accounts: whoever sends much waits behind its
 * own requests and not in front of everybody else's. An item is first when each other address, and at its own
 * address each other account, has had one turn at the most since the item came.
 *
 * @module
 */

/** Whose turn it is. */
export interface Turn {
  /** The caller's address. Null: not known, and all such callers are one address. */
  address: string | null
  /** The account that the caller asks about. Null: none is named. */
  account: string | null
}

/** Work that no caller asked for. No address reads like it. */
export const NO_CALLER: Turn = { address: 'server', account: null }

export interface Turns<T> {
  add(turn: Turn, item: T): void
  /** Takes out the item that is next. */
  next(): T | undefined
  /** How many items wait: of this account at its address, of the address, of all. */
  waiting(turn: Turn): { account: number; address: number; all: number }
}

export function createTurns<T>(): Turns<T> {
  // A map keeps its keys in the order in which they came; whoever has had a turn goes to the end.
  const addresses = new Map<string, Map<string, T[]>>()

  const accountsOf = ({ address }: Turn) => addresses.get(address ?? '')
  const count = (accounts: Map<string, T[]> | undefined) =>
    [...(accounts?.values() ?? [])].reduce((sum, { length }) => sum + length, 0)

  return {
    add(turn, item) {
      const accounts = accountsOf(turn) ?? new Map<string, T[]>()
      addresses.set(turn.address ?? '', accounts)
      const items = accounts.get(turn.account ?? '') ?? []
      accounts.set(turn.account ?? '', items)
      items.push(item)
    },
    next() {
      const [first] = addresses
      if (!first) return undefined
      const [address, accounts] = first
      const [account, items] = accounts.entries().next().value as [string, T[]]
      const item = items.shift()
      accounts.delete(account)
      if (items.length > 0) accounts.set(account, items)
      addresses.delete(address)
      if (accounts.size > 0) addresses.set(address, accounts)
      return item
    },
    waiting(turn) {
      const accounts = accountsOf(turn)
      return {
        account: accounts?.get(turn.account ?? '')?.length ?? 0,
        address: count(accounts),
        all: [...addresses.values()].reduce((sum, each) => sum + count(each), 0),
      }
    },
  }
}
