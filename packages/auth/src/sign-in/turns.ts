/**
 * A queue in which networks take turns, from wide networks to narrow ones, and the accounts at one address
 * take turns as well. A caller that sends many requests waits behind its own requests and does not delay
 * others. A network with a single owner, such as the 65,536 /64 networks of one /48, has one turn, as any
 * other network has.
 *
 * Every second turn is for callers from a network in which their account has signed in before. Among these
 * the accounts take turns first: such a caller waits for other accounts that are asked for from their own
 * networks, and never for the addresses of strangers.
 *
 * @module
 */

import { isIP } from 'node:net'

/** The caller that an item belongs to. */
export interface Turn {
  /** The caller's address. Null if unknown; all callers without an address count as one. */
  address: string | null
  /** The account that the request is about. Null if the request names none. */
  account: string | null
  /** Whether the account has signed in from the network of the address before. */
  isFamiliar?: boolean
  /** Whether the item must not be shed, because the caller's token is already used up. */
  isKept?: boolean
}

/** The turn of work that no caller asked for. No address looks like it. */
export const NO_CALLER: Turn = { address: 'server', account: null }

/** A queue with turns. */
export interface Turns<T> {
  add(turn: Turn, item: T): void
  /** Takes out the next item. */
  next(): T | undefined
  /** How many items wait: of this account at its address, of the address, and of all callers. */
  waiting(turn: Turn): { account: number; address: number; all: number }
  /**
   * Takes out the newest item of the fullest network, and within it of its fullest narrower network, and so
   * on. If several are equally full, the network of `turn` gives way. Undefined if every item is kept.
   */
  shed(turn: Turn): T | undefined
  /** Whether `shed` would take out an item of `turn` if `turn` added one now. */
  isFirstToShed(turn: Turn): boolean
}

/** A network, an address or an account, with the items that wait there. */
interface Branch<T> {
  /**
   * In the order of turns. A map keeps the order of insertion, and a branch that had its turn is moved to the
   * end.
   */
  branches: Map<string, Branch<T>>
  /** Only the narrowest branches have items. */
  items: { turn: Turn; item: T }[]
  /** How many items wait in the branch. */
  size: number
  /** How many of them may be shed. */
  sheddable: number
}

/** Makes an empty queue. */
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

  /** Takes out the item at `index` of a branch without branches. */
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

  /** The branch whose item is shed next. */
  function fullest(turn: Turn): Branch<T> {
    const path = pathOf(turn)
    let at = root
    let own: Branch<T> | undefined = root
    for (let depth = 0; at.branches.size > 0; depth += 1) {
      own = own?.branches.get(path[depth] ?? '')
      let most: Branch<T> | undefined = own
      for (const each of at.branches.values()) {
        const by = each.sheddable - (most?.sheddable ?? 0)
        // Of equally full branches, the newcomer's own is taken; else the one whose turn comes last.
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

/** The keys of the branches that lead to an item, from wide to narrow. */
function pathOf({ address, account, isFamiliar }: Turn): string[] {
  if (address === NO_CALLER.address) return ['server']
  const networks = networksOf(address ?? '')
  return isFamiliar
    ? ['familiar', account ?? '', ...networks]
    : ['strange', ...networks, account ?? '']
}

/**
 * The networks of an address, from wide to narrow. For IPv4 /16, /24 and the address, because wider blocks
 * are too expensive for one owner. For IPv6 /48 and /56, which one owner usually gets, and /64, which counts
 * as the address here.
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
