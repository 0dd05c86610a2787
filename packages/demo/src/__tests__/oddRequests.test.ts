/** A host in its own process survives every odd request to any of its entries, and answers with 4xx. */

import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { beginRaw, sendRaw, statusesOf } from '@repo/core/testing'
import { createTestDatabase, type TestDatabase } from '@repo/db/testing'
import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest'
import { ENTRIES, oddRequests, plainRequest } from './oddRequests.ts'

const SERVERS = ['node', 'express', 'hono'] as const

let database: TestDatabase
let child: ChildProcess
let ports: Record<(typeof SERVERS)[number], number>
let log = ''
beforeAll(async () => {
  database = await createTestDatabase(inject('postgres'))
  const script = fileURLToPath(new URL('hosts.ts', import.meta.url))
  child = spawn(
    process.execPath,
    ['--conditions=source', '--import', 'tsx', script, database.url],
    { stdio: ['pipe', 'pipe', 'pipe'] },
  )
  child.stderr?.setEncoding('utf8').on('data', (text) => {
    log += text
  })
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  ports = await new Promise((done, fail) => {
    lines.once('line', (line) => done(JSON.parse(line)))
    child.once('exit', () => fail(new Error(`The host did not start: ${log}`)))
  })
})
afterAll(async () => {
  if (child.exitCode === null) {
    const ended = new Promise((done) => child.once('exit', done))
    child.stdin?.write('\n')
    await ended
  }
  await database.drop()
})

const isAlive = () => child.exitCode === null && child.signalCode === null

describe.each(SERVERS)('on %s', (server) => {
  test.each(ENTRIES.map((entry) => [`${entry.method} ${entry.path}`, entry] as const))(
    '%s: an answer below 500 or a closed connection, and the next request is answered normally',
    async (_, entry) => {
      const port = ports[server]
      const [usual] = statusesOf(await sendRaw(port, plainRequest(entry)))
      expect(usual).toBeLessThan(500)
      const wrong: unknown[] = []
      for (const { name, bytes, isCut } of oddRequests(entry)) {
        const text = await sendRaw(port, bytes, isCut ? { end: true } : {})
        const statuses = statusesOf(text)
        if (statuses.some((status) => status >= 500)) wrong.push([name, text.slice(0, 400)])
        if (!isAlive()) wrong.push([name, 'the process has ended', log.slice(-2_000)])
        expect(isAlive()).toBe(true)
      }
      expect(wrong).toEqual([])
      expect(statusesOf(await sendRaw(port, plainRequest(entry)))).toEqual([usual])
    },
  )

  test('callers that disconnect at any moment do no harm', async () => {
    const port = ports[server]
    for (const entry of ENTRIES) {
      const bytes = plainRequest(entry)
      const sockets = await Promise.all(
        [1, bytes.length / 2, bytes.length - 1, bytes.length].map((length) =>
          beginRaw(port, bytes.slice(0, length)),
        ),
      )
      for (const socket of sockets) socket.destroy()
      // Disconnects after the first byte of the answer.
      const answered = await beginRaw(port, bytes)
      answered.once('data', () => answered.destroy())
      await vi.waitFor(() => expect(answered.closed).toBe(true))
    }
    expect(statusesOf(await sendRaw(port, plainRequest(ENTRIES[0] as never)))).toEqual([200])
    expect(isAlive()).toBe(true)
  })

  test('pipelined requests are answered in order', async () => {
    const [first] = ENTRIES
    const bytes = plainRequest(first as never)
    const kept = bytes.replace('Connection: close\r\n', '')
    const text = await sendRaw(ports[server], `${kept.repeat(9)}${bytes}`)
    expect(statusesOf(text)).toEqual(Array(10).fill(200))
  })
})

test.each(SERVERS)('on %s a sign-in still works after all of that', async (server) => {
  const body = JSON.stringify({ email: 'ada@example.com', password: 'a wrong password' })
  const [, signIn] = ENTRIES
  expect(
    statusesOf(await sendRaw(ports[server], plainRequest({ ...signIn, body } as never))),
  ).toEqual([401])
})

test('none of that was logged as an error of ours', () => {
  const errors = log.split('\n').filter((line) => /"level":"error"/.test(line))
  // Better Auth logs this error for every callback with an unknown state.
  expect(errors.filter((line) => !line.includes('Failed to parse state'))).toEqual([])
  expect(log).not.toMatch(/unhandled|uncaught|triggerUncaughtException/i)
})
