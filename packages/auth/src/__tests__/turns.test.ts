/** The queue of passwords: whose turn it is. */

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createTurns, type Turn } from '../sign-in/turns.ts'

const at = (address: string | null, account: string | null = null): Turn => ({ address, account })

function taken<T>(turns: ReturnType<typeof createTurns<T>>): T[] {
  const items: T[] = []
  for (let item = turns.next(); item !== undefined; item = turns.next()) items.push(item)
  return items
}

test('addresses take turns, and an address that sent much waits behind its own requests', () => {
  const turns = createTurns<string>()
  for (const n of [1, 2, 3]) turns.add(at('a'), `a${n}`)
  turns.add(at('b'), 'b1')
  expect(turns.next()).toBe('a1')
  turns.add(at('c'), 'c1')
  expect(taken(turns)).toEqual(['b1', 'a2', 'c1', 'a3'])
})

test('at one address accounts take turns, and callers without an address count as one address', () => {
  const turns = createTurns<string>()
  for (const n of [1, 2, 3]) turns.add(at(null, 'ada'), `ada${n}`)
  turns.add(at(null, 'bob'), 'bob1')
  turns.add(at(null), 'nobody1')
  turns.add(at('a', 'ada'), 'elsewhere')
  expect(turns.waiting(at(null, 'ada'))).toEqual({ account: 3, address: 5, all: 6 })
  expect(taken(turns)).toEqual(['ada1', 'elsewhere', 'bob1', 'nobody1', 'ada2', 'ada3'])
  expect(turns.waiting(at(null, 'ada'))).toEqual({ account: 0, address: 0, all: 0 })
})

test('whatever comes in between, no address has two turns while another waits, and nothing is lost', () => {
  const turn = fc.record({
    address: fc.constantFrom('a', 'b', 'c', null),
    account: fc.constantFrom('x', 'y', null),
  })
  const steps = fc.array(fc.oneof(turn, fc.constant('next' as const)), { maxLength: 80 })
  fc.assert(
    fc.property(steps, (history) => {
      const turns = createTurns<Turn>()
      const waiting: Turn[] = []
      /** Those that had a turn while an address waited for its own. */
      const served = new Map<string | null, Set<string | null>>()
      const take = () => {
        const item = turns.next()
        expect(item === undefined).toBe(waiting.length === 0)
        if (!item) return
        waiting.splice(waiting.indexOf(item), 1)
        served.delete(item.address)
        for (const { address } of waiting) {
          if (!served.has(address)) served.set(address, new Set())
        }
        for (const [address, had] of served) {
          if (address === item.address) continue
          expect(had.has(item.address)).toBe(false)
          had.add(item.address)
        }
      }
      for (const step of history) {
        if (step === 'next') {
          take()
          continue
        }
        const item = { ...step }
        waiting.push(item)
        turns.add(item, item)
      }
      while (waiting.length > 0) take()
    }),
  )
})

/** As `addressOf` writes the network /64 of an IPv6 address. */
const inSite = (network: number) => `2001:db8:1:${network.toString(16)}::`

test('an IPv6 site of 65,536 networks has one turn, like any other address', () => {
  const turns = createTurns<string>()
  for (let n = 0; n < 300; n += 1) turns.add(at(inSite(n), `nobody-${n}`), 'site')
  turns.add(at('203.0.113.77', 'ada'), 'ada')
  turns.add(at('2001:db8:2:0::', 'bob'), 'bob')
  expect([turns.next(), turns.next(), turns.next(), turns.next()]).toEqual([
    'site',
    'ada',
    'bob',
    'site',
  ])
})

test.each([
  ['/48, /56, /64', ['2001:db8:1:100::', '2001:db8:1:101::', '2001:db8:1:200::', '2001:db8:2:1::']],
  ['/16, /24, the address', ['198.51.100.1', '198.51.100.2', '198.51.7.1', '203.0.113.1']],
])('networks take turns from wide to narrow: %s', (_, addresses) => {
  const turns = createTurns<number>()
  for (let n = 0; n < 5; n += 1) turns.add(at(addresses[0] as string), 0)
  for (const n of [1, 2, 3]) turns.add(at(addresses[n] as string), n)
  // The widest other one, then the next narrower, and only then the one beside the first.
  expect(taken(turns)).toEqual([0, 3, 2, 1, 0, 0, 0, 0])
})

test('a caller from a network of the account has every second turn, and there the accounts take turns', () => {
  const turns = createTurns<string>()
  const own = (account: string, address: string) => ({ ...at(address, account), isFamiliar: true })
  for (let n = 0; n < 200; n += 1) turns.add(at(`10.${n}.0.1`, `victim-${n}`), 'stranger')
  for (let n = 0; n < 20; n += 1) turns.add(own('bot', `11.${n}.0.1`), 'bot')
  turns.add(own('ada', '203.0.113.77'), 'ada')
  const first = [1, 2, 3, 4, 5].map(() => turns.next())
  expect(first).toEqual(['stranger', 'bot', 'stranger', 'ada', 'stranger'])
})

