/**
 * A queue in which networks take turns, from wide to narrow, and at one address its accounts: whoever sends much
 * waits behind its own requests and not in front of everybody else's. A network that is owned as a whole, such as
 * the 65,536 networks /64 of one /48, has one turn where any other has one.
 *
 * Callers from a network in which their account has signed in before have every second turn, and there the accounts
 * take turns first: such a caller waits for the other accounts that are asked for from their own networks, and for
 * none of the addresses that strangers have.
 *
 * @module
 */

import { isIP } from 'node:net'

/** Whose turn it is. */
export interface Turn {
  /** The caller's address. Null: not known, and all such callers are one address. */
  address: string | null
  /** The account that the caller asks about. Null: none is named. */
  account: string | null
  /** Whether the account has signed in from the network of the address before. */
  isFamiliar?: boolean
  /** Whether the item must not be shed: what the caller has brought is used up already. */
  isKept?: boolean
}

/** Work that no caller asked for. No address reads like it. */
export const NO_CALLER: Turn = { address: 'server', account: null }

export interface Turns<T> {
  add(turn: Turn, item: T): void
  /** Takes out the item that is next. */
  next(): T | undefined
  /** How many items wait: of this account at its address, of the address, of all. */
  waiting(turn: Turn): { account: number; address: number; all: number }
  /**
   * Takes out the newest item of whoever has the most: of the network, within it of the narrower network, and so on.
   * Where several have as much, it is `turn` that gives way. Undefined where every item is kept.
   */
  shed(turn: Turn): T | undefined
  /** Whether `shed` would take out an item of `turn`, if `turn` added one now. */
  isFirstToShed(turn: Turn): boolean
}

/** A network, an address or an account, with what waits there. */
interface Branch<T> {
  /** A map keeps its keys in the order in which they came; whoever has had a turn goes to the end. */
  branches: Map<string, Branch<T>>
  /** Of the narrowest ones only. */
  items: { turn: Turn; item: T }[]
  size: number
  sheddable: number
}

export function createTurns<T>(): Turns<T> {
  const root = branch<T>()
  const sizes = new Map<string, number>()

  const count = (turn: Turn, by: number): void => {
    for (const key of [addressKey(turn), accountKey(turn)]) {
      const size = (sizes.get(key) ?? 0) + by
      if (size > 0) sizes.set(key, size)
      else sizes.delete(key)
    }
  }

  function add(turn: Turn, item: T): void {
    let at = grown(root, turn, 1)
    for (const key of pathOf(turn)) {
      const next = at.branches.get(key) ?? branch<T>()
      at.branches.set(key, next)
      at = grown(next, turn, 1)
    }
    at.items.push({ turn, item })
    count(turn, 1)
  }

  /** Takes the item at `index` out of the branch at the end of its path. */
  function remove(leaf: Branch<T>, index: number): T {
    const [{ turn, item }] = leaf.items.splice(index, 1) as [{ turn: Turn; item: T }]
    let at = grown(root, turn, -1)
    for (const key of pathOf(turn)) {
      const next = grown(at.branches.get(key) as Branch<T>, turn, -1)
      if (next.size === 0) at.branches.delete(key)
      at = next
    }
    count(turn, -1)
    return item
  }

  /** Where the next item is shed. */
  function fullest(turn: Turn): Branch<T> {
    const path = pathOf(turn)
    let at = root
    let own: Branch<T> | undefined = root
    for (let depth = 0; at.branches.size > 0; depth += 1) {
      own = own?.branches.get(path[depth] ?? '')
      let most: Branch<T> | undefined = own
      for (const each of at.branches.values()) {
        const by = each.sheddable - (most?.sheddable ?? 0)
        // Of several with as many the one whose turn comes last, unless one is the newcomer's own.
        if (by > 0 || (by === 0 && most !== own)) most = each
      }
      if (!most) return at
      if (most !== own) own = undefined
      at = most
    }
    return at
  }

  return {
    add,
    next() {
      let at = root
      while (at.branches.size > 0) {
        const [key, next] = at.branches.entries().next().value as [string, Branch<T>]
        at.branches.delete(key)
        at.branches.set(key, next)
        at = next
      }
      return at.items.length > 0 ? remove(at, 0) : undefined
    },
    waiting: (turn) => ({
      account: sizes.get(accountKey(turn)) ?? 0,
      address: sizes.get(addressKey(turn)) ?? 0,
      all: root.size,
    }),
    shed(turn) {
      const leaf = fullest(turn)
      const index = leaf.items.findLastIndex(({ turn: { isKept } }) => !isKept)
      return index < 0 ? undefined : remove(leaf, index)
    },
    isFirstToShed(turn) {
      add(turn, undefined as T)
      const leaf = leafOf(root, turn)
      const isFirst = fullest(turn) === leaf
      remove(leaf, leaf.items.length - 1)
      return isFirst
    },
  }
}

const branch = <T>(): Branch<T> => ({ branches: new Map(), items: [], size: 0, sheddable: 0 })

function grown<T>(branch: Branch<T>, { isKept }: Turn, by: number): Branch<T> {
  branch.size += by
  if (!isKept) branch.sheddable += by
  return branch
}

const leafOf = <T>(root: Branch<T>, turn: Turn): Branch<T> =>
  pathOf(turn).reduce((at, key) => at.branches.get(key) as Branch<T>, root)

const addressKey = ({ address }: Turn) => `${address ?? ''}`
const accountKey = ({ address, account }: Turn) => `${address ?? ''}\n${account ?? ''}`

/** From wide to narrow. */
function pathOf({ address, account, isFamiliar }: Turn): string[] {
  if (address === NO_CALLER.address) return ['server']
  const networks = networksOf(address ?? '')
  return isFamiliar
    ? ['familiar', account ?? '', ...networks]
    : ['strange', ...networks, account ?? '']
}

/**
 * Of IPv4 /16, /24 and the address: registries give out no blocks to one holder that are cheap and wider. Of IPv6 /48
 * and /56, which are what one holder gets, and /64, which is the address here.
 */
function networksOf(address: string): string[] {
  if (isIP(address) === 4) {
    const [a, b, c] = address.split('.')
    return [`${a}.${b}`, `${a}.${b}.${c}`, address]
  }
  if (isIP(address) === 6) {
    const [a, b, c, d = ''] = address.split(':')
    return [`${a}:${b}:${c}`, d.padStart(4, '0').slice(0, 2), address]
  }
  return [address]
}
