/** Turns: so many at a time for each key, in order, and none is lost when one fails. */

import { expect, test } from 'vitest'
import { createLanes } from '../lanes.ts'

/** Work whose end is in the test's hand. */
function work() {
  let end = { done: () => {}, fail: (_: Error) => {} }
  const promise = new Promise<void>((done, fail) => {
    end = { done, fail }
  })
  return { ...end, run: () => promise }
}

const turn = () => new Promise((done) => setImmediate(done))

test('no more than so many of a key are under way, in the order in which they came', async () => {
  const inTurn = createLanes(() => 2)
  const begun: string[] = []
  const jobs = Array.from({ length: 5 }, work)
  const all = jobs.map((job, at) =>
    inTurn('a', () => {
      begun.push(`a${at}`)
      return job.run()
    }),
  )
  await turn()
  expect(begun).toEqual(['a0', 'a1'])
  jobs[1]?.done()
  await turn()
  expect(begun).toEqual(['a0', 'a1', 'a2'])
  // Another key has lanes of its own.
  await inTurn('b', async () => void begun.push('b'))
  expect(begun.at(-1)).toBe('b')
  for (const job of jobs) job.done()
  await Promise.all(all)
  expect(begun).toEqual(['a0', 'a1', 'a2', 'b', 'a3', 'a4'])
})

test('what fails, at once or later, leaves its lane to the next', async () => {
  const inTurn = createLanes(() => 1)
  const failing = work()
  const first = inTurn('a', failing.run)
  const second = inTurn('a', () => {
    throw new Error('at once')
  })
  const third = inTurn('a', async () => 'third')
  failing.fail(new Error('later'))
  await expect(first).rejects.toThrow('later')
  await expect(second).rejects.toThrow('at once')
  expect(await third).toBe('third')
  expect(await inTurn('a', async () => 'again')).toBe('again')
})

test('who comes while a lane changes hands waits behind those who wait', async () => {
  const inTurn = createLanes(() => 1)
  const begun: number[] = []
  const add = (at: number) => inTurn('a', async () => void begun.push(at))
  const first = inTurn('a', async () => {
    begun.push(0)
  })
  const others = [add(1), add(2)]
  await first
  others.push(add(3))
  await Promise.all(others)
  expect(begun).toEqual([0, 1, 2, 3])
})

test('more begin as soon as there may be more, and fewer when there may be fewer', async () => {
  let most = 1
  const inTurn = createLanes(() => most)
  const begun: number[] = []
  const jobs = Array.from({ length: 6 }, work)
  const all = jobs.map((job, at) =>
    inTurn('a', () => {
      begun.push(at)
      return job.run()
    }),
  )
  await turn()
  expect(begun).toEqual([0])
  most = 3
  jobs[0]?.done()
  await turn()
  expect(begun).toEqual([0, 1, 2, 3])
  most = 1
  jobs[1]?.done()
  jobs[2]?.done()
  await turn()
  expect(begun).toEqual([0, 1, 2, 3])
  jobs[3]?.done()
  await turn()
  expect(begun).toEqual([0, 1, 2, 3, 4])
  for (const job of jobs) job.done()
  await Promise.all(all)
  expect(begun).toEqual([0, 1, 2, 3, 4, 5])
})