test('a full queue drops the newest item of the fullest network', () => {
  const turns = createTurns<string>()
  turns.add(at('2001:db8:2:1::', 'ada'), 'ada')
  for (let n = 0; n < 4; n += 1) turns.add(at(inSite(0x100 + n)), `wide ${n}`)
  for (let n = 0; n < 3; n += 1) turns.add(at(inSite(0x200), `account-${n % 2}`), `narrow ${n}`)
  const newcomer = at('203.0.113.77', 'bob')
  const shed = Array.from({ length: 6 }, () => turns.shed(newcomer))
  expect(shed.slice(0, 2).sort()).toEqual(['narrow 2', 'wide 3'])
  expect(shed).not.toContain('ada')
  expect(turns.waiting(newcomer).all).toBe(2)
})

test('a network as full as the fullest gives way, and a kept item never does', () => {
  const turns = createTurns<string>()
  turns.add(at('203.0.113.1', 'ada'), 'ada')
  turns.add(at('198.51.100.1', 'bob'), 'bob')
  expect(turns.isFirstToShed(at('192.0.2.1', 'eve'))).toBe(true)
  expect(turns.isFirstToShed(at('203.0.113.1', 'eve'))).toBe(true)
  turns.add(at('203.0.113.9', 'eve'), 'eve')
  expect(turns.isFirstToShed(at('192.0.2.1', 'new'))).toBe(false)
  // Queryable changes nothing.
  expect(turns.waiting(at('192.0.2.1', 'new'))).toEqual({ account: 0, address: 0, all: 3 })

  const kept = createTurns<string>()
  for (let n = 0; n < 5; n += 1) kept.add({ ...at('192.0.2.1'), isKept: true }, 'kept')
  kept.add(at('203.0.113.1'), 'ada')
  expect(kept.shed(at('198.51.100.1'))).toBe('ada')
  expect(kept.shed(at('198.51.100.1'))).toBeUndefined()
  expect(taken(kept)).toEqual(Array(5).fill('kept'))
})

/** The networks of an address and the account, from wide to narrow, as a reader would write them. */
function widening({ address, account, isFamiliar = false }: Turn): string[] {
  const parts = (address ?? '').split(/[.:]/)
  const isSix = (address ?? '').includes(':')
  const networks = isSix
    ? [
        parts.slice(0, 3),
        [...parts.slice(0, 3), (parts[3] ?? '').padStart(4, '0').slice(0, 2)],
        parts,
      ]
    : [parts.slice(0, 2), parts.slice(0, 3), parts]
  const named = networks.map((each) => each.join('.'))
  const path = isFamiliar ? [`${account}`, ...named] : [...named, `${account}`]
  return [`${isFamiliar}`, ...path].map((_, depth, all) => all.slice(0, depth + 1).join('|'))
}

test('at every width, no network has two turns while one beside it waits, and nothing is lost', () => {
  const turn: fc.Arbitrary<Turn> = fc.record({
    address: fc.constantFrom(
      ...['198.51.100.1', '198.51.100.2', '198.51.7.1', '203.0.113.1'],
      ...['2001:db8:1:100::', '2001:db8:1:101::', '2001:db8:1:200::', '2001:db8:2:1::'],
    ),
    account: fc.constantFrom('x', 'y'),
    isFamiliar: fc.boolean(),
    isKept: fc.boolean(),
  })
  const step = fc.oneof(turn, turn, fc.constant('next' as const), fc.constant('shed' as const))
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (history) => {
      const turns = createTurns<Turn>()
      const waiting: Turn[] = []
      /** Of each branch that waits, those beside it that had a turn since. */
      const passed = new Map<string, Set<string>>()
      const settle = () => {
        const there = new Set(waiting.flatMap(widening))
        for (const key of passed.keys()) if (!there.has(key)) passed.delete(key)
        for (const key of there) if (!passed.has(key)) passed.set(key, new Set())
      }
      const take = () => {
        const item = turns.next()
        expect(item === undefined).toBe(waiting.length === 0)
        if (!item) return
        waiting.splice(waiting.indexOf(item), 1)
        const path = widening(item)
        path.forEach((key, depth) => {
          const parent = depth === 0 ? '' : `${path[depth - 1]}|`
          for (const [beside, had] of passed) {
            const isBeside =
              beside !== key && beside.startsWith(parent) && beside.split('|').length === depth + 1
            if (!isBeside) continue
            expect(had.has(key)).toBe(false)
            had.add(key)
          }
          passed.set(key, new Set())
        })
        settle()
      }
      for (const each of history) {
        if (each === 'next') take()
        else if (each === 'shed') {
          const item = turns.shed({ address: '192.0.2.1', account: 'z' })
          expect(item === undefined).toBe(waiting.every(({ isKept }) => isKept))
          if (item) waiting.splice(waiting.indexOf(item), 1)
          expect(item?.isKept ?? false).toBe(false)
          settle()
        } else {
          const item = { ...each }
          waiting.push(item)
          turns.add(item, item)
          settle()
        }
        expect(turns.waiting({ address: null, account: null }).all).toBe(waiting.length)
      }
      while (waiting.length > 0) take()
    }),
  )
})
