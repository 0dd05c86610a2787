/** The queue of passwords: whose turn it is. */

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createTurns, type Turn } from '../turns.ts'

const at = (address: string | null, account: string | null = null): Turn => ({ address, account })

function taken<T>(turns: ReturnType<typeof createTurns<T>>): T[] {
  const items: T[] = []
  for (let item = turns.next(); item !== undefined; item = turns.next()) items.push(item)
  return items
}

test('addresses take turns, and the one that sent much waits for itself', () => {
  const turns = createTurns<string>()
  for (const n of [1, 2, 3]) turns.add(at('a'), `a${n}`)
  turns.add(at('b'), 'b1')
  expect(turns.next()).toBe('a1')
  turns.add(at('c'), 'c1')
  expect(taken(turns)).toEqual(['b1', 'a2', 'c1', 'a3'])
})

test('at one address accounts take turns, and callers without an address are one', () => {
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
